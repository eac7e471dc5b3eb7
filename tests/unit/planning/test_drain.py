# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, NodeSettings, Pin, Primitive
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Action, Prediction
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ResourceStatus
from ansible_collections.cspp.drover.plugins.module_utils.planning import drain
from ansible_collections.cspp.drover.plugins.module_utils.preflight.reasons import Finding
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
    plan = drain.leave("n1", CLUSTER, BUSY)
    assert (plan.guests, plan.targets, plan.blocked) == (("mc",), {"mc": "n3"}, {})
    assert plan.wanted.nodes == (NodeSettings("n1", {"standby": "on"}),)
    assert plan.wanted.constraints == (HOME, Location("drover-drain-mc", "mc", "n3", "100000"))


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


SILENT = Finding("node_silent", "n2 does not answer", "look there")
FULL = live(primitive(), primitive("web"), memory=3000)
UNMANAGED = Primitive(**{**vars(primitive()), "meta": {"maintenance": "true"}})


@pytest.mark.parametrize(
    ("cluster", "seen", "force", "words"),
    [
        (FULL, {}, False, r"n2: it has no room.*\(no_memory\).*; n3: n3 does not answer"),
        (FULL, {}, True, None),
        (CLUSTER, {}, False, r"n2: n2 does not answer \(node_silent\); look there; n3: n3 does"),
        (live(UNMANAGED, primitive("web")), {}, True, "somebody told the cluster to leave mc alone"),
    ],
)
def test_what_keeps_a_guest_is_said_with_its_remedy_unless_it_is_forced(
    cluster: Configuration, seen: dict[str, Any], force: bool, words: str | None
) -> None:
    silent = {"mc": {"n2": [SILENT], "n3": [replace(SILENT, message="n3 does not answer")]}}
    plan = drain.leave("n1", cluster, BUSY, silent, force=force)
    if words is None:
        assert plan.targets == {"mc": "n3"}
    else:
        assert plan.targets == {}
        assert re.search(words, plan.blocked["mc"])
        assert plan.wanted.constraints == (HOME,)


NOTHING = Prediction()


@pytest.mark.parametrize(
    ("actions", "place", "ahead", "words"),
    [
        ([Action("migrate", "mc", "n1", "n3")], "n3", NOTHING, []),
        ([Action("stop", "mc", "n1")], None, NOTHING, ["mc would be stopped"]),
        ([], None, NOTHING, ["mc would be stopped"]),
        ([], "n1", NOTHING, ["mc would not leave (unmanaged, or failed)"]),
        ([], "n2", NOTHING, ["the cluster would take mc to n2: n2 does not answer (node_silent); look there"]),
        (
            [Action("move", "web", "n2", "n3")],
            "n3",
            NOTHING,
            ["the cluster would also act thus: web: stop on n2, start on n3"],
        ),
        ([Action("move", "web", "n2", "n3")], "n3", Prediction((Action("move", "web", "n2", "n3"),)), []),
        ([Action("stop", "drover-fence-n3", "n1"), Action("start", "web", None, "n2")], "n3", NOTHING, []),
    ],
    ids=[
        "as planned",
        "a stop",
        "nowhere to run",
        "a stay",
        "elsewhere",
        "another guest",
        "on its way anyway",
        "not a guest",
    ],
)
def test_what_speaks_against_a_drain(actions: list[Action], place: str, ahead: Prediction, words: list[str]) -> None:
    seen = {"mc": {"n2": [SILENT]}}
    plan = drain.leave("n1", CLUSTER, BUSY, seen)
    prediction = Prediction(tuple(actions), (("mc", place),))
    assert drain.refusals(plan, prediction, Snapshot("<cib/>", BUSY, ahead), seen) == words


def test_what_was_forced_is_not_refused() -> None:
    seen = {"mc": {"n2": [SILENT], "n3": [SILENT]}}
    plan = drain.leave("n1", CLUSTER, BUSY, seen, force=True)
    assert plan.targets == {"mc": "n3"}
    prediction = Prediction((Action("migrate", "mc", "n1", "n3"),), (("mc", "n3"),))
    assert drain.refusals(plan, prediction, Snapshot("<cib/>", BUSY, NOTHING), seen) == []


def test_what_only_serves_the_cluster_may_move_in_a_drain() -> None:
    now = status(guest("mc", "n1"), guest("web", "n2"), guest("drover-fence-n3", "n1"))
    plan = drain.leave("n1", CLUSTER, now)
    prediction = Prediction((Action("move", "drover-fence-n3", "n1", "n2"),), (("mc", "n3"),))
    assert drain.refusals(plan, prediction, Snapshot("<cib/>", now, NOTHING), {}) == []


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
    assert drain.left_behind(plan, Snapshot("<cib/>", status(seen), Prediction())) == left


def test_a_failure_is_named() -> None:
    plan = drain.leave("n1", CLUSTER, BUSY)
    seen = status(guest("mc", "n1", "n3", failed=True), failures=(failure("migrate_to"),))
    left = drain.left_behind(plan, Snapshot("<cib/>", seen, Prediction()))
    assert left == {"mc": "migrate_to of mc failed on n1: no disk"}


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
    assert drain.stayed_away(back, Snapshot("<cib/>", status(seen), Prediction())) == expected


def test_each_that_stayed_away_is_told() -> None:
    home = Location("drover-home-web", "web", "n1", "INFINITY")
    back = drain.returning("n1", live(primitive(), primitive("web"), HOME, home), BUSY)
    now = status(guest("mc", "n1"), guest("web", "n2"))
    assert drain.stayed_away(back, Snapshot("<cib/>", now, NOTHING)) == {"web": "it is running on n2"}


def test_an_unknown_node_is_answered_with_the_known_ones() -> None:
    seen = status(nodes=(node("n1"), node("n2")))
    for verb in (drain.leave, drain.returning):
        with pytest.raises(ValueError, match="its nodes are: n1, n2"):
            verb("n9", CLUSTER, seen)
