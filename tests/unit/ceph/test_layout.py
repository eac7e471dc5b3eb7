# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who does what in Ceph, and what would not survive the loss of a node."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.ceph.layout import (
    DAEMON_MEMORY,
    OSD_MEMORY,
    layout,
    memory_of,
    pools_of,
    problems,
)
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB, parse_size
from ansible_collections.cspp.drover.tests.unit.test_rooms import ROOT

POOLS = {"disks": {"type": "rbd"}, "roots": {"type": "cephfs", "path": "/roots"}, "nas": {"type": "directory"}}


def nodes(count: int, **more: Any) -> list[dict[str, Any]]:
    """Variables of hosts with an OSD each."""
    disk = {"ceph_enabled": True, "ceph_osd_devices": ["/dev/disk/by-id/x"]}
    return [{"inventory_hostname": f"node{number}", **disk, **more} for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "groups", "mon", "mgr", "mds"),
    [
        (3, {}, 3, 2, 2),
        (6, {}, 3, 2, 2),
        (7, {}, 5, 2, 2),
        (5, {"ceph_mons": ["node3", "node4", "node5"]}, 3, 2, 2),
        (5, {"ceph_mds": ["node4", "node5", "node3"]}, 3, 2, 3),
        (5, {"ceph_mgrs": []}, 3, 2, 2),
    ],
)
def test_who_does_what(count: int, groups: dict[str, list[str]], mon: int, mgr: int, mds: int) -> None:
    tasks = layout(nodes(count), groups)
    assert [len(part) for part in (tasks.mon, tasks.mgr, tasks.osd, tasks.mds)] == [mon, mgr, count, mds]
    assert set(tasks.mon) <= {f"node{number}" for number in range(1, count + 1)}
    assert problems(nodes(count), groups, POOLS) == []


@pytest.mark.parametrize(
    ("hosts", "groups", "codes"),
    [
        (nodes(2), {}, ["CEPH_MONS", "CEPH_COPIES"]),
        (nodes(4), {"ceph_mons": ["node1", "node2", "node3", "node4"]}, ["CEPH_MONS"]),
        (nodes(3), {"ceph_mgrs": ["node1"]}, ["CEPH_MGRS"]),
        (nodes(3), {"ceph_mds": ["node1"]}, ["CEPH_MDS"]),
        (nodes(3), {"ceph_osds": ["node1", "node9"]}, ["CEPH_STRANGER", "CEPH_COPIES"]),
        (nodes(3, ceph_osd_devices=[]), {}, ["CEPH_COPIES"]),
        (nodes(3, ceph_osd_devices=[]), {"ceph_osds": ["node1", "node2", "node3"]}, ["CEPH_NO_STORE"]),
        (nodes(3, ceph_osd_memory="512MiB"), {}, ["CEPH_OSD_MEMORY"] * 3),
        (nodes(3, ceph_osd_devices=["/dev/sdb", "/dev/sdb"]), {}, ["CEPH_DEVICES"] * 3),
        (nodes(3, ceph_osd_devices=["sdb"]), {}, ["CEPH_DEVICES"] * 3),
    ],
)
def test_what_would_not_survive_is_refused_by_code(
    hosts: list[dict[str, Any]], groups: dict[str, list[str]], codes: list[str]
) -> None:
    assert [text.split(":")[0] for text in problems(hosts, groups, POOLS)] == codes


def test_pools_are_named_by_the_pools_for_guests() -> None:
    assert pools_of(POOLS) == {"rbd": ["disks"], "cephfs": ["roots"]}
    assert pools_of({"a": {"type": "rbd", "pool": "vms"}})["rbd"] == ["vms"]


def test_memory_of_daemons_is_not_there_for_guests() -> None:
    hosts = nodes(4, ceph_osd_memory="2GiB", storage_pools={"disks": {"type": "rbd"}})
    assert list(memory_of(hosts).values()) == [5 * GIB, 5 * GIB, 3 * GIB, 2 * GIB]
    hosts[3]["group_names"] = ["ceph_mds"]
    assert list(memory_of(hosts).values()) == [4 * GIB, 4 * GIB, 3 * GIB, 3 * GIB]
    assert list(memory_of(nodes(2, ceph_enabled=False)).values()) == [0, 0]
    [small] = memory_of(nodes(1, ceph_osd_memory="1GiB", ceph_daemon_memory="256MiB", storage_pools=POOLS)).values()
    assert small == GIB + 3 * GIB // 4 + GIB // 2


def test_the_role_says_the_same_default() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "ceph" / "defaults" / "main.yml").read_text())
    assert parse_size(defaults["ceph_osd_memory"]) == OSD_MEMORY
    assert parse_size(defaults["ceph_daemon_memory"]) == DAEMON_MEMORY
