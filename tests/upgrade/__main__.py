# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab that an older commit built is brought to this checkout while its guests run; `make upgrade-test` runs it.

Two VMs and two containers, looked at by the cluster every two seconds. Clients hold a TCP session to each VM, one of
which is on its way to another node. None of them may notice: no monitor fails, no guest restarts, no session is lost,
the migration ends well, and a second run changes nothing. The lab is removed in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "upgrade")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.223.0.0/24")

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError, run_program  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import exclusively  # noqa: E402
from ansible_collections.cspp.drover.tests.clients import SessionProbe  # noqa: E402

from ..verify.lab import Lab, address, boot, init_of, one_by_one, wait_until_answering  # noqa: E402
from ..verify.plays import ENVIRONMENT, Outcome, play, variable  # noqa: E402

#: The VM that is on its way meanwhile.
TRAVELLER = "slow"
VMS, CONTAINERS = ("game", TRAVELLER), ("web", "shed")
#: What moves of guests need, and runs from Drover's code.
SERVICE = "drover-peer.service"
#: Seconds that an open session may hear nothing. A client gives up after minutes.
SILENCE = 3.0


class UpgradeError(DroverError):
    """Something that a user or a guest would have noticed."""


class Story:
    """Prints what is done, with the time."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        seconds = int(time.monotonic() - self._begun)
        print(f"[{seconds // 60}:{seconds % 60:02}] {text}", flush=True)


class Checkout:
    """The older commit, beside this checkout, with the same lab."""

    def __init__(self, revision: str) -> None:
        self.commit = run(["git", "-C", str(ROOT), "rev-parse", "--verify", f"{revision}^{{commit}}"]).stdout.strip()
        self.folder = ROOT / ".cache" / "upgrade" / self.commit[:12]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        archive = subprocess.Popen(["git", "-C", str(ROOT), "archive", self.commit], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", str(self.folder)], stdin=archive.stdout, check=True)
        if archive.wait():
            raise UpgradeError(f"git archive {self.commit} failed")
        collection = self.folder / ".cache/collections/ansible_collections/cspp/drover"
        collection.parent.mkdir(parents=True)
        collection.symlink_to("../../../..")
        for shared in ("lab", "lab-cache"):
            (ROOT / ".cache" / shared).mkdir(exist_ok=True)
            (self.folder / ".cache" / shared).symlink_to(ROOT / ".cache" / shared)

    def start(self, name: str, variables: Mapping[str, Any]) -> subprocess.Popen[str]:
        """Start playbooks/NAME.yml as it was then."""
        return subprocess.Popen(
            ["ansible-playbook", f"playbooks/{name}.yml", "-e", json.dumps(dict(variables))],
            cwd=self.folder,
            env={**os.environ, **ENVIRONMENT, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, name: str, **variables: Any) -> str:
        """Run it to its end, which has to be a good one."""
        return ended(self.start(name, variables), name)


def ended(process: subprocess.Popen[str], name: str) -> str:
    """What a play said, which has to succeed."""
    said, _ = process.communicate()
    if process.returncode:
        raise UpgradeError(f"{name}.yml of the older commit failed:\n{said[-6000:]}")
    return said


def guests_of(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Two VMs and two containers, one of each kind with something of its own."""
    game, web = declared["game"], declared["web"]
    network, _, _last = address(game).rpartition(".")
    return {
        "game": game,
        TRAVELLER: {
            **game,
            "description": "Takes a minute or two to move",
            "nics": [{**game["nics"][0], "address": f"{network}.152/24"}],
            "placement": {"prefer": ["node2"]},
            "migration": {"bandwidth": "1MiB", "max_downtime": "300ms"},
        },
        "web": web,
        "shed": {
            **web,
            "description": "Has its root file system on its node's own storage",
            "rootfs": {"image": "debian-13", "pool": "local"},
            "nics": [{**web["nics"][0], "address": f"{network}.153/24"}],
            "placement": {"prefer": ["node3"]},
        },
    }


def lives(lab: Lab, guests: Mapping[str, Any]) -> dict[str, str]:
    """What changes when a guest is started anew."""
    return {name: boot(guests[name]) if name in VMS else init_of(lab, name) for name in guests}


