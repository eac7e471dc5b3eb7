# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When Ceph counts as whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.commands import Ceph
from ansible_collections.cspp.drover.plugins.module_utils.ceph.health import judge, stopping
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult

WELL: dict[str, Any] = {
    "health": {"status": "HEALTH_OK", "checks": {}},
    "quorum_names": ["a", "b", "c"],
    "monmap": {"num_mons": 3},
    "osdmap": {"num_osds": 3, "num_up_osds": 3, "num_in_osds": 3},
    "mgrmap": {"available": True},
    "pgmap": {
        "num_pgs": 65,
        "pgs_by_state": [
            {"state_name": "active+clean", "count": 64},
            {"state_name": "active+clean+scrubbing", "count": 1},
        ],
    },
    "fsmap": {"by_rank": [{"status": "up:active"}]},
}


def codes(seen: dict[str, Any]) -> list[str]:
    found = judge({**WELL, **seen}, osds=3, monitors=3, cephfs=["roots"])
    return [text.split(":")[0] for text in found.troubles]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({}, []),
        # What is green before any OSD is up.
        ({"osdmap": {"num_osds": 0, "num_up_osds": 0, "num_in_osds": 0}}, ["CEPH_OSDS"]),
        ({"osdmap": {"num_osds": 3, "num_up_osds": 2, "num_in_osds": 3}}, ["CEPH_OSDS"]),
        ({"quorum_names": ["a", "b"]}, ["CEPH_QUORUM"]),
        ({"mgrmap": {"available": False}}, ["CEPH_MANAGER"]),
        (
            {"pgmap": {"num_pgs": 65, "pgs_by_state": [{"state_name": "active+undersized", "count": 65}]}},
            ["CEPH_GROUPS"],
        ),
        ({"fsmap": {"by_rank": [{"status": "up:replay"}]}}, ["CEPH_MDS"]),
        (
            {"health": {"status": "HEALTH_WARN", "checks": {"OSD_FULL": {"summary": {"message": "x"}}}}},
            ["CEPH_OSD_FULL"],
        ),
        ({"health": {"status": "HEALTH_WARN", "checks": {"OSD_FLAGS": {"summary": {"message": "x"}}}}}, []),
    ],
)
def test_troubles(seen: dict[str, Any], expected: list[str]) -> None:
    assert codes(seen) == expected


TREE = {
    "nodes": [
        {"id": -3, "name": "a", "type": "host", "children": [0, 1]},
        {"id": 0, "type": "osd", "name": "osd.0", "status": "up"},
        {"id": 1, "type": "osd", "name": "osd.1", "status": "down"},
    ]
}


@pytest.mark.parametrize(("node", "rc", "expected"), [("a", 0, []), ("a", 16, ["CEPH_NEEDED"]), ("b", 16, [])])
def test_whether_a_node_may_be_stopped(node: str, rc: int, expected: list[str]) -> None:
    def run(argv: list[str], **_how: Any) -> CommandResult:
        words = " ".join(argv)
        if "ok-to-stop" in words:
            assert " ok-to-stop 0 " in words
            result = CommandResult(tuple(argv), rc, "{}", "")
            if rc:
                raise CommandError("unsafe to stop", result)
            return result
        return CommandResult(tuple(argv), 0, json.dumps(TREE if "tree" in words else WELL), "")

    assert [text.split(":")[0] for text in stopping(Ceph(runner=run), node)] == expected
