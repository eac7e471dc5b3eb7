# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from ansible_collections.cspp.drover.plugins.module_utils import drain
from ansible_collections.cspp.drover.plugins.module_utils.cib_objects import Location, NodeSettings, Pin
from ansible_collections.cspp.drover.plugins.module_utils.cluster_status import ResourceStatus
from ansible_collections.cspp.drover.plugins.module_utils.pacemaker import Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.simulate import Action, Prediction
from ansible_collections.cspp.drover.tests.unit.cluster_samples import (
    failure,
    guest,
    live,
    node,
    primitive,
    status,
)

HOME = Location("drover-home-mc", "mc", "n1", "INFINITY")
BUSY = status(guest("mc", "n1"), guest("web", "n2"))
CLUSTER = live(primitive(), primitive("web"))


def test_one_patch_holds_standby_home_and_target() -> None:
    plan = drain.leave("n1", CLUSTER, BUSY, {"mc": "n3"})
    assert plan.guests == ("mc",)
    assert plan.wanted.nodes == (NodeSettings("n1", {"standby": "on"}),)
    assert plan.wanted.constraints == (HOME, Location("drover-drain-mc", "mc", "n3", "100000"))


@pytest.mark.parametrize("planned", [None, {"mc": None}, {"mc": "n1"}])
def test_without_a_planned_target_the_cluster_chooses(planned: dict[str, str | None] | None) -> None:
    assert drain.leave("n1", CLUSTER, BUSY, planned).wanted.constraints == (HOME,)


def test_a_pinned_guest_is_told_where_to_go_and_comes_back() -> None:
    pin = Pin("drover-pin-mc", "mc", "n1")
    plan = drain.leave("n1", live(primitive(), primitive("web"), pin), BUSY)
    assert plan.wanted.constraints == (HOME, Pin("drover-pin-mc", "mc", "n3"))
    away = live(primitive(), HOME, Pin("drover-pin-mc", "mc", "n3"), standby=("n1",))
    assert drain.returning("n1", away, status(guest("mc", "n3"))).wanted.constraints == (pin,)


@pytest.mark.parametrize(
    ("standby", "kept"), [(("n2",), True), ((), False)], ids=["its home is in maintenance", "its home is in service"]
)
def test_a_guest_away_from_home_keeps_the_home_it_has(standby: tuple[str, ...], kept: bool) -> None:
    home = Location("drover-home-mc", "mc", "n2", "INFINITY")
    plan = drain.leave("n1", live(primitive(), home, standby=standby), status(guest("mc", "n1")))
    assert (HOME not in plan.wanted.constraints) is kept


def test_the_largest_guests_are_placed_first_and_none_where_it_does_not_fit() -> None:
    gib = 2**30
    objects = (
        primitive("small", memory=gib, vcpus=1),
        primitive("large", memory=3 * gib, vcpus=1),
        primitive("huge", memory=9 * gib, vcpus=1),
        primitive("other", memory=2 * gib, vcpus=1),
    )
    seen = status(*(guest(name, "n1") for name in ("small", "large", "huge")), guest("other", "n2"))
    plan = drain.targets("n1", ["small", "large", "huge"], live(*objects), seen)
    assert plan == {"huge": None, "large": "n3", "small": "n2"}


def test_a_stop_or_a_stay_speaks_against_it() -> None:
    plan = drain.leave("n1", CLUSTER, BUSY)
    moves = Prediction((Action("migrate", "mc", "n1", "n3"),), (("mc", "n3"),))
    assert drain.refusals(plan, moves, BUSY) == []
    stop = Prediction((Action("stop", "web", "n2"), Action("stop", "drover-fence-n3", "n1")), (("mc", "n3"),))
    assert drain.refusals(plan, stop, BUSY) == ["web would be stopped"]
    stay = Prediction((), (("mc", "n1"),))
    assert drain.refusals(plan, stay, BUSY) == ["mc would not leave (unmanaged, or failed)"]


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        (guest("mc", "n3"), {}),
        (guest("mc", "n1"), {"mc": "running"}),
        (guest("mc", "n1", pending="Migrating"), {"mc": "migrating"}),
        (guest("mc"), {}),
    ],
)
def test_who_is_left_behind(seen: ResourceStatus, left: dict[str, str]) -> None:
    plan = drain.leave("n1", CLUSTER, BUSY)
    assert drain.left_behind(plan, Snapshot("", status(seen), Prediction())) == left


def test_a_failure_is_named() -> None:
    plan = drain.leave("n1", CLUSTER, BUSY)
    seen = status(guest("mc", "n1", "n3", failed=True), failures=(failure("migrate_to"),))
    assert drain.left_behind(plan, Snapshot("", seen, Prediction())) == {"mc": "migrate_to of mc failed on n1: no disk"}


def test_the_way_back() -> None:
    away = live(primitive(), primitive("web"), HOME, Location("drover-drain-mc", "mc", "n3", "100000"))
    back = drain.returning("n1", away, BUSY)
    assert back.guests == ("mc",)
    assert back.wanted.nodes == (NodeSettings("n1", {"standby": None}),)
    assert back.wanted.absent == {"drover-drain-mc"}
    assert back.cleared.absent == {"drover-drain-mc", "drover-home-mc"}
    assert drain.emptied("n1", away).absent == {"drover-drain-mc"}
    assert drain.emptied("n2", away).absent == frozenset()


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (guest("mc", "n1"), None),
        (guest("mc", "n3"), "it is running on n3"),
        (guest("mc"), "it is stopped"),
    ],
)
def test_who_stayed_away(seen: ResourceStatus, why: str | None) -> None:
    back = drain.returning("n1", live(primitive(), HOME), BUSY)
    expected = {} if why is None else {"mc": why}
    assert drain.stayed_away(back, Snapshot("", status(seen), Prediction())) == expected


def test_an_unknown_node_is_answered_with_the_known_ones() -> None:
    seen = status(nodes=(node("n1"), node("n2")))
    for verb in (drain.leave, drain.returning):
        with pytest.raises(ValueError, match="its nodes are: n1, n2"):
            verb("n9", CLUSTER, seen)