def installed(lab: Lab) -> dict[str, list[str]]:
    """What each node has of Drover's code."""
    argv = ["sh", "-c", "cd /usr/lib/drover && ls -d * releases/*"]
    return {node: lab.ssh(node)(argv).stdout.split() for node in lab.nodes}


def upgrade(story: Story, lab: Lab, old: Checkout, guests: Mapping[str, Any]) -> None:
    """The upgrade itself, watched from all sides."""
    for guest in guests.values():
        wait_until_answering(guest, timeout=90)
    lab.look_often()
    before = lives(lab, guests)
    down = lab.outages(SERVICE)
    # Every echo changes memory, and the traveller's wire is thin: at ten a second the older commit gives up.
    sessions = {name: SessionProbe(address(guests[name]), rate=3 if name == TRAVELLER else 100) for name in VMS}
    for session in sessions.values():
        session.start()
    source = lab.where(TRAVELLER)
    story.say(f"{TRAVELLER} leaves {source}, by the code of the older commit")
    migration = old.start("migrate", {"guest": TRAVELLER})
    try:
        wait_for(lambda: lab.migrating(TRAVELLER), bool, what="the beginning of the migration", timeout=60)
        story.say("site.yml of this checkout")
        outcome = play("site", guests=guests)
        for line in outcome.output.splitlines():
            if "waits with a restart" in line:
                story.say(f"  {line.strip()}")
        succeeded(outcome)
        story.say("site.yml has ended; the migration as well?")
        ended(migration, "migrate")
    finally:
        if migration.poll() is None:
            migration.kill()
            migration.communicate()
    wrong = []
    for name, session in sessions.items():
        seen = session.stop()
        story.say(f"  the session to {name}: {seen.broken or 'alive'}, longest silence {seen.silence * 1000:.0f} ms")
        if not seen.alive or seen.silence > SILENCE:
            wrong.append(f"a client of {name} noticed: {seen}")
    after, status = lives(lab, guests), lab.status()
    wrong += [f"{name} was started anew" for name in guests if after[name] != before[name]]
    wrong += [str(failure) for failure in status.failures]
    if lab.where(TRAVELLER) == source:
        wrong.append(f"{TRAVELLER} is still on {source}")
    outages = lab.outages(SERVICE)
    order = sorted(outages, key=lambda node: outages[node])
    spans = [f"{node} at {outages[node][0]:.1f} s for {outages[node][1] - outages[node][0]:.1f}" for node in order]
    story.say(f"  {SERVICE} was down on {', '.join(spans)}")
    wrong += [f"{SERVICE} was not restarted on {node}" for node in outages if outages[node] == down[node]]
    if not one_by_one(outages):
        wrong.append(f"{SERVICE} was down on two nodes at once")
    for node, found in installed(lab).items():
        if found[:1] != ["current"] or len(found) != 3:
            wrong.append(f"{node} has {', '.join(found)} in /usr/lib/drover")
    if wrong:
        raise UpgradeError("\n".join(wrong))


def succeeded(outcome: Outcome) -> None:
    if outcome.rc:
        raise UpgradeError(f"site.yml failed:\n{outcome.output[-6000:]}")


def main() -> int:
    """Build, upgrade, look, and remove."""
    parser = argparse.ArgumentParser(prog="make upgrade-test", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--from", dest="revision", default="HEAD~1", help="the older commit (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the lab, for a look; `make lab-down` removes it")
    wish = parser.parse_args()
    story = Story()
    with exclusively(ROOT / ".cache" / f"upgrade-{os.environ['DROVER_LAB']}.lock"):
        old = Checkout(wish.revision)
        try:
            story.say(f"A lab as {old.commit[:12]} builds it")
            old.play("lab", lab_state="present", lab_cache=str(ROOT / ".cache"))
            guests = guests_of(variable("guests"))
            old.play("site", guests=guests)
            lab = Lab()
            upgrade(story, lab, old, guests)
            story.say("site.yml again")
            again = play("site", guests=guests)
            succeeded(again)
            if again.changed:
                raise UpgradeError(f"the second run changed something: {sorted(again.changed)}")
            story.say("Nobody noticed, and nothing is left to do.")
        finally:
            if not wish.keep:
                play("lab", lab_state="absent")
            shutil.rmtree(old.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_program(main, AssertionError, what="\nThe upgrade was noticed"))
