# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""High availability, paused and active again."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Level, Location, Primitive, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.paused import paused, since
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.modules import guest_start, guests, ha
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB, STATUS, FakeCluster

PAUSED = reconcile(CIB, Wanted(properties=paused("2026-11-29 01:00:00"))).xml
BY_HAND = reconcile(CIB, Wanted(properties={"maintenance-mode": "true"})).xml
LOST = STATUS.replace('name="n3" id="3" online="true"', 'name="n3" id="3" online="false"')
UNCLEAN = LOST.replace('unclean="false"', 'unclean="true"')
BLIND = STATUS.replace('with_quorum="true"', 'with_quorum="false"')


def test_the_samples_are_what_they_say() -> None:
    assert LOST != STATUS and UNCLEAN != LOST and BLIND != STATUS


@pytest.mark.parametrize("cib", [CIB, BY_HAND])
def test_it_is_paused_and_active_again(cib: str, call: Call, on: Any) -> None:
    cluster = on(ha, FakeCluster(cib=cib))
    told = call(ha, check=True, state="paused")
    assert (told["changed"], cluster.writes) == (True, [])
    done = call(ha, state="paused")
    assert (done["changed"], cluster.writes) == (True, ["patch"])
    assert "high availability is paused since 20" in done["words"][0]
    assert since(read(cluster.cib).properties)
    assert not call(ha, state="paused")["changed"]
    assert call(ha, check=True, state="active")["words"] == ["nothing has happened meanwhile"]
    again = call(ha, state="active")
    assert (again["changed"], again["words"]) == (True, ["high availability is active"])
    assert since(read(cluster.cib).properties) is None
    assert not call(ha, state="active")["changed"]


@pytest.mark.parametrize(
    ("state", "cib", "status", "words"),
    [
        ("paused", CIB, UNCLEAN, "is lost, and being fenced"),
        ("paused", CIB, BLIND, "no quorum"),
        ("active", PAUSED, BLIND, "no quorum"),
        ("active", PAUSED, LOST, "n3 is not there. Active again, the cluster may cut its power"),
    ],
)
def test_it_is_refused(state: str, cib: str, status: str, words: str, call: Call, on: Any) -> None:
    cluster = on(ha, FakeCluster(cib=cib, statuses=(status,)))
    for check in (True, False):
        assert words in call(ha, check=check, state=state)["msg"]
    assert cluster.writes == []


def test_nodes_that_are_away_are_fenced_if_that_is_permitted(call: Call, on: Any) -> None:
    cluster = on(ha, FakeCluster(cib=PAUSED, statuses=(LOST,)))
    assert call(ha, check=True, state="active", fence=True)["words"] == ["n3 is lost: it is fenced"]
    assert cluster.writes == []
    assert call(ha, state="active", fence=True)["changed"]
    # It left in order, so the cluster would take it for off; its guests may run.
    assert cluster.writes[0].startswith("stonith_admin --reboot n3") and cluster.writes[1] == "patch"


def fenced_by(*devices: str) -> str:
    """A paused cluster in which n3 is fenced by these, in this order."""
    primitives = [Primitive(device, "stonith", None, "fence_x") for device in devices]
    places = [Location(f"{device}-elsewhere", device, "n3", "-INFINITY") for device in devices]
    levels = [Level(f"drover-level-n3-{at}", "n3", at, device) for at, device in enumerate(devices, 1) if devices[1:]]
    wanted = Wanted(primitives=tuple(primitives), constraints=tuple(places), levels=tuple(levels))
    return reconcile(PAUSED, wanted).xml


@pytest.mark.parametrize(
    ("devices", "left"),
    [
        (["drover-sbd-n3"], []),
        (["drover-fence-n3", "drover-sbd-n3"], []),
        (["drover-fence-n3", "drover-fallback-n3", "drover-sbd-n3"], ["drover-level-n3-1", "drover-level-n3-2"]),
    ],
)
@pytest.mark.parametrize("status", [LOST, UNCLEAN])
def test_nobody_relies_on_the_sbd_of_a_node_that_may_have_been_stopped_by_hand(
    devices: list[str], left: list[str], status: str, call: Call, on: Any
) -> None:
    cluster = on(ha, FakeCluster(cib=fenced_by(*devices), statuses=(status,)))
    told = call(ha, check=True, state="active", fence=True)["words"]
    assert any("n3 is lost: it is fenced by its power controller alone" in line for line in told)
    assert cluster.writes == []
    call(ha, state="active", fence=True)
    # Before anything is asked of any device.
    assert cluster.writes[0] == "patch"
    live = cluster.cib
    assert "drover-sbd-n3" not in live
    assert [device for device in devices if f'"{device}"' in live] == devices[:-1]
    assert [level for level in ("drover-level-n3-1", "drover-level-n3-2", "drover-level-n3-3") if level in live] == left


def test_nodes_that_the_cluster_fences_itself_are_left_to_it(call: Call, on: Any) -> None:
    cluster = on(ha, FakeCluster(cib=PAUSED, statuses=(UNCLEAN,)))
    assert call(ha, state="active", fence=True)["changed"]
    assert not [write for write in cluster.writes if write.startswith("stonith_admin")]


def test_a_node_that_is_off_in_maintenance_is_not_waited_for(call: Call, on: Any) -> None:
    away = LOST.replace('online="false" standby="false"', 'online="false" standby="true"')
    assert away != LOST
    cluster = on(ha, FakeCluster(cib=PAUSED, statuses=(away,)))
    assert call(ha, state="active")["changed"]
    assert cluster.writes == ["patch"]


def test_a_node_that_is_lost_in_that_moment_is_fenced_all_the_same(call: Call, on: Any) -> None:
    cluster = on(ha, FakeCluster(statuses=(STATUS, UNCLEAN, UNCLEAN)))
    assert "was lost just now: high availability stays active" in call(ha, state="paused")["msg"]
    assert since(read(cluster.cib).properties) is None


@pytest.mark.parametrize("check", [True, False])
def test_while_it_is_paused_other_verbs_change_nothing(check: bool, call: Call, on: Any) -> None:
    cluster = on(guest_start, FakeCluster(cib=PAUSED))
    assert "nothing was changed, for high availability is paused" in call(guest_start, check=check, guest="mc")["msg"]
    assert cluster.writes == []
    cluster = on(guests, FakeCluster(cib=PAUSED))
    stopped = {"name": "mc", "state": "absent"}
    assert "nothing was changed, for high availability is paused" in call(guests, check=check, guests=[stopped])["msg"]
    assert cluster.writes == []
