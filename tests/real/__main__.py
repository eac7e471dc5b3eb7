# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drover on Debian's own kernel, which containers cannot show: AppArmor, cgroups, quotas, modules; `make real` runs it.

Two emulated machines become nodes of one cluster by the plays that a user runs. Exit status 1 when anything was wrong.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, run  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import processes  # noqa: E402

from . import site  # noqa: E402
from .machine import Machines  # noqa: E402
from .plays import play  # noqa: E402
from .recipe import node_recipe  # noqa: E402
from .shown import Shown  # noqa: E402
from .site import NODES  # noqa: E402
from .steps import STEPS  # noqa: E402

#: Resolved, for the machines' processes are known by the folder they run in.
FOLDER = (ROOT / ".cache" / "real").resolve()
INVENTORY = FOLDER / "inventory"
LOGS = FOLDER / "logs"
KEYS = ("ssh_key", *(f"{node.name}.host_key" for node in NODES))
BOOT = 900.0

BROKEN_OFF = "broken off"


class Story:
    """Prints what happens with the time it happened at."""

    def __init__(self) -> None:
        self.begun = time.monotonic()

    def say(self, text: str) -> None:
        seconds = int(time.monotonic() - self.begun)
        print(f"[{seconds // 60}:{seconds % 60:02}] {text}", flush=True)


def prepare(story: Story) -> dict[str, Any]:
    """Packages of this machine, and the images: built unless they are there. Returns them by kind and name."""
    answer = FOLDER / "images.json"
    play(
        "tests/real/images.yml",
        Path("localhost,"),
        LOGS,
        lambda text: story.say(f"      {text}"),
        real_folder=str(FOLDER),
        real_answer=str(answer),
        real_node_recipe=node_recipe(ROOT),
    )
    images: dict[str, Any] = json.loads(answer.read_text())
    return images


def furnish(images: dict[str, Any]) -> None:
    """The keys, the inventory, and the disks from which nodes take the files of their own."""
    for name in KEYS:
        for file in (FOLDER / name, FOLDER / f"{name}.pub"):
            file.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(FOLDER / name)])
    public = {name: (FOLDER / f"{name}.pub").read_text() for name in KEYS}
    known = [f"[127.0.0.1]:{node.ssh_port} {public[f'{node.name}.host_key']}" for node in NODES]
    (FOLDER / "known_hosts").write_text("".join(known))
    (INVENTORY / "group_vars").mkdir(parents=True, exist_ok=True)
    (INVENTORY / "hosts.yml").write_text(yaml.safe_dump(site.hosts(FOLDER), sort_keys=False))
    variables = site.group_variables(public["ssh_key"].strip())
    (INVENTORY / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables, sort_keys=False))
    for node in NODES:
        files = site.identity(
            node,
            host_key=(FOLDER / f"{node.name}.host_key").read_text(),
            host_key_public=public[f"{node.name}.host_key"],
            login_key_public=public["ssh_key"],
        )
        # Guests' images are made here: there, emulated, each would take a quarter of an hour.
        served = [Path(images[key]["path"]) for key in ("vm/tiny", "container/debian-13")] if node is NODES[0] else []
        folders = {f"{site.EXPORT}/images/{folder.name}": folder for folder in served}
        site.seed(FOLDER / f"{node.name}.seed", files, folders)


def boot(machines: Machines, base: Path, story: Story, *, keep: bool) -> None:
    """Start the machines and wait until both let somebody in."""
    begun = time.monotonic()
    started = machines.start(base, keep=keep)
    for qemu, node in zip(started, NODES, strict=True):

        def up(qemu: subprocess.Popen[bytes] = qemu, node: site.Node = node) -> bool:
            machines.check_alive(qemu, node)
            return machines.answers(node)

        wait_for(
            up, bool, what=f"SSH on {node.name} (its console: {FOLDER}/{node.name}.console)", timeout=BOOT, interval=3
        )
        story.say(f"      {node.name} answers after {time.monotonic() - begun:.0f} s")


