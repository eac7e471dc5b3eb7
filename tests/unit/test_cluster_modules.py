# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules that change the cluster, on transcripts of a real one: what check mode says, and that it only says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cib import Location, Wanted, read, reconcile
from ansible_collections.cspp.drover.plugins.module_utils.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.resources import guest_of
from ansible_collections.cspp.drover.plugins.modules import (
    cluster_config,
    cluster_status_info,
    guest_migrate,
    guests,
    node_maintenance,
)
from ansible_collections.cspp.drover.tests.unit.conftest import Call

DATA = Path(__file__).parent / "data" / "pacemaker"


def transcript(name: str) -> str:
    return (DATA / f"{name}.xml").read_text(encoding="utf-8")


CIB, STATUS, IDLE = transcript("cib-guests"), transcript("crm_mon-guests"), transcript("crm_simulate-idle")


class FakeCluster:
    """A cluster that takes patches. ``predicted`` is what its scheduler says of any CIB but the live one; the
    statuses follow one another with each patch, the last stays."""

    def __init__(self, predicted: str = "idle", cib: str = CIB, statuses: Sequence[str] = (STATUS,)) -> None:
        self.cib = self.patched = cib
        self.predicted = transcript(f"crm_simulate-{predicted}")
        self.statuses = list(statuses)
        self.writes: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **_options: Any) -> CommandResult:
        output = ""
        if argv[:2] == ["cibadmin", "--query"]:
            output = self.cib
        elif argv[0] == "crm_mon":
            output = self.statuses[0]
        elif argv[0] == "crm_simulate":
            output = IDLE if stdin == self.cib else self.predicted
        elif argv[0] == "crm_diff":
            self.patched = Path(argv[-1]).read_text(encoding="utf-8")
        elif argv[:2] == ["cibadmin", "--patch"]:
            self.writes.append("patch")
            self.cib = self.patched
            self.statuses = self.statuses[1:] or self.statuses
        else:
            self.writes.append(" ".join(argv))
        return CommandResult(tuple(argv), 0, output, "")


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a fake cluster under a module."""

    def install(module: ModuleType, cluster: FakeCluster) -> FakeCluster:
        monkeypatch.setattr(module, "Pacemaker", lambda: Pacemaker(cluster))
        return cluster

    return install


MC = guest_of(read(CIB).primitives["mc"])
ASKED = {"name": "mc", "definition": MC, "ha": {"priority": 10}, "prefer": ["n2", "n1"], "apart_from": ["web"]}
GROWN = {**ASKED, "definition": {**(MC or {}), "vcpus": 2}}


def arguments(*asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"guests": list(asked), **more}


def test_guests_as_they_are_need_nothing(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster())
    result = call(guests, **arguments(ASKED))
    assert not result["changed"]
    assert cluster.writes == []
    assert result["guests"]["mc"] == {"node": "n2", "state": "running", "actions": [], "pending_restart": False}


def test_a_changed_guest_is_one_patch_which_check_mode_tells_and_does_not_make(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster("reload"))
    told = call(guests, check=True, **arguments(GROWN))
    assert cluster.writes == []
    done = call(guests, **arguments(GROWN))
    assert cluster.writes == ["patch"]
    for key in ("changed", "diff", "objects", "actions", "plan"):
        assert told[key] == done[key]
    assert told["objects"] == ["update resource mc"]
    assert told["plan"] == ["mc: apply changes live on n2"]
    assert not call(guests, **arguments(GROWN))["changed"]


def test_a_restart_without_permission_is_refused(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster("restart"))
    result = call(guests, **arguments(GROWN))
    assert result["failed"]
    assert "allow_restart" in result["msg"]
    assert cluster.writes == []


def test_a_pending_restart_is_reported_and_a_permitted_one_made(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster("restart"))
    waits = call(guests, **arguments(ASKED, restart_needed=["mc"]))
    assert not waits["changed"]
    assert waits["guests"]["mc"]["pending_restart"]
    made = call(guests, **arguments(ASKED, restart_needed=["mc"], allow_restart=["mc"]))
    assert made["plan"] == ["mc: restart on n2"]
    assert cluster.writes == ["patch"]


def test_a_guest_is_stopped_before_it_is_removed(call: Call, on: Any) -> None:
    gone = STATUS.replace(
        'id="mc" resource_agent="ocf:drover:vm" role="Started" active="true"', 'id="mc" role="Stopped"'
    )
    cluster = on(guests, FakeCluster(statuses=(STATUS, gone)))
    told = call(guests, check=True, **arguments({"name": "mc", "state": "absent"}))
    assert cluster.writes == []
    done = call(guests, **arguments({"name": "mc", "state": "absent"}))
    assert cluster.writes == ["patch", "patch"]
    assert told["diff"] == done["diff"]
    assert "mc" not in read(cluster.cib).primitives
    assert not read(cluster.cib).constraints


def test_a_guest_whose_migration_failed_is_put_in_order_without_a_restart(call: Call, on: Any) -> None:
    failed, mended = transcript("crm_mon-migration-failed"), STATUS
    cluster = on(guests, FakeCluster(cib=transcript("cib-migration-failed"), statuses=(failed, mended)))
    result = call(guests, **arguments(ASKED))
    assert result["changed"]
    assert result["plan"] == ["mc: put in order after a failed migration, without a restart"]
    assert cluster.writes == ["patch", "crm_resource --refresh --resource mc", "patch"]
    assert "drover-move-mc" not in read(cluster.cib).constraints
    assert "maintenance" not in read(cluster.cib).primitives["mc"].meta


def test_without_quorum_guests_are_not_changed(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster(statuses=(STATUS.replace('with_quorum="true"', 'with_quorum="false"'),)))
    assert "no quorum" in call(guests, **arguments(GROWN))["msg"]
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("wish", "words"), [({"name": "mc"}, "no definition"), ({**ASKED, "ha": {"priority": "high"}}, "high")]
)
def test_nonsense_is_refused(call: Call, on: Any, wish: dict[str, Any], words: str) -> None:
    on(guests, FakeCluster())
    assert words in call(guests, **arguments(wish))["msg"]


ARRIVED = STATUS.replace('<node name="n2" id="2" cached="true"/>', '<node name="n3" id="3" cached="true"/>')
MOVE = {"guest": "mc", "to": "n3"}


#: The transcript of the migration has both guests on one node.
APART = reconcile(CIB, Wanted(absent=frozenset({"drover-apart-mc.web"}))).xml


def test_a_move_is_told_then_made(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    told = call(guest_migrate, check=True, **MOVE)
    assert cluster.writes == []
    assert (told["from"], told["to"], told["method"], told["changed"]) == ("n2", "n3", "live", True)
    done = call(guest_migrate, **MOVE)
    assert cluster.writes == ["patch", "patch"]
    assert done["diff"] == told["diff"]
    assert set(read(cluster.cib).constraints) == set(read(APART).constraints)
    again = call(guest_migrate, **MOVE)
    assert not again["changed"]


def test_a_move_that_fails_leaves_order(call: Call, on: Any) -> None:
    failed = transcript("crm_mon-migration-failed")
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, failed, STATUS)))
    result = call(guest_migrate, **MOVE)
    assert result["failed"]
    assert "migrate_to of mc failed on n2" in result["msg"]
    assert "It is running on n2" in result["msg"]
    assert cluster.writes == ["patch", "patch", "crm_resource --refresh --resource mc", "patch"]
    assert "drover-move-" not in cluster.cib
    assert read(cluster.cib).primitives["mc"].meta == read(CIB).primitives["mc"].meta


def test_a_move_that_the_cluster_would_not_make_is_refused(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("idle", cib=APART))
    assert "crm_resource --cleanup --resource mc" in call(guest_migrate, **MOVE)["msg"]
    assert cluster.writes == []


def test_a_node_is_emptied_and_refilled(call: Call, on: Any) -> None:
    cluster = on(node_maintenance, FakeCluster("migrate", statuses=(STATUS, ARRIVED)))
    wish = {"node": "n2", "state": "on"}
    told = call(node_maintenance, check=True, **wish)
    assert cluster.writes == []
    done = call(node_maintenance, **wish)
    assert told["plan"] == done["plan"] == ["mc: migrate live n2 -> n3"]
    assert told["diff"] == done["diff"]
    # One patch empties the node. The other, when it is empty, lets the guests be moved on.
    assert cluster.writes == ["patch", "patch"]
    live = read(cluster.cib)
    assert live.standby() == {"n2"}
    assert live.constraints["drover-home-mc"] == Location("drover-home-mc", "mc", "n2", "INFINITY")
    assert "drover-drain-mc" not in live.constraints

    cluster.statuses = [ARRIVED, STATUS]
    off = {"node": "n2", "state": "off"}
    assert call(node_maintenance, check=True, **off)["changed"]
    assert len(cluster.writes) == 2
    assert call(node_maintenance, **off)["guests"] == ["mc"]
    assert read(cluster.cib).standby() == set()
    assert set(read(cluster.cib).constraints) == set(read(CIB).constraints)
    assert not call(node_maintenance, **off)["changed"]


def test_a_drain_that_would_stop_a_guest_is_refused(call: Call, on: Any) -> None:
    cluster = on(node_maintenance, FakeCluster("migrate"))
    cluster.predicted = cluster.predicted.replace(
        '<rsc_action action="migrate" resource="mc" source="n2" dest="n3"/>',
        '<rsc_action action="stop" resource="mc" node="n2" reason="node availability"/>',
    )
    result = call(node_maintenance, node="n2", state="on")
    assert "mc would be stopped" in result["msg"]
    assert "force=true" in result["msg"]
    assert cluster.writes == []
    assert call(node_maintenance, check=True, node="n2", state="on", force=True)["changed"]


DEVICE = {"node": "n1", "address": "192.0.2.11", "username": "fence", "password": "tiger", "options": {"power_wait": 1}}


def test_cluster_options_and_fencing(call: Call, on: Any) -> None:
    cluster = on(cluster_config, FakeCluster("fence", cib=transcript("cib-fresh")))
    wish = {"properties": {"cluster-recheck-interval": "1min"}, "fencing": [DEVICE]}
    wish["nodes"] = {"n1": {"utilization": {"memory": 4000}}}
    told = call(cluster_config, check=True, **wish)
    assert cluster.writes == []
    done = call(cluster_config, **wish)
    assert cluster.writes == ["patch"]
    assert told["diff"] == done["diff"]
    assert "tiger" not in str(told)
    live = read(cluster.cib)
    assert live.properties["stonith-enabled"] == "true"
    assert live.properties["cluster-recheck-interval"] == "1min"
    assert live.primitives["drover-fence-n1"].params["power_wait"] == "1"
    assert not call(cluster_config, **wish)["changed"]
    removed = call(cluster_config, fencing=[])
    assert "remove resource drover-fence-n1" in removed["objects"]
    assert "remove location drover-fence-n1-elsewhere" in removed["objects"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, None), ({"fenced": False, "fencing": [DEVICE]}, "false"), ({"fencing": [DEVICE]}, "true")],
    ids=["left alone", "devices before trust", "devices"],
)
def test_when_fencing_is_relied_on(call: Call, on: Any, given: dict[str, Any], expected: str | None) -> None:
    cluster = on(cluster_config, FakeCluster(cib=transcript("cib-fresh")))
    call(cluster_config, **given)
    assert read(cluster.cib).properties.get("stonith-enabled") == expected


def test_the_state_of_the_cluster(call: Call, on: Any) -> None:
    cluster = on(cluster_status_info, FakeCluster())
    result = call(cluster_status_info)
    assert result["member"]
    assert [guest["name"] for guest in result["guests"]] == ["mc", "web"]
    assert cluster.writes == []


def test_a_node_without_a_cluster_says_so(call: Call, on: Any) -> None:
    def down(argv: Sequence[str], **_options: Any) -> CommandResult:
        raise CommandError("x", CommandResult(tuple(argv), 102, "", ""))

    on(cluster_status_info, down)
    result = call(cluster_status_info)
    assert not result["member"]
    assert "systemctl status corosync pacemaker" in result["reason"]


def test_reconcile_of_a_real_cib_is_stable() -> None:
    live = read(CIB)
    assert not reconcile(CIB, Wanted(tuple(live.primitives.values()), tuple(live.constraints.values()))).changed
