# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The removal of a node's daemons from a Ceph cluster: what speaks against it, the emptying of its OSDs, and what the
cluster forgets when they have stopped.

The order keeps every copy: the OSDs are marked out, so that Ceph copies what is on them elsewhere; when it says that
nothing would be lost (safe-to-destroy), they stop, and only then the cluster forgets them.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from ..core.errors import DroverError
from ..core.quantities import format_size
from ..core.wait import WaitTimeout, or_last, wait_for
from .commands import Ceph, CephError
from .health import look, stopping
from .layout import COPIES

__all__ = ["TASKS", "Removal", "RemovalError", "Standing", "refusals"]

#: What a node can be rid of.
TASKS = ("mon", "mgr", "mds", "osd")
#: The fewest monitors, managers and metadata servers of which one can be lost.
_LEAST = {"mon": 3, "mgr": 2, "mds": 2}
_NAMES = {"mon": "monitors", "mgr": "managers", "mds": "metadata servers"}
#: By these Ceph says that it would lose something, or cannot tell yet.
_LATER = (errno.EBUSY, errno.EAGAIN)


class RemovalError(DroverError):
    """Daemons that are not removed."""


@dataclass(frozen=True)
class Standing:
    """How a node stands in Ceph: names of monitors, those that agree, managers and metadata servers; bytes that the
    OSDs of each node have and use; numbers of the node's OSDs, of those that run, and of those that are to keep data
    (in)."""

    node: str
    monitors: Collection[str]
    agreed: Collection[str]
    managers: Collection[str]
    metadata_servers: Collection[str]
    file_systems: int
    size: Mapping[str, int]
    used: Mapping[str, int]
    nearly_full: float
    osds: tuple[str, ...]
    up: tuple[str, ...]
    inside: tuple[str, ...]

    def has(self, task: str) -> bool:
        """Whether the cluster knows a daemon of the node's for a task."""
        return bool(self.osds) if task == "osd" else self.node in self._of(task)

    def others(self, task: str) -> list[str]:
        """The other nodes of a task."""
        return sorted(name for name in self._of(task) if name != self.node)

    def _of(self, task: str) -> Collection[str]:
        known = {"mon": self.monitors, "mgr": self.managers, "mds": self.metadata_servers}
        return self.size if task == "osd" else known[task]


def refusals(standing: Standing, tasks: Collection[str]) -> Iterator[str]:
    """What speaks against removing the node's daemons of these tasks, each a code and a sentence."""
    node = standing.node
    for task in ("mon", "mgr", "mds"):
        left = standing.others(task)
        if task not in tasks or not standing.has(task) or (task == "mds" and not standing.file_systems):
            continue
        if len(left) < _LEAST[task]:
            yield (
                f"CEPH_{task.upper()}_LEFT: without {node} there would be {len(left)} {_NAMES[task]} "
                f"({', '.join(left) or 'none'}), and the loss of one would stop Ceph: put {_LEAST[task]} other nodes "
                f"into group ceph_{task}s, run playbooks/site.yml, then this again"
            )
        if task == "mon":
            agreed = [name for name in left if name in standing.agreed]
            # Asked of all as they are now, and once it is forgotten of those that are left.
            if len(agreed) <= len(standing.monitors) // 2:
                yield (
                    f"CEPH_QUORUM_LEFT: of {len(standing.monitors)} monitors {len(agreed)} would agree without {node} "
                    f"({', '.join(agreed) or 'none'}), which is no majority: bring back the others first"
                )
    if "osd" not in tasks or not standing.osds:
        return
    hosts = standing.others("osd")
    if len(hosts) < COPIES:
        yield (
            f"CEPH_COPIES_LEFT: every object has {COPIES} copies on as many nodes, and without {node} {len(hosts)} "
            f"would have OSDs ({', '.join(hosts) or 'none'}): give another node OSDs first (ceph_osd_devices, "
            "playbooks/site.yml)"
        )
        return
    size = sum(standing.size[name] for name in hosts)
    used = sum(standing.used.values())
    if used > size * standing.nearly_full:
        yield (
            f"CEPH_ROOM_LEFT: {format_size(used)} are in use, and the OSDs of the other nodes would be nearly full at "
            f"{format_size(int(size * standing.nearly_full))}: make room, or add OSDs"
        )


