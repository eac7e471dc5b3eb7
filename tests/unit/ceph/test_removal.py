# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a node's daemons may leave Ceph, and what is said to Ceph in which order."""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph import departure
from ansible_collections.cspp.drover.plugins.module_utils.ceph.commands import Ceph
from ansible_collections.cspp.drover.plugins.module_utils.ceph.removal import (
    TASKS,
    Removal,
    RemovalError,
    Standing,
    refusals,
)
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.modules import ceph_removal
from ansible_collections.cspp.drover.tests.unit.conftest import Call

GIB = 1024**3
#: Four nodes with an OSD each, of which the first three are monitors and two of those the rest.
FOUR = Standing(
    node="d",
    monitors=("a", "b", "c"),
    agreed=("a", "b", "c"),
    managers=("a", "b"),
    metadata_servers=("a", "b"),
    file_systems=1,
    size=dict.fromkeys("abcd", 100 * GIB),
    used=dict.fromkeys("abcd", 30 * GIB),
    nearly_full=0.85,
    osds=("3",),
    up=("3",),
    inside=("3",),
)
SIX = {"monitors": tuple("abcd"), "agreed": tuple("abcd"), "managers": tuple("abd"), "metadata_servers": tuple("abd")}


@pytest.mark.parametrize(
    ("seen", "tasks", "codes"),
    [
        pytest.param({}, TASKS, [], id="a node with an OSD alone"),
        pytest.param({"node": "a"}, TASKS, ["CEPH_MON_LEFT", "CEPH_MGR_LEFT", "CEPH_MDS_LEFT"], id="one of three"),
        pytest.param({"node": "a", "file_systems": 0}, ["mds"], [], id="an MDS that nobody needs"),
        pytest.param({"node": "c"}, ["mon"], ["CEPH_MON_LEFT"], id="a monitor"),
        pytest.param({"node": "c"}, ["osd"], [], id="a monitor's OSD"),
        pytest.param(SIX, TASKS, [], id="others do its work"),
        pytest.param({**SIX, "agreed": tuple("abd")}, ["mon"], ["CEPH_QUORUM_LEFT"], id="one of four is away"),
        pytest.param({"size": dict.fromkeys("abd", GIB), "used": {}}, ["osd"], ["CEPH_COPIES_LEFT"], id="three nodes"),
        pytest.param({"used": dict.fromkeys("abcd", 64 * GIB)}, ["osd"], ["CEPH_ROOM_LEFT"], id="256 of 255 GiB"),
        pytest.param({"used": dict.fromkeys("abcd", 63 * GIB)}, ["osd"], [], id="252 of 255 GiB"),
    ],
)
def test_what_speaks_against_it(seen: Mapping[str, Any], tasks: list[str], codes: list[str]) -> None:
    found = list(refusals(dataclasses.replace(FOUR, **seen), tasks))
    assert [text.split(":")[0] for text in found] == codes


class Cluster:
    """Ceph, as its command tells of it; ``out`` and ``up`` say how OSD 3 of d is, ``busy`` how often it is needed."""

    def __init__(self, *, up: bool = True, inside: bool = True, busy: int = 0, clean: bool = True) -> None:
        self.up, self.inside, self.busy, self.clean = up, inside, busy, clean
        #: Whether there is OSD 4 on d as well, and runs.
        self.new = False
        self.told: list[str] = []

    def run(self, argv: list[str], **_how: Any) -> CommandResult:
        words = argv[5 : argv.index("--format")] if "--format" in argv else argv[5:]
        line = " ".join(words)
        if line.startswith("osd safe-to-destroy") and self.busy:
            self.busy -= 1
            raise CommandError("1 pgs are on it", CommandResult(tuple(argv), errno.EBUSY, "", ""))
        if line == "auth get mds.d":
            raise CommandError("no such key", CommandResult(tuple(argv), errno.ENOENT, "", ""))
        if "--format" not in argv:
            self.told.append(line)
        return CommandResult(tuple(argv), 0, json.dumps(self._answers().get(line, {})), "")

    def _answers(self) -> dict[str, Any]:
        status = "up" if self.up else "down"
        osds = [
            {"id": n, "type": "osd", "name": f"osd.{n}", "status": "up" if n < 3 else status, "reweight": 1}
            for n in range(4)
        ]
        osds[3]["reweight"] = int(self.inside)
        hosts = [
            {"id": -2 - n, "type": "host", "name": name, "children": [n], "kb": 100, "kb_used": 9}
            for n, name in enumerate("abcd")
        ]
        if self.new:
            hosts[3]["children"] = [3, 4]
            osds.append({"id": 4, "type": "osd", "name": "osd.4", "status": "up", "reweight": 1})
        tree = {"nodes": [*hosts, *osds]}
        state = "active+clean" if self.clean else "down"
        return {
            "osd df tree": tree,
            "osd tree": tree,
            "fs dump": {"filesystems": [], "standbys": []},
            "mgr dump": {"active_name": "a", "standbys": [{"name": "b"}]},
            "mon dump": {"mons": [{"name": name} for name in "abc"]},
            "osd dump": {"nearfull_ratio": 0.85},
            "status": {
                "health": {"status": "HEALTH_OK", "checks": {}},
                "quorum_names": ["a", "b", "c"],
                "monmap": {"num_mons": 3},
                "osdmap": {"num_osds": 4, "num_up_osds": 3 + self.up, "num_in_osds": 3 + self.inside},
                "mgrmap": {"available": True},
                "pgmap": {"num_pgs": 8, "pgs_by_state": [{"state_name": state, "count": 8}]},
                "fsmap": {"by_rank": []},
            },
        }