def show(shown: Shown, steps: Sequence[str], story: Story) -> dict[str, str]:
    """Run the steps and tell; returns what was wrong, by step. Without the site there is nothing else to show."""
    wrong: dict[str, str] = {}
    for name in steps:
        description = (STEPS[name].__doc__ or "").strip().splitlines()[0]
        story.say(f"{name}: {description}")
        begun = time.monotonic()
        try:
            outcome = STEPS[name](shown)
        except DroverError as error:
            wrong[name] = str(error)
        seconds = time.monotonic() - begun
        story.say(f"  {name}, {seconds:.0f} s: " + (f"WRONG: {wrong[name]}" if name in wrong else f"ok: {outcome}"))
        if name in wrong and name in ("debian", "site"):
            break
    return wrong


def keep_logs(machines: Machines) -> None:
    """The nodes' journals, as far as they still tell them."""
    for node in NODES:
        try:
            journal = machines.on(node)(
                ["journalctl", "-b", "--no-pager", "-o", "short-precise"], timeout=180, ok=None
            ).stdout
        except CommandError as error:
            journal = f"{error}\n"
        (LOGS / f"{node.name}.journal").write_text(journal)


def leftovers() -> list[str]:
    """Processes of this machine that belong to the site: by their arguments, or where they run."""
    own = {os.getpid(), os.getppid()}
    return [
        f"{process.pid} {' '.join(process.argv)[:120]}"
        for process in processes()
        if process.pid not in own and (process.cwd == str(FOLDER) or any(str(FOLDER) in word for word in process.argv))
    ]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Show the steps that are wished for."""
    parser = argparse.ArgumentParser(prog="make real", description="Drover on two emulated Debian machines.")
    parser.add_argument(
        "--only", action="append", choices=STEPS, help="only this step, on nodes that were kept; repeatable"
    )
    parser.add_argument("--keep", action="store_true", help="leave the nodes running at the end, for --only")
    parser.add_argument("--end", action="store_true", help="end nodes that were kept, and do nothing else")
    wish = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("this needs root: it builds root file systems")
    LOGS.mkdir(parents=True, exist_ok=True)
    story, machines = Story(), Machines(FOLDER)
    signal.signal(signal.SIGTERM, _interrupt)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            parser.error("another run is under way")
        if wish.end:
            machines.end()
            return 0
        kept = bool(wish.only)
        steps = [name for name in STEPS if not wish.only or name in wish.only]
        keep = kept or wish.keep
        wrong: dict[str, str] = {}
        try:
            if kept:
                if len(list(machines.running())) != len(NODES):
                    parser.error("--only needs nodes that a run with --keep has left: there are none")
            else:
                machines.check_gone()
                story.say("Images: Debian with its own kernel for the nodes, two more for their guests")
                images = prepare(story)
                furnish(images)
                story.say("Two emulated machines, joined by a wire")
                boot(machines, Path(images["vm/node"]["path"], "disk.qcow2"), story, keep=keep)
            shown = Shown(machines, INVENTORY, LOGS, lambda text: story.say(f"      {text}"))
            wrong = show(shown, steps, story)
        except DroverError as error:
            wrong["start"] = str(error)
            story.say(f"  WRONG: {error}")
        except KeyboardInterrupt:
            wrong[BROKEN_OFF] = "on request"
        finally:
            if wrong and BROKEN_OFF not in wrong:
                keep_logs(machines)
            if not keep:
                machines.end()
        if not keep:
            try:
                wait_for(leftovers, lambda found: not found, what="the end of all it started", timeout=30)
            except WaitTimeout as error:
                wrong["end"] = str(error)
    story.say(f"{len(steps)} steps, wrong: {', '.join(wrong) or 'none'}")
    if wrong:
        print(f"The nodes' journals, consoles and the plays' output are in {LOGS} and {FOLDER}.")
    if keep:
        print("The nodes run on: --only STEP shows one more, --end ends them.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
