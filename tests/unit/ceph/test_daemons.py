# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemons of one node."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.daemons import Found, occupied, steps

KEYS = {"mgr.a": "KEY", "mds.a": "OTHER"}


@pytest.mark.parametrize(
    ("tasks", "devices", "file", "found", "expected"),
    [
        (["mgr", "mds", "osd"], ["/dev/b"], False, Found(), ["mgr a", "mds a", "osd /dev/b"]),
        (["mgr", "osd"], [], True, Found(), ["mgr a", "osd file"]),
        (["mgr"], [], True, Found({"mgr": "KEY"}), []),
        (["mgr"], [], True, Found({"mgr": "OLD"}), ["mgr a"]),
        (["osd"], ["/dev/b", "/dev/c"], False, Found({}, (), {"/dev/b": "0"}), ["osd /dev/c"]),
        (["osd"], [], True, Found({}, ("0",)), []),
        ([], ["/dev/b"], True, Found(), []),
    ],
)
def test_steps(tasks: list[str], devices: list[str], file: bool, found: Found, expected: list[str]) -> None:
    assert [str(step) for step in steps("a", tasks, devices, file, KEYS, found)] == expected


def test_a_dry_run_of_a_fresh_cluster_knows_no_keys() -> None:
    assert [str(step) for step in steps("a", ["mgr"], [], False, {}, Found())] == ["mgr a"]
    assert steps("a", ["mgr"], [], False, {}, Found({"mgr": "KEY"})) == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"name": "sdb", "fstype": None, "mountpoint": None}, ""),
        ({"name": "sdb", "fstype": None, "mountpoint": None, "children": [{"name": "sdb1"}]}, "sdb1"),
        ({"name": "sdb", "fstype": "ext4", "mountpoint": "/x"}, "a file system or signature (ext4), mounted at /x"),
    ],
)
def test_what_is_on_a_device(entry: dict[str, Any], expected: str) -> None:
    assert occupied("/dev/sdb", {"blockdevices": [entry]}) == expected
