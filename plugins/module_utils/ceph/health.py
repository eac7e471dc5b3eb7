# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Ceph is well enough for what is to be done: its own health is green before any OSD is up, so more is looked
at."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .commands import Ceph, CephError

__all__ = ["EXPECTED_IN_MAINTENANCE", "Health", "judge", "look"]

#: Complaints that say no more than that somebody has set ``noout`` for a node in maintenance.
EXPECTED_IN_MAINTENANCE = frozenset({"OSDMAP_FLAGS", "OSD_FLAGS"})


@dataclass(frozen=True)
class Health:
    """What the cluster says of itself: the codes of its checks with their summaries, and what is not as it should
    be."""

    status: str
    checks: Mapping[str, str]
    troubles: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every copy of everything is there, and every daemon at work."""
        return not self.troubles


def judge(
    seen: Mapping[str, Any],
    *,
    osds: int,
    monitors: int,
    cephfs: Collection[str] = (),
    tolerated: Collection[str] = EXPECTED_IN_MAINTENANCE,
) -> Health:
    """What to think of ``ceph status``, when so many OSDs and monitors are declared, and these file systems."""
    health = seen["health"]
    checks = {code: check["summary"]["message"] for code, check in health.get("checks", {}).items()}
    troubles = [f"CEPH_{code}: {text}" for code, text in checks.items() if code not in tolerated]
    quorum, total = len(seen.get("quorum_names", ())), seen["monmap"].get("num_mons", 0)
    if quorum < max(monitors, total):
        troubles.append(f"CEPH_QUORUM: {quorum} of {max(monitors, total)} monitors are in the majority")
    # Its own count is of those that were ever made; those declared count.
    store = seen["osdmap"]
    up, there = int(store.get("num_up_osds", 0)), int(store.get("num_in_osds", 0))
    if up < osds or there < osds:
        troubles.append(f"CEPH_OSDS: of {osds} OSDs {up} are up and {there} in")
    if not seen.get("mgrmap", {}).get("available"):
        troubles.append("CEPH_MANAGER: no manager is at work")
    groups = seen["pgmap"]
    clean = sum(
        state["count"] for state in groups.get("pgs_by_state", ()) if state["state_name"].startswith("active+clean")
    )
    if clean < int(groups.get("num_pgs", 0)):
        troubles.append(f"CEPH_GROUPS: {clean} of {groups['num_pgs']} placement groups are whole (active+clean)")
    active = [rank for rank in seen.get("fsmap", {}).get("by_rank", ()) if rank.get("status") == "up:active"]
    if len(active) < len(cephfs):
        troubles.append(f"CEPH_MDS: {len(active)} of {len(cephfs)} file systems have a metadata server at work")
    return Health(str(health["status"]), checks, tuple(troubles))


def look(ceph: Ceph) -> Mapping[str, Any]:
    """``ceph status``, as :func:`judge` wants it. Raises CephError."""
    seen: Mapping[str, Any] = ceph.ask("status")
    return seen


def stopping(ceph: Ceph, node: str) -> list[str]:
    """What speaks against stopping a node: what is not whole, and what would stand still. Raises CephError."""
    tree = {entry["id"]: entry for entry in ceph.ask("osd", "tree")["nodes"]}
    host = next(
        (entry for entry in tree.values() if entry["type"] == "host" and entry["name"] == node), {"children": ()}
    )
    own = [str(number) for number in host["children"] if tree[number].get("status") == "up"]
    # Of what is declared nobody knows here: what was made is to be at work.
    seen = look(ceph)
    store = seen["osdmap"]
    troubles = list(judge(seen, osds=int(store.get("num_osds", 0)), monitors=int(seen["monmap"]["num_mons"])).troubles)
    try:
        if own:
            ceph.ask("osd", "ok-to-stop", *own)
    except CephError as error:
        if error.code != errno.EBUSY:
            raise
        troubles.append(
            f"CEPH_NEEDED: without the OSDs of {node} something would have less copies than it takes to write"
        )
    return troubles
