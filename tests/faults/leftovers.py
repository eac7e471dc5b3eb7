# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leftovers of a move: what is still on nodes and in the cluster when it has ended, and should not be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration, read
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for

from .system import System

__all__ = ["constraints", "leftovers", "unexpected"]

#: A half copy of a container may wait a minute for somebody to go on with it.
_LEFT_BEHIND_FOR = 80.0

#: What is on a node that a move may have left there. The peers' service is one process; a second one serves a move.
_LOOK = r"""
import glob, json, os, subprocess
def out(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.split()
def words(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read().rstrip("\0").split("\0")
    except OSError:
        return [""]
found = {}
every = [words(pid) for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
found["peers"] = max(0, sum(any(word.endswith("/bin/peer") for word in line) for line in every) - 1)
found["agents"] = [" ".join(line) for line in every if any("resource.d/drover/" in word for word in line)]
found["jobs"] = [line[0] for line in every if any("guest_migrate" in word for word in line)]
found["vms"] = sorted({w.split("guest=")[1].split(",")[0] for line in every for w in line
    if "qemu-system" in line[0] and w.startswith("guest=")})
found["definitions"] = sorted(out("virsh", "list", "--all", "--name"))
found["deaf"] = sorted({path.split("/")[4] for path in glob.glob("/sys/class/net/*/brport/*_flood")
    if open(path).read().strip() == "0"})
found["progress"] = sorted(os.path.basename(path) for path in glob.glob("/run/drover/moves/*.json"))
found["reports"] = sorted(os.path.basename(path) for path in glob.glob("/run/drover/moves/arrived/*"))
found["drafts"] = sorted(path for path in glob.glob("/run/drover/moves/**/.*", recursive=True))
found["disks"] = sorted(path for path in glob.glob("/srv/drover/local/*/*/*"))
found["tables"] = [word for word in out("nft", "list", "tables") if word == "fault"]
print(json.dumps(found))
"""


def leftovers(system: System, guest: str) -> list[str]:
    """What is still there some time after the move; each kind is looked for again and again until it is gone."""
    try:
        wait_for(
            lambda: _left(system, guest), lambda left: not left, what="order", timeout=_LEFT_BEHIND_FOR, interval=1.0
        )
    except WaitTimeout as error:
        left: list[str] = error.last
        return left
    return []


def _left(system: System, guest: str) -> list[str]:
    status = system.cluster().status()
    live = read(system.cluster().query())
    found = [f"constraint {name}" for name in constraints(live, guest)]
    found += [
        f"{name}: meta {key}"
        for name, primitive in live.guests().items()
        for key in ("maintenance", "drover-recovery")
        if key in primitive.meta
    ]
    for name, console in system.consoles.items():
        look = json.loads(console.run(["python3", "-c", _LOOK], timeout=40).stdout)
        here = sorted(
            vm for vm, declared in system.guests.items() if getattr(status.resource(vm), "node", None) == name
        )
        found += unexpected(name, look, here)
    return found


def constraints(live: Configuration, guest: str) -> list[str]:
    """The constraints of a guest's move that the cluster has."""
    return sorted(name for name in live.constraints if name in (f"drover-move-{guest}", f"drover-back-{guest}"))


def unexpected(node: str, look: Mapping[str, Any], here: Sequence[str]) -> list[str]:
    """What a node has that it should not have: ``here`` are the guests that run there."""
    found = [f"{node}: VM {name} runs" for name in look["vms"] if name not in here]
    found += [f"{node}: libvirt knows {name}" for name in look["definitions"] if name not in here]
    found += [
        f"{node}: {path}"
        for path in look["disks"]
        if path.split("/")[5] not in here or path.split("/")[6].startswith(("incoming", "arrived", "moved", "gone"))
    ]
    if look["peers"]:
        found.append(f"{node}: {look['peers']} processes of drover-peer")
    names: dict[str, str] = {
        "agents": "agent",
        "jobs": "job",
        "deaf": "no flooding to",
        "progress": "progress file",
        "reports": "report of an arrival",
        "drafts": "draft",
        "tables": "firewall table",
    }
    for key, what in names.items():
        # An agent that looks after a guest comes and goes.
        found += [f"{node}: {what} {one}" for one in look[key] if not (key == "agents" and one.endswith(" monitor"))]
    return found
