# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules that change the cluster, on transcripts of a real one: what check mode says, and that it only says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import guest_of
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.host.sbd import SbdNode
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import guest_state
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress
from ansible_collections.cspp.drover.plugins.module_utils.preflight.survey import NodeView
from ansible_collections.cspp.drover.plugins.module_utils.trust import renewal
from ansible_collections.cspp.drover.plugins.module_utils.trust.pki import TrustError
from ansible_collections.cspp.drover.plugins.modules import (
    cluster_config,
    cluster_status_info,
    guests,
    migration_check_info,
)
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import (
    APART,
    CIB,
    STATUS,
    FakeCluster,
    transcript,
)

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
    said = {"node": "n2", "state": "running", "actions": [], "pending_restart": False, "redefined": False}
    assert result["guests"]["mc"] == said


def test_a_changed_guest_is_one_patch_which_check_mode_tells_and_does_not_make(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster("reload"))
    told = call(guests, check=True, **arguments(GROWN))
    assert cluster.writes == []
    done = call(guests, **arguments(GROWN))
    assert cluster.writes == ["patch"]
    for key in ("changed", "diff", "objects", "actions", "plan"):
        assert told[key] == done[key]
    assert told["objects"] == ["update resource mc"]
    assert told["plan"] == ["mc: change live what can be on n2"]
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


def test_every_guest_is_checked_for_every_other_node(call: Call, on: Any) -> None:
    cluster = on(migration_check_info, FakeCluster(cib=APART))
    cluster.views = {node: NodeView(node, error="refused") for node in ("n1", "n2", "n3")}
    result = call(migration_check_info)
    pairs = [(one["guest"], one["from"], one["to"], one["possible"]) for one in result["checks"]]
    assert pairs == [
        ("mc", "n2", "n1", False),
        ("mc", "n2", "n3", False),
        ("web", "n3", "n1", False),
        ("web", "n3", "n2", False),
    ]
    assert result["summary"][1].split() == ["mc", "n2", "node_silent", "-", "node_silent"]
    one = call(migration_check_info, guest="mc", to="n9")
    assert [finding["code"] for finding in one["checks"][0]["findings"]] == ["unknown_node"]
    assert cluster.writes == []


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


def test_the_device_of_a_member_that_the_inventory_lacks_stays(call: Call, on: Any) -> None:
    cluster = on(cluster_config, FakeCluster("fence", cib=transcript("cib-fresh")))
    call(cluster_config, fencing=[DEVICE, {**DEVICE, "node": "n2"}])
    assert not call(cluster_config, fencing=[DEVICE], fencing_kept=["n2"])["changed"]
    call(cluster_config, fencing=[DEVICE])
    assert "drover-fence-n2" not in read(cluster.cib).primitives


def test_sbd_becomes_a_level_where_it_was_seen_to_run(call: Call, on: Any) -> None:
    on(cluster_config, FakeCluster())
    bmc = [{"node": node, "address": "192.0.2.1"} for node in ("n1", "n2")]
    disk = {"agent": "fence_sbd", "address": "/dev/a", "level": 3, "options": {"power_timeout": "45"}}
    fencing = [*bmc, *({"node": node, **disk} for node in ("n1", "n2"))]
    objects = call(cluster_config, check=True, fencing=fencing, fencing_unseen=["n2"])["objects"]
    assert {"create fencing level drover-level-n1-1", "create fencing level drover-level-n1-2"} <= set(objects)
    assert "create resource drover-sbd-n1" in objects
    assert not [line for line in objects if "sbd-n2" in line or "level-n2" in line]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, None), ({"fenced": False, "fencing": [DEVICE]}, "false"), ({"fencing": [DEVICE]}, "true")],
    ids=["left alone", "devices before trust", "devices"],
)
def test_when_fencing_is_relied_on(call: Call, on: Any, given: dict[str, Any], expected: str | None) -> None:
    cluster = on(cluster_config, FakeCluster(cib=transcript("cib-fresh")))
    call(cluster_config, **given)
    assert read(cluster.cib).properties.get("stonith-enabled") == expected


