# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From bare Debian to a running, fenced, migrating cluster, told step by step; `make demo` runs it.

Everything is done by the plays that a user runs, through ansible-runner. What it measures at the end was seen by
a client outside of the nodes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ansible_runner

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError, run_program  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for  # noqa: E402
from ansible_collections.cspp.drover.tests.clients import OutageProbe, SessionProbe, answers  # noqa: E402
from ansible_collections.cspp.drover.tests.witness import Witness  # noqa: E402

from ..verify.ceph.writers import Writers  # noqa: E402
from ..verify.lab import Lab  # noqa: E402
from ..verify.plays import BESIDE, inventories  # noqa: E402
from . import console  # noqa: E402

os.environ.setdefault("DROVER_LAB", "drover")
VM, CONTAINER = "game", "web"
#: Whether all guests are on Ceph (`make demo-ceph`), and seconds for which another node then writes.
ON_CEPH = any(folder.name == "ceph" for folder in BESIDE)
WRITING = 60
ECHO, SSH = 7, 22


class DemoError(DroverError):
    """A step that did not do what it should."""


class Story:
    """Prints the steps with their times, and runs plays."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.measured: list[tuple[str, str]] = []

    def say(self, text: str) -> None:
        seconds = int(time.monotonic() - self.begun)
        print(f"[{seconds // 60}:{seconds % 60:02}] {text}", flush=True)

    def note(self, what: str, value: str) -> None:
        self.measured.append((what, value))
        self.say(f"      {what}: {value}")

    def play(self, name: str, file: Path | None = None, **variables: Any) -> float:
        """Run a playbook as a user would, with the variables of a ``file`` too, and show which role is at work. Returns
        its seconds."""
        options = [f"-e @{file.relative_to(ROOT)}"] if file else []
        given = [*options, *(f"-e {k}={v}" for k, v in variables.items())]
        words = " ".join(["ansible-playbook", f"playbooks/{name}.yml", *given])
        self.say(f"  $ {words}")
        begun = time.monotonic()
        failures: list[str] = []
        shown: set[str] = set()

        def handle(event: dict[str, Any]) -> bool:
            data = event.get("event_data", {})
            kind = event["event"]
            if kind == "playbook_on_task_start":
                role = str(data.get("role") or "").rsplit(".", 1)[-1]
                if role and role not in shown:
                    shown.add(role)
                    self.say(f"      role {role}")
            elif kind == "verbose" and event.get("stdout", "").startswith("drover:"):
                self.say(f"      {event['stdout'].removeprefix('drover:').strip()}")
            elif kind in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
                failures.append(f"{data.get('host')}: {data.get('task')}: {data.get('res', {}).get('msg')}")
            return True

        private = ROOT / ".cache" / "demo"
        private.mkdir(parents=True, exist_ok=True)
        run = ansible_runner.run(
            private_data_dir=str(private),
            project_dir=str(ROOT),
            playbook=f"playbooks/{name}.yml",
            inventory=inventories(),
            extravars=variables,
            cmdline=f"-e @{file}" if file else None,
            envvars={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            event_handler=handle,
            quiet=True,
            rotate_artifacts=20,
        )
        seconds = time.monotonic() - begun
        if run.status != "successful":
            log = Path(run.config.artifact_dir, "stdout")
            told = failures or log.read_text().splitlines()[-5:]
            raise DemoError(f"{words} failed.\n" + "\n".join(told) + f"\nThe whole output is in {log}")
        self.say(f"      done in {seconds:.0f} s")
        return seconds


def until(what: str, look: Callable[[], bool], timeout: float) -> None:
    """Wait for it, or tell what did not happen."""
    try:
        wait_for(look, bool, what=what, timeout=timeout, interval=0.2)
    except WaitTimeout as error:
        raise DemoError(str(error)) from error


def main() -> None:
    story = Story()
    ceph = ", and with Ceph for all data" if ON_CEPH else ""
    story.say(f"Three bare Debian 13 nodes, each with a power controller that speaks IPMI{ceph}")
    story.play("lab", lab_state="present")

    story.say("From bare Debian to a cluster with a virtual machine, a container and a page")
    lab = Lab()
    page = console.declare(lab.description["subnet"], ROOT / ".cache" / "demo")
    story.play("site", page.variables)
    prefix = lab.description["subnet"].rsplit(".", 1)[0]
    vm, container = f"{prefix}.150", f"{prefix}.151"
    until(f"{VM} answers", lambda: answers(vm, ECHO), 60)
    until(f"{CONTAINER} answers", lambda: answers(container, SSH, greeting=True), 60)
    story.say(f"  {VM} answers at {vm} on {lab.where(VM)}, {CONTAINER} at {container} on {lab.where(CONTAINER)}")

    story.say(f"{VM} moves to another node while a client holds a TCP session to it, 100 messages a second")
    session = SessionProbe(vm, ECHO)
    session.start()
    source = lab.where(VM)
    story.play("migrate", guest=VM)
    result = session.stop()
    target = lab.where(VM)
    if target == source or not result.alive:
        raise DemoError(f"{VM} was to leave {source} and is on {target}; its session: {result.broken or 'alive'}")
    story.note(
        f"live migration {source} -> {target}, longest silence of the open session", f"{result.silence * 1000:.0f} ms"
    )

    story.say(f"{CONTAINER} moves beside it: stopped there, started here")
    outage = OutageProbe(container, SSH, greeting=True)
    outage.start()
    story.play("migrate", guest=CONTAINER, to=target)
    story.note("container, from stop to ready", f"{outage.stop().length:.1f} s")

    story.say(f"{target} goes into maintenance: its guests leave")
    session = SessionProbe(vm, ECHO)
    session.start()
    story.play("maintenance", node=target, state="on")
    if {lab.where(VM), lab.where(CONTAINER)} & {target}:
        raise DemoError(f"guests are still on {target}")
    story.say(f"{target} comes back from maintenance: its guests return")
    story.play("maintenance", node=target, state="off")
    result = session.stop()
    homes = {VM: lab.where(VM), CONTAINER: lab.where(CONTAINER)}
    if homes != {VM: target, CONTAINER: target} or not result.alive:
        raise DemoError(f"guests were to return to {target}, are at {homes}; session: {result.broken or 'alive'}")
    story.note("maintenance and back, longest silence of the open session", f"{result.silence * 1000:.0f} ms")

    story.say(f"{target} loses its power with both guests on it")
    writers = None
    if ON_CEPH:
        survivor = next(name for name in lab.nodes if name != target)
        story.say(f"  its part of Ceph goes with it, while {survivor} writes to a disk and to a file")
        writers = Writers(lab, survivor, WRITING)
        time.sleep(5)
    witness = Witness([VM, CONTAINER], lab.folder)
    probes = {VM: OutageProbe(vm, ECHO), CONTAINER: OutageProbe(container, SSH, greeting=True)}
    for probe in probes.values():
        probe.start()
    witness.start()
    lab.power(target, "off")
    until("the loss of both guests", lambda: not any(probe.up for probe in probes.values()), 20)
    until("the return of both guests", lambda: all(probe.up for probe in probes.values()), 120)
    for name, probe in probes.items():
        story.note(f"power cut to {name} answering again", f"{probe.stop().length:.1f} s")
    most = witness.stop()
    if max(most.values()) > 1:
        raise DemoError(f"a guest ran more than once at a time: {most}")
    story.note("most instances of a guest seen at one moment", f"{max(most.values())} ({witness.looks} looks)")
    for kind, result_of in writers.results().items() if writers else ():
        what = {"rbd": "a disk", "file": "a file"}[kind]
        story.note(f"longest pause of writes to {what}, each on three nodes", f"{result_of['longest']:.1f} s")
        story.note(f"writes to {what} that are not there afterwards", f"{result_of['lost']} of {result_of['written']}")
    story.say(f"Fencing has switched {target} on again; it rejoins")
    lab.wait_for_members(90)
    until(f"a log-in at https://{page.address}:{console.PORT}/", page.answers, 60)

    seconds = time.monotonic() - story.begun
    width = max(len(what) for what, _ in story.measured)
    print(f"\nMeasured by a client outside of the nodes ({seconds // 60:.0f} min {seconds % 60:.0f} s in all):")
    for what, value in story.measured:
        print(f"  {what:<{width}}  {value:>16}")
    print(
        "\nThe lab is still running. Try next:\n"
        "  .venv/bin/ansible-playbook playbooks/status.yml\n"
        f"  .venv/bin/ansible-playbook playbooks/migrate.yml -e guest={VM}\n"
        f"  .venv/bin/ansible-playbook playbooks/maintenance.yml -e node={target} -e state=on\n"
        f"A site.yml without -e @{page.variables.relative_to(ROOT)} takes the page away, `make lab-down` all of it.\n"
        f"\nThe cluster's page, with a certificate that no browser knows:\n"
        f"  https://{page.address}:{console.PORT}/   user {page.user}, password {page.password}\n"
        f"From another machine: ssh -L {console.PORT}:{page.address}:{console.PORT} root@this-machine, and https://localhost:{console.PORT}/"
    )


if __name__ == "__main__":
    left = "The lab is left as it is, for a look; `make lab-down` removes it."
    sys.exit(run_program(main, AssertionError, what="\nThe demo stopped", remedy=left))
