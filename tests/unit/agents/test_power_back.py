# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which fenced node is switched on again, by whom, and which stays off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import power_back
from ansible_collections.cspp.drover.plugins.module_utils.agents.power_back import PowerBack
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import (
    ClusterStatus,
    FenceEvent,
    NodeStatus,
    Work,
)
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, node, status

CUT = FenceEvent("n3", "reboot", "success", "n2", "2026-01-01 00:00:10Z")


def event(action: str, when: str = "2026-01-01 00:00:20Z", status: str = "success") -> FenceEvent:
    return FenceEvent("n3", action, status, "n1", when)


def seen(*events: FenceEvent, lost: NodeStatus | None = None) -> ClusterStatus:
    lost = lost or node("n3", online=False)
    return status(nodes=(node("n1"), node("n2"), lost), fence_events=events)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, "n3"),
        ({"rc": "-61"}, None),
        ({"kind": "node"}, None),
        ({"node": "n1"}, None),
    ],
)
def test_which_events_are_of_concern(monkeypatch: pytest.MonkeyPatch, told: dict[str, str], expected: str) -> None:
    monkeypatch.setattr(power_back, "node_name", lambda: "n1")
    usual = {"kind": "fencing", "rc": "0", "node": "n3", **told}
    assert power_back.fenced({f"CRM_alert_{name}": value for name, value in usual.items()}) == expected


@pytest.mark.parametrize(
    ("last", "on", "why"),
    [
        (seen(CUT), True, ""),
        # One that failed before or after has done nothing.
        (seen(event("reboot", status="failed"), CUT), True, ""),
        (seen(CUT, lost=node("n3")), False, "it is there already"),
        (seen(CUT, lost=node("n3", online=False, standby=True)), False, "in maintenance"),
        (seen(CUT, lost=node("n9")), False, "no member any more"),
        (seen(event("off"), CUT), False, "asked to be off meanwhile"),
        (seen(event("on"), CUT), False, "asked to be on meanwhile"),
        (seen(event("reboot"), CUT), False, "asked to be reboot meanwhile"),
        (seen(), False, "nobody remembers"),
    ],
)
def test_whether_it_is_still_to_be_switched_on(last: ClusterStatus, on: bool, why: str) -> None:
    verdict = power_back.judge("n3", CUT, last)
    assert verdict.on is on
    assert why in verdict.why


@pytest.mark.parametrize(("here", "turn"), [("n2", 0), ("n1", 1), ("n3", 2)])
def test_one_node_after_the_other_sees_to_it(here: str, turn: int) -> None:
    assert power_back.turn(here, "n2", seen(CUT)) == turn


class Cluster(Pacemaker):
    """A cluster that is at work for a while, whose power controller may fail at first, and what was asked of it."""

    def __init__(
        self, busy: int = 0, fails: int = 0, looks: Sequence[ClusterStatus] = (seen(CUT),), silent: int = 0
    ) -> None:
        super().__init__()
        self.busy, self.fails, self.looks, self.silent = busy, fails, list(looks), silent
        self.switched: list[str] = []

    def status(self) -> ClusterStatus:
        self.silent -= 1
        if self.silent >= 0:
            raise ClusterError("no answer")
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def at_work(self) -> tuple[Work, ...]:
        self.busy -= 1
        return (Work("web", "start", "n1"),) if self.busy >= 0 else ()

    def power_on(self, node: str, seconds: float) -> None:
        self.fails -= 1
        if self.fails >= 0:
            raise ClusterError("no answer")
        self.switched.append(node)


def test_a_node_that_sbd_has_reset_comes_back_by_itself(back: Callable[..., tuple[bool, float, list[str]]]) -> None:
    looks = seen(CUT)
    for resources, switched in (((guest("drover-sbd-n3", "n1"),), []), ((guest("drover-sbd-n1", "n2"),), ["n3"])):
        cluster = Cluster(looks=[replace(looks, resources=resources)])
        done, _seconds, said = back(cluster)
        assert (cluster.switched, done) == (switched, bool(switched))
        assert ("has it reset itself" in said[0]) is not done


@pytest.fixture
def back() -> Callable[..., tuple[bool, float, list[str]]]:
    """Sees to it; tells whether it did, after how many seconds, and what it said."""

    def run(cluster: Cluster, here: str = "n2") -> tuple[bool, float, list[str]]:
        slept: list[float] = []
        said: list[str] = []
        back = PowerBack("n3", cluster, here, clock=lambda: sum(slept), sleep=slept.append, say=said.append)
        done = back.run()
        return done, sum(slept), said

    return run


def test_guests_come_first(back: Callable[..., tuple[bool, float, list[str]]]) -> None:
    cluster = Cluster(busy=7)
    done, after, _said = back(cluster)
    assert (done, after, cluster.switched) == (True, 17.0, ["n3"])


def test_a_cluster_that_is_never_at_rest_does_not_keep_it_off(
    back: Callable[..., tuple[bool, float, list[str]]],
) -> None:
    done, after, _said = back(Cluster(busy=10**6))
    assert (done, after) == (True, 120.0)


# Asked for as what stays off: by somebody, by node_remove.yml, or by a human's word that it is off.
@pytest.mark.parametrize("action", ["off", "on"])
def test_what_is_meant_to_stay_off_stays_off(back: Callable[..., tuple[bool, float, list[str]]], action: str) -> None:
    cluster = Cluster(looks=[seen(event(action), CUT)])
    assert back(cluster) == (False, 0, [])
    assert cluster.switched == []


def test_who_comes_second_finds_it_done(back: Callable[..., tuple[bool, float, list[str]]]) -> None:
    cluster = Cluster(looks=[seen(CUT), seen(CUT), seen(event("on"), CUT)])
    done, after, _said = back(cluster, here="n1")
    assert (done, after, cluster.switched) == (False, 70.0, [])


def test_a_power_controller_that_does_not_answer_is_asked_again(
    back: Callable[..., tuple[bool, float, list[str]]],
) -> None:
    cluster = Cluster(fails=2)
    done, after, said = back(cluster)
    assert (done, after, cluster.switched) == (True, 70.0, ["n3"])
    assert "tried again: no answer" in said[0]


def test_a_cluster_that_is_slow_to_answer_leaves_no_node_off(
    back: Callable[..., tuple[bool, float, list[str]]],
) -> None:
    cluster = Cluster(silent=2)
    done, after, _said = back(cluster)
    assert (done, after, cluster.switched) == (True, 70.0, ["n3"])


@pytest.mark.parametrize(("failures", "lines"), [(0, 0), (1, 1), (2, 0)])
def test_what_cannot_be_confirmed_is_logged_once(failures: int, lines: int) -> None:
    said: list[str] = []
    lost = node("n3", online=False, unclean=True)
    events = [event("reboot", f"2026-01-01 00:01:0{number}.5Z", "failed") for number in range(failures)]
    power_back.complain("n3", Cluster(looks=[seen(CUT, *events, lost=lost)]), said.append)
    assert len(said) == lines
    assert all("n3 is lost, and since 2026-01-01 00:01:00 UTC" in line for line in said)


def test_it_is_given_up_at_last(back: Callable[..., tuple[bool, float, list[str]]]) -> None:
    done, after, said = back(Cluster(fails=10**6))
    assert not done
    assert 1800 < after < 1900
    assert "could not be switched on: no answer" in said[-1]