def test_each_node_tells_of_disks_that_its_sbd_does_not_watch(
    call: Call, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_status_info, "node_name", lambda: "here")
    monkeypatch.setattr(cluster_status_info, "certificates", lambda _now: [])
    for disks in ([], ["/dev/a", "/dev/b"]):
        monkeypatch.setattr(SbdNode, "unwatched", lambda _self, disks=disks: disks)
        on(cluster_status_info, FakeCluster())
        told = call(cluster_status_info)["node_problems"]
        assert bool(told) is bool(disks)
        assert all(line.startswith("here: SBD does not watch /dev/a, /dev/b: ") for line in told)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], []),
        (["the certificate ca is good for 3 more days"], ["here: the certificate ca is good for 3 more days"]),
        (FileNotFoundError("no node yet"), []),
        (TrustError("what it shows is no certificate"), ["here: its certificates cannot be read: what it shows is no"]),
    ],
    ids=["well", "ending", "bare", "broken"],
)
def test_each_node_tells_of_its_own_certificates(
    call: Call, on: Any, monkeypatch: pytest.MonkeyPatch, found: list[str] | Exception, told: list[str]
) -> None:
    def overdue(_identities: Any, _now: float) -> list[str]:
        if isinstance(found, Exception):
            raise found
        return found

    on(cluster_status_info, FakeCluster())
    monkeypatch.setattr(renewal, "declared", lambda _path: ([], None))
    monkeypatch.setattr(renewal, "overdue", overdue)
    monkeypatch.setattr(cluster_status_info, "node_name", lambda: "here")
    said = call(cluster_status_info)["node_problems"]
    assert len(said) == len(told)
    assert all(line.startswith(start) for line, start in zip(said, told, strict=True))


def test_how_far_guests_are_is_asked_of_the_nodes_when_something_moves(
    call: Call, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def gather(nodes: list[str]) -> list[dict[str, Any]]:
        asked.append(nodes)
        return [{"guest": "mc", "to": "n3", "phase": "setup"}]

    monkeypatch.setattr(progress, "gather", gather)
    on(cluster_status_info, FakeCluster())
    assert call(cluster_status_info)["moves"] == []
    moving = STATUS.replace('agent="ocf:drover:vm" role="Started"', 'agent="ocf:drover:vm" role="Migrating"')
    on(cluster_status_info, FakeCluster(statuses=(moving,)))
    result = call(cluster_status_info)
    assert asked == [["n1", "n2", "n3"]]
    assert result["table"][-1] == "> mc: getting ready to move to n3"


def test_the_state_of_the_cluster(call: Call, on: Any) -> None:
    cluster = on(cluster_status_info, FakeCluster())
    result = call(cluster_status_info)
    assert result["member"]
    assert [guest["name"] for guest in result["guests"]] == ["mc", "web"]
    assert cluster.writes == []


def test_a_node_tells_what_waits_of_its_own_guests_alone(call: Call, on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on(cluster_status_info, FakeCluster())
    asked: list[str] = []

    def running(definitions: Iterable[dict[str, Any]]) -> dict[str, Any]:
        names = [definition["name"] for definition in definitions]
        asked.extend(names)
        change = {"path": "cpu", "before": None, "after": "EPYC", "how": "restart"}
        return {name: {"changes": [change]} for name in names}

    monkeypatch.setattr(guest_state, "running", running)
    monkeypatch.setattr(cluster_status_info, "node_name", lambda: "n3")
    cib = CIB.replace('&quot;vcpus&quot;:1}"', '&quot;disks&quot;:[],&quot;vcpus&quot;:1}"')
    on(cluster_status_info, FakeCluster(cib=cib))
    assert call(cluster_status_info)["waiting"] == []
    told = call(cluster_status_info, changes=True)["waiting"]
    assert (asked, told) == (["web"], ["guest web: cpu: nothing -> EPYC (waits for a restart)"])


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


def test_the_consoles_address_comes_moves_and_goes(call: Call, on: Any) -> None:
    cluster = on(cluster_config, FakeCluster("fence", cib=transcript("cib-fresh")))
    wish = {"console_address": "192.0.2.9/24"}
    told = call(cluster_config, check=True, **wish)
    done = call(cluster_config, **wish)
    assert told["objects"] == done["objects"]
    assert {"create resource drover-console-address", "create rule drover-console-address-where"} <= {*done["objects"]}
    assert not call(cluster_config, **wish)["changed"]
    # A run that knows nothing of it leaves it alone.
    assert not call(cluster_config)["changed"]
    assert call(cluster_config, console_address="192.0.2.10/24")["objects"] == [
        "update resource drover-console-address"
    ]
    assert call(cluster_config, console_address="")["changed"]
    assert "console" not in cluster.cib
    assert not call(cluster_config, console_address="")["changed"]


def test_the_alert_for_notifiers_comes_and_goes(call: Call, on: Any) -> None:
    cluster = on(cluster_config, FakeCluster("fence", cib=transcript("cib-fresh")))
    assert call(cluster_config, notify=True)["objects"][-1:] == ["create alert drover-notify-alert"]
    assert "<select><select_fencing /><select_nodes /><select_resources /></select>" in cluster.cib
    assert not call(cluster_config, notify=True)["changed"]
    # A run that knows nothing of it leaves it alone.
    assert not call(cluster_config)["changed"]
    assert call(cluster_config, notify=False)["objects"] == ["remove alert drover-notify-alert"]
    assert not call(cluster_config, notify=False)["changed"]
