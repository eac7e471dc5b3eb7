# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import (
    Colocation,
    Constraint,
    Location,
    Operation,
    Pin,
    Primitive,
    Wanted,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.planning import move
from ansible_collections.cspp.drover.plugins.module_utils.preflight.cluster_checks import ClusterChecks
from ansible_collections.cspp.drover.plugins.module_utils.preflight.reasons import Finding
from ansible_collections.cspp.drover.tests.unit.cluster_samples import (
    failure,
    guest,
    live,
    node,
    primitive,
    status,
)

HERE = status(guest("mc", "n1"))


def nodes(**of_n2: Any) -> ClusterStatus:
    return status(guest("mc", "n1"), nodes=(node("n1"), node("n2", **of_n2)))


def test_a_move_is_held_until_it_is_over() -> None:
    plan = move.plan("mc", "n2", live(primitive()), HERE)
    assert (plan.source, plan.target, plan.live, plan.needed) == ("n1", "n2", True, True)
    assert plan.timeout == 300 + 120 + 30
    assert plan.wanted.constraints == (
        Location("drover-move-mc", "mc", "n2", "INFINITY"),
        Location("drover-back-mc", "mc", "n1", "100000"),
    )
    left = {c.id for c in plan.wanted.constraints} | {"drover-drain-mc"}
    assert move.finished("mc").absent == left


def test_a_pin_moves_and_moves_back_when_that_fails() -> None:
    pinned = live(primitive(), Pin("drover-pin-mc", "mc", "n1"))
    plan = move.plan("mc", "n2", pinned, HERE)
    assert plan.wanted.constraints == (Pin("drover-pin-mc", "mc", "n2"),)
    ordered = live(primitive(), *plan.wanted.constraints)
    assert move.undone(plan, ordered).constraints == (Pin("drover-pin-mc", "mc", "n1"),)


def test_the_end_of_a_move_leaves_alone_what_somebody_has_ordered_since() -> None:
    plan = move.plan("mc", "n2", live(primitive()), HERE)
    ours = live(primitive(), *plan.wanted.constraints)
    assert move.arrived(plan, ours).absent == move.finished("mc").absent - {"drover-drain-mc"}
    assert move.undone(plan, ours).absent == {"drover-move-mc", "drover-back-mc"}
    theirs = live(primitive(), Location("drover-move-mc", "mc", "n3", "INFINITY"))
    assert move.arrived(plan, theirs) == move.undone(plan, theirs) == Wanted()
    repinned = live(primitive(), Pin("drover-pin-mc", "mc", "n3"))
    assert move.undone(plan, repinned) == Wanted()


def test_a_container_restarts_also_when_its_files_are_copied_before() -> None:
    local = primitive(kind="container", rootfs={"path": "/srv/mc", "shared": False})
    assert local.meta["allow-migrate"] == "true"
    assert not move.plan("mc", "n2", live(local), HERE).live


def test_a_container_restarts() -> None:
    plan = move.plan("mc", "n2", live(primitive(kind="container")), HERE)
    assert not plan.live
    assert plan.timeout == 120 + 90 + 30


@pytest.mark.parametrize(
    ("objects", "seen", "to", "words"),
    [
        ((), HERE, "n9", r"no such node.*n1, n2, n3"),
        ((), nodes(standby=True), "n2", r"in maintenance.*maintenance\.yml -e node=n2 -e state=off"),
        ((), nodes(online=False), "n2", "it is offline"),
        (
            (primitive("big", memory=3 * 2**30),),
            status(guest("mc", "n1"), guest("big", "n2")),
            "n2",
            "no room.*1024 are left",
        ),
        (
            (primitive("web"), Colocation("drover-apart-mc.web", "mc", "web", "-5000")),
            status(guest("mc", "n1"), guest("web", "n2")),
            "n2",
            r"web runs there, and mc and web are to be apart; it would not stay \(apart\); name another node",
        ),
        (
            (primitive("web"), Colocation("drover-together-mc.web", "mc", "web", "5000")),
            status(guest("mc", "n1"), guest("web", "n1")),
            "n2",
            r"mc and web are to be together, and web runs on n1; it would not stay \(together\); name n1",
        ),
        (
            (primitive("web"), Colocation("drover-apart-web.mc", "web", "mc", "-5000")),
            status(guest("mc", "n1"), guest("web", "n2")),
            "n2",
            r"are to be apart; web would not stay \(apart\); name another node, or let web give way",
        ),
        (
            (primitive("web"), Colocation("drover-together-web.mc", "web", "mc", "5000")),
            status(guest("mc", "n1"), guest("web", "n1")),
            "n2",
            r"are to be together, and web runs on n1; web would not stay \(together\); name n1, or have web follow",
        ),
        ((), nodes(maintenance=True), "n2", r"leave it alone \(attribute maintenance\).*--name maintenance --delete"),
        ((), status(guest("mc", "n1"), nodes=(node("n1"),)), None, "no other node"),
        ((), nodes(online=False), None, "can't leave n1.*n2: it is offline"),
        ((), status(guest("mc")), "n2", "not running"),
        ((), status(guest("mc", "n1", "n3", failed=True, blocked=True)), "n2", "failed, blocked on n1, n3"),
    ],
)
def test_refusals_name_reason_and_remedy(
    objects: tuple[Primitive | Constraint, ...], seen: ClusterStatus, to: str | None, words: str
) -> None:
    with pytest.raises(move.Refused, match=words):
        move.plan("mc", to, live(primitive(), *objects), seen)