def removal(cluster: Cluster, *tasks: str) -> Removal:
    return Removal(Ceph(runner=cluster.run), "d", tasks or TASKS)


def test_an_osd_is_emptied_before_it_is_forgotten() -> None:
    cluster = Cluster()
    going = removal(cluster)
    seen = going.look()
    assert (seen.osds, seen.up, seen.inside) == (("3",), ("3",), ("3",))
    assert going.troubles(seen) == []
    assert going.forgettable(seen) == ["osd.3", "mgr.d"]
    going.empty(seen, timeout=5)
    cluster.up = False
    going.forget(going.stopped(timeout=0))
    assert cluster.told == ["osd out 3", "osd purge 3 --yes-i-really-mean-it", "osd crush rm d", "auth rm mgr.d"]


def test_what_is_not_elsewhere_is_waited_for_and_said() -> None:
    with pytest.raises(RemovalError, match=r"CEPH_NOT_EMPTY.*1 pgs are on it"):
        going = removal(Cluster(busy=1))
        going.empty(going.look(), timeout=0)


@pytest.mark.parametrize(
    ("how", "codes"),
    [
        pytest.param({}, [], id="at work"),
        pytest.param({"up": False}, [], id="lost: the others have what was on it"),
        pytest.param({"up": False, "clean": False}, ["CEPH_INACTIVE"], id="lost, and the only copy with it"),
        pytest.param({"inside": False}, [], id="begun by a run that was interrupted"),
        pytest.param({"clean": False}, ["CEPH_GROUPS"], id="Ceph is not whole"),
    ],
)
def test_a_node_that_ceph_cannot_do_without_stays(how: dict[str, bool], codes: list[str]) -> None:
    going = removal(Cluster(**how))
    assert [text.split(":")[0] for text in going.troubles(going.look())] == codes


def test_what_runs_is_not_forgotten() -> None:
    going = removal(Cluster())
    [trouble] = going.unstopped(going.stopped(timeout=0))
    assert trouble.startswith("CEPH_OSDS_RUN")
    assert removal(Cluster(), "mon").unstopped(going.look()) == []
    lost = removal(Cluster(up=False, clean=False), "osd")
    assert [text.split(":")[0] for text in lost.replaceable(lost.look())] == ["CEPH_INACTIVE"]


def test_of_a_machine_that_was_replaced_only_what_is_down_is_forgotten(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after the new machine's OSDs had come up, the same play comes here again."""
    cluster = Cluster(up=False)
    monkeypatch.setattr(ceph_removal, "Ceph", lambda: Ceph(runner=cluster.run))
    monkeypatch.setattr(ceph_removal, "_STOPS", 0.0)
    asked = {"node": "d", "state": "replaced"}
    assert call(ceph_removal, check=True, **asked)["daemons"] == ["osd.3"]
    assert call(ceph_removal, **asked)["daemons"] == ["osd.3"]
    assert cluster.told == ["osd purge 3 --yes-i-really-mean-it", "osd crush rm d"]
    cluster.up, cluster.new, cluster.told = False, True, []
    assert call(ceph_removal, **asked)["daemons"] == ["osd.3"]
    # The new one stays, and the node's place in the map with it.
    assert cluster.told == ["osd purge 3 --yes-i-really-mean-it"]
    cluster.up = True
    assert not call(ceph_removal, **asked)["changed"]


def test_a_node_s_daemons_end_for_good(tmp_path: Path) -> None:
    for folder in ("mon/ceph-d", "osd/ceph-3", "osd/ceph-7", "mgr/ceph-other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "osd/ceph-3/block").touch()
    (tmp_path / "osd/ceph-7/block").symlink_to("/dev/null")
    found = departure.there("d", TASKS, tmp_path)
    assert [str(daemon) for daemon in found] == ["osd.3", "osd.7", "mon.d"]
    assert departure.there("d", ["mgr"], tmp_path) == []
    ran: list[str] = []

    def run(argv: list[str], **_how: Any) -> CommandResult:
        ran.append(" ".join(argv))
        return CommandResult(tuple(argv), 0, "", "")

    for daemon in found:
        departure.remove(daemon, run)
        assert not daemon.folder.exists()
    assert [line for line in ran if "reset-failed" not in line] == [
        "systemctl disable --quiet --now ceph-osd@3.service",
        "systemctl disable --quiet --now ceph-osd@7.service",
        "ceph-volume lvm zap --destroy --osd-id 7",
        f"umount {tmp_path}/osd/ceph-7",
        "systemctl disable --quiet --now ceph-mon@d.service",
    ]
    assert (tmp_path / "mgr/ceph-other").is_dir()