class Removal:
    """The removal of one node's daemons, by the node of a monitor that stays. Methods raise CephError."""

    def __init__(self, ceph: Ceph, node: str, tasks: Collection[str]) -> None:
        self._ceph, self.node, self.tasks = ceph, node, tasks

    def look(self) -> Standing:
        """How the node stands."""
        status, usage = look(self._ceph), self._ceph.ask("osd", "df", "tree")
        entries = {entry["id"]: entry for entry in usage["nodes"]}
        hosts = {entry["name"]: entry for entry in entries.values() if entry["type"] == "host"}
        own = [entries[number] for number in hosts.get(self.node, {"children": ()})["children"]]
        maps = self._ceph.ask("fs", "dump")
        servers = [info["name"] for system in maps["filesystems"] for info in system["mdsmap"]["info"].values()]
        manager = self._ceph.ask("mgr", "dump")
        monitors = self._ceph.ask("mon", "dump")
        return Standing(
            node=self.node,
            monitors=[one["name"] for one in monitors["mons"]],
            agreed=list(status["quorum_names"]),
            managers=[name for name in [manager["active_name"], *(one["name"] for one in manager["standbys"])] if name],
            metadata_servers=[*servers, *(one["name"] for one in maps["standbys"])],
            file_systems=len(maps["filesystems"]),
            size={name: int(entry["kb"]) * 1024 for name, entry in hosts.items() if entry["children"]},
            used={name: int(entry["kb_used"]) * 1024 for name, entry in hosts.items() if entry["children"]},
            nearly_full=float(self._ceph.ask("osd", "dump")["nearfull_ratio"]),
            osds=tuple(sorted(str(entry["id"]) for entry in own)),
            up=tuple(sorted(str(entry["id"]) for entry in own if entry.get("status") == "up")),
            inside=tuple(sorted(str(entry["id"]) for entry in own if entry["reweight"] > 0)),
        )

    def troubles(self, standing: Standing) -> list[str]:
        """What speaks against it: :func:`refusals`, and where the node is at work, that Ceph cannot do without it."""
        found = list(refusals(standing, self.tasks))
        if any(standing.has(task) for task in self.tasks):
            # Of what an interrupted run has marked out, copies are missing or on their way.
            begun = bool(standing.osds) and not standing.inside
            if not begun and (standing.up or self.node in standing.agreed):
                found += stopping(self._ceph, self.node)
            else:
                found += self._inactive()
        return found

    def empty(self, standing: Standing, *, timeout: float) -> None:
        """Have Ceph copy what is on the node's OSDs elsewhere, and wait until nothing would be lost with them."""
        if "osd" not in self.tasks or not standing.osds:
            return
        self._ceph.tell("osd", "out", *standing.osds)
        try:
            wait_for(lambda: self._blocked(standing), lambda why: not why, what="copies", timeout=timeout, interval=2)
        except WaitTimeout as late:
            raise RemovalError(
                f"CEPH_NOT_EMPTY: after {timeout:.0f} s there is still data on the OSDs of {self.node} that is not "
                f"elsewhere ({late.last})",
                remedy=f"Copying goes on. Run the same again to go on waiting; to have them back: ceph osd in "
                f"{' '.join(standing.osds)}.",
            ) from late

    def replaceable(self, standing: Standing) -> list[str]:
        """What speaks against forgetting OSDs whose machine is lost for good, with what was on them (see lost)."""
        return self._inactive() if standing.osds else []

    def lost(self, standing: Standing) -> Standing:
        """The same with those OSDs alone that have stopped: the others are of the machine that is there now, made by a
        run that was interrupted after that."""
        if "osd" not in self.tasks:
            return standing
        return replace(standing, osds=tuple(number for number in standing.osds if number not in standing.up))

    def stopped(self, *, timeout: float) -> Standing:
        """How the node stands when its OSDs have stopped, or the time is over: of one that lost its power Ceph knows
        after half a minute."""

        def gone(seen: Standing) -> bool:
            return not self.unstopped(seen)

        return or_last(partial(wait_for, self.look, gone, what="the end of OSDs", timeout=timeout, interval=2))

    def unstopped(self, standing: Standing) -> list[str]:
        """The OSDs that are to be forgotten and run, as what speaks against it."""
        if "osd" not in self.tasks or not standing.up:
            return []
        return [f"CEPH_OSDS_RUN: OSDs of {self.node} are at work ({', '.join(standing.up)}): stop them first"]

    def forget(self, standing: Standing) -> None:
        """Have the cluster forget the daemons, which have stopped."""
        if "osd" in self.tasks:
            for number in standing.osds:
                # Also its key, and its place in the map; Ceph refuses it for one that runs.
                self._ceph.tell("osd", "purge", number, "--yes-i-really-mean-it")
            if standing.osds and not standing.up:
                self._ceph.tell("osd", "crush", "rm", self.node)
        if "mon" in self.tasks and self.node in standing.monitors:
            self._ceph.tell("mon", "rm", self.node)
        for task in ("mgr", "mds"):
            if task in self.tasks and self._key(f"{task}.{self.node}"):
                # Without its key it does not come back.
                self._ceph.tell("auth", "rm", f"{task}.{self.node}")

    def forgettable(self, standing: Standing) -> list[str]:
        """What :meth:`forget` would have forgotten."""
        own = [f"osd.{number}" for number in standing.osds] if "osd" in self.tasks else []
        monitor = [f"mon.{self.node}"] if "mon" in self.tasks and self.node in standing.monitors else []
        keyed = [f"{task}.{self.node}" for task in ("mgr", "mds") if task in self.tasks]
        return [*own, *monitor, *(entity for entity in keyed if self._key(entity))]

    def _key(self, entity: str) -> bool:
        try:
            self._ceph.ask("auth", "get", entity)
        except CephError as error:
            if error.code != errno.ENOENT:
                raise
            return False
        return True

    def _blocked(self, standing: Standing) -> str:
        try:
            self._ceph.ask("osd", "safe-to-destroy", *standing.osds)
        except CephError as error:
            if error.code not in _LATER:
                raise
            return str(error)
        return ""

    def _inactive(self) -> list[str]:
        groups = look(self._ceph)["pgmap"]
        active = sum(one["count"] for one in groups.get("pgs_by_state", ()) if "active" in one["state_name"].split("+"))
        missing = int(groups.get("num_pgs", 0)) - active
        return [f"CEPH_INACTIVE: {missing} placement groups do not work without {self.node}"] if missing else []