def test_a_guest_between_two_nodes_is_under_way_and_not_in_trouble() -> None:
    seen = status(guest("mc", "n1", "n2", pending="Migrating"))
    assert [found.code for found in ClusterChecks(live(primitive()), seen).immobile("mc")] == ["guest_under_way"]
    with pytest.raises(move.UnderWay):
        move.plan("mc", "n2", live(primitive()), seen)


def test_an_unknown_guest_is_answered_with_the_known_ones() -> None:
    with pytest.raises(move.Refused, match="the guests are: mc"):
        move.plan("nope", None, live(primitive()), HERE)


def test_an_administrators_maintenance_is_respected_and_our_own_is_not() -> None:
    def unmanaged(**meta: str) -> Configuration:
        return live(Primitive(**{**vars(primitive()), "meta": {"maintenance": "true", **meta}}))

    with pytest.raises(move.Refused, match="--delete-parameter maintenance"):
        move.plan("mc", "n2", unmanaged(), HERE)
    assert move.plan("mc", "n2", unmanaged(**{"drover-recovery": "true"}), HERE).needed


@pytest.mark.parametrize(
    ("objects", "seen", "target"),
    [
        ((), HERE, "n2"),
        ((Location("drover-prefer-mc.n3", "mc", "n3", "100"),), HERE, "n3"),
        ((primitive("web"),), status(guest("mc", "n1"), guest("web", "n2")), "n3"),
        ((Location("drover-move-mc", "mc", "n3", "INFINITY"),), HERE, "n3"),
    ],
    ids=["first of equals", "a wish", "most room", "what was begun is finished"],
)
def test_the_best_other_node(objects: tuple[Primitive | Constraint, ...], seen: ClusterStatus, target: str) -> None:
    assert move.plan("mc", None, live(primitive(), *objects), seen).target == target


def test_what_a_node_has_against_a_move_counts_as_well() -> None:
    full = Finding("bridge_missing", "n2 has no bridge br0", "declare it")
    less_good = Finding("clocks_differ", "the clocks differ", "set them")
    seen = {"n2": [full], "n3": [less_good]}
    assert move.plan("mc", None, live(primitive()), HERE, seen).target == "n3"
    with pytest.raises(move.Refused, match=r"n2 has no bridge br0 \(bridge_missing\); declare it"):
        move.plan("mc", "n2", live(primitive()), HERE, seen)


@pytest.mark.parametrize("who", ["mc", "web"])
def test_company_is_kept_and_chosen_whoever_of_the_two_declares_it(who: str) -> None:
    other = {"mc": "web", "web": "mc"}[who]
    apart = Colocation(f"drover-apart-{who}.{other}", who, other, "-5000")
    seen = status(guest("mc", "n1"), guest("web", "n2"))
    # The other node has less memory left.
    objects = live(primitive(), primitive("web", memory=2**29), primitive("big"), apart)
    crowded = status(*seen.resources, guest("big", "n3"))
    assert move.plan("mc", None, objects, crowded).target == "n3"
    assert move.plan("mc", "n2", objects, crowded, ignore=["apart"]).target == "n2"
    with pytest.raises(move.Refused, match="no room"):
        move.plan("mc", "n2", live(primitive(), memory=1024), seen, ignore=["apart", "no_memory"])


def test_there_already() -> None:
    plan = move.plan("mc", "n1", live(primitive()), HERE)
    assert not plan.needed
    assert plan.wanted == move.finished("mc")


@pytest.mark.parametrize(
    ("seen", "busy", "outcome"),
    [
        (status(guest("mc", "n1", pending="Migrating")), True, "under way"),
        (status(guest("mc", "n1")), True, "under way"),
        (status(guest("mc", "n2")), False, "arrived"),
        (status(guest("mc", "n1", "n2", failed=True, blocked=True)), False, "failed"),
        (status(guest("mc", "n3")), False, "failed"),
        (status(), False, "under way"),
    ],
)
def test_outcome(seen: ClusterStatus, busy: bool, outcome: str) -> None:
    plan = move.plan("mc", "n2", live(primitive()), HERE)
    ahead = Prediction(busy=frozenset({"mc"} if busy else ()))
    assert move.outcome(plan, Snapshot("<cib/>", seen, ahead)) == outcome


def test_old_failures_are_no_cause() -> None:
    old, new = failure("start", where="n3"), failure("migrate_to")
    plan = move.plan("mc", "n2", live(primitive()), status(guest("mc", "n1"), failures=(old,)))
    assert move.causes(plan, status(failures=(old, new))) == ["migrate_to of mc failed on n1: no disk"]


def test_an_operation_without_a_timeout_adds_nothing_to_the_longest_move() -> None:
    operations = (Operation("migrate_to", timeout="300s"), Operation("migrate_from", timeout=""))
    assert move.longest(replace(primitive(), operations=operations)) == 330
