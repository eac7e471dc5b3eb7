# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import guest_health, guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import GuestSpec
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import (
    Colocation,
    Constraint,
    Location,
    Pin,
    Primitive,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Action, Prediction
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus, ResourceStatus
from ansible_collections.cspp.drover.tests.unit.cluster_samples import (
    GIB,
    definition,
    failure,
    guest,
    live,
    node,
    primitive,
    status,
)


def spec(name: str = "mc", **more: Any) -> GuestSpec:
    return GuestSpec(name, definition(name), **more)


def own(name: str = "mc", **more: Any) -> dict[str, Any]:
    """A container on storage of one node's own."""
    rootfs = {"type": "directory", "path": f"/own/containers/{name}/rootfs", "shared": False}
    policy = {"bandwidth": None, "timeout": None}
    return definition(name, kind="container", **{"rootfs": rootfs, "migration": policy, **more})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (definition(), {"start": "120s", "stop": "90s", "migrate_to": "300s", "migrate_from": "120s"}),
        (definition(stop_timeout=300), {"stop": "330s"}),
        (definition(migration={"bandwidth": 2**30, "timeout": None}), {"migrate_to": "300s"}),
        (definition(migration={"bandwidth": 2**30, "timeout": 20}), {"migrate_to": "300s"}),
        (definition(migration={"timeout": 600}), {"migrate_to": "660s"}),
        (definition(memory=64 * GIB), {"migrate_to": "2742s"}),
        (definition(kind="container"), {"start": "120s", "stop": "90s", "migrate_to": None}),
        (own(), {"start": "120s", "migrate_to": "86400s", "migrate_from": "120s"}),
        (own(migration={"bandwidth": None, "timeout": 600}), {"migrate_to": "900s"}),
    ],
)
def test_operations_are_sized(given: dict[str, Any], expected: dict[str, str | None]) -> None:
    resource = guests.guest_primitive(given, priority=0, boot="x")
    found = {op.name: op.timeout for op in resource.operations}
    assert {name: found.get(name) for name in expected} == expected


#: How often a guest that fails is started again, where nothing is said of it.
LIMITS = {"migration-threshold": "4", "drover-max-relocate": "1"}


def test_a_vm_in_pacemakers_terms() -> None:
    resource = guests.guest_primitive(definition(), priority=100, boot="x")
    assert resource.meta == {"allow-migrate": "true", "priority": "100", **LIMITS}
    assert resource.utilization == {"memory": "2048", "vcpus": "2"}
    assert json.loads(resource.params["definition"]) == definition()
    assert [op.name for op in resource.operations if op.on_fail == "block"] == ["migrate_to"]


BALLOON: dict[str, Any] = {"memory": GIB, "max_memory": 4 * GIB}


def counted_before(memory: int = 1024) -> Primitive:
    """A VM that may use 4 GiB, as an older version has counted it."""
    return replace(primitive(**BALLOON), utilization={"memory": str(memory), "vcpus": "2"})


@pytest.mark.parametrize(
    ("there", "on", "memory", "wanted", "counted"),
    [
        (None, (), 4096, BALLOON, "4096"),
        (counted_before(), ("n1",), 4096, BALLOON, "4096"),
        (counted_before(), ("n1",), 4000, BALLOON, "1024"),  # it would be moved for it
        (counted_before(), (), 4000, BALLOON, "4096"),
        (counted_before(), ("n1",), 4000, {**BALLOON, "max_memory": 5 * GIB}, "5120"),  # it was asked for
        (counted_before(), ("n1",), 4000, {"memory": GIB}, "1024"),
        (counted_before(4096), ("n1",), 1024, BALLOON, "4096"),
    ],
)
def test_a_vm_counts_with_all_the_memory_it_may_use(
    there: Primitive | None, on: tuple[str, ...], memory: int, wanted: dict[str, Any], counted: str
) -> None:
    configuration = live(*([there] if there else []), memory=memory)
    plan = guests.plan_guests([GuestSpec("mc", definition(**wanted))], configuration, status(guest("mc", *on)))
    assert plan.wanted.primitives[0].utilization["memory"] == counted
    assert plan.undercounted == (("mc",) if counted == "1024" and wanted is BALLOON else ())


def test_the_room_of_a_node_is_given_once() -> None:
    both = [replace(counted_before(), id=name, params=primitive(name, **BALLOON).params) for name in ("a", "b")]
    specs = [GuestSpec(name, definition(name, **BALLOON)) for name in ("a", "b")]
    plan = guests.plan_guests(specs, live(*both, memory=6000), status(guest("a", "n1"), guest("b", "n1")))
    assert plan.undercounted == ("b",)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="'jail'"):
        guests.guest_primitive(definition(kind="jail"), priority=0, boot="x")


@pytest.mark.parametrize(
    ("needed", "allowed", "kept", "pending"),
    [
        (False, False, True, ()),
        (False, True, True, ()),
        (True, False, True, ("mc",)),
        (True, frozenset({"other"}), True, ("mc",)),
        (True, frozenset({"mc"}), False, ()),
        (True, True, False, ()),
    ],
)
def test_a_restart_needs_permission(
    needed: bool, allowed: frozenset[str] | bool, kept: bool, pending: tuple[str, ...]
) -> None:
    plan = guests.plan_guests(
        [spec()],
        live(primitive()),
        status(guest("mc", "n1")),
        restart_needed=frozenset({"mc"} if needed else ()),
        may_restart=allowed,
    )
    assert (plan.wanted.primitives[0].params["boot"] == "old") is kept
    assert plan.pending_restart == pending


def test_wishes_about_places_become_scores() -> None:
    wish = spec(prefer=("n2", "n1"), apart_from=("web", "ghost"), together_with=("db",))
    plan = guests.plan_guests([wish, spec("web"), spec("db")], live(), status())
    assert plan.wanted.constraints == (
        Location("drover-prefer-mc.n2", "mc", "n2", "100"),
        Location("drover-prefer-mc.n1", "mc", "n1", "90"),
        Colocation("drover-apart-mc.web", "mc", "web", "-5000"),
        Colocation("drover-together-mc.db", "mc", "db", "5000"),
    )


def test_wishes_that_are_gone_go_and_those_of_verbs_and_neighbours_stay() -> None:
    objects = (
        primitive(),
        primitive("mcp"),
        Location("drover-prefer-mc.n2", "mc", "n2", "100"),
        Pin("drover-pin-mc", "mc", "n1"),
        Location("drover-prefer-mcp.n2", "mcp", "n2", "100"),
        Location("drover-move-mc", "mc", "n2", "INFINITY"),
        Location("drover-home-mc", "mc", "n2", "INFINITY"),
    )
    plan = guests.plan_guests([spec()], live(*objects), status())
    assert plan.wanted.absent == {"drover-prefer-mc.n2", "drover-pin-mc"}


def test_a_container_on_local_storage_in_pacemakers_terms() -> None:
    resource = guests.guest_primitive(own(), priority=0, boot="x")
    assert resource.meta == {"allow-migrate": "true", **LIMITS}
    assert [op.name for op in resource.operations if op.on_fail == "block"] == ["migrate_to"]
    assert "allow-migrate" not in guests.guest_primitive(definition(kind="container"), priority=0, boot="x").meta


@pytest.mark.parametrize(
    ("objects", "home", "keeper"),
    [
        ((), "n2", "n2"),
        # What the cluster knows goes before, wherever somebody looked.
        ((Location("drover-data-mc", "mc", "n3", "20000"),), "n2", "n3"),
        ((Location("drover-data-mc", "mc", "n3", "20000"),), None, "n3"),
    ],
)
@pytest.mark.parametrize("priority", [0, None])
def test_a_guest_belongs_where_its_data_is(
    objects: tuple[Constraint, ...], home: str | None, keeper: str, priority: int | None
) -> None:
    plan = guests.plan_guests([GuestSpec("mc", own(), priority=priority, home=home)], live(*objects), status())
    assert Location("drover-data-mc", "mc", keeper, "20000") in plan.wanted.constraints
    assert (Pin("drover-pin-mc", "mc", keeper) in plan.wanted.constraints) is (priority is None)


def test_a_guest_whose_data_nobody_has_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody knows which node has the data of mc"):
        guests.plan_guests([GuestSpec("mc", own())], live(), status())


def test_a_guest_that_went_to_shared_storage_is_bound_no_longer() -> None:
    kept = Location("drover-data-mc", "mc", "n3", "20000")
    assert guests.plan_guests([spec()], live(primitive(), kept), status()).wanted.absent == {"drover-data-mc"}


PINNED = Pin("drover-pin-mc", "mc", "n3")


@pytest.mark.parametrize(
    ("objects", "seen", "prefer", "place"),
    [
        ((PINNED,), status(guest("mc", "n1")), ("n2",), "n3"),
        ((), status(guest("mc", "n1")), ("n2",), "n1"),
        ((), status(), ("n2", "n3"), "n2"),
        ((), status(nodes=(node("n1"), node("n2", standby=True))), ("n2",), "n1"),
        ((primitive("a"), primitive("b")), status(guest("a", "n1"), guest("b", "n2")), (), "n3"),
        ((Pin("drover-pin-mc", "mc", "gone"),), status(), ("n2",), "n2"),
    ],
    ids=["pinned", "running", "wish", "wish in maintenance", "least loaded", "pinned to a node that left"],
)
def test_the_node_of_a_guest_without_ha(
    objects: tuple[Primitive | Constraint, ...], seen: ClusterStatus, prefer: tuple[str, ...], place: str
) -> None:
    plan = guests.plan_guests([spec(priority=None, prefer=prefer)], live(*objects), seen)
    assert Pin("drover-pin-mc", "mc", place) in plan.wanted.constraints


def test_wishes_for_nodes_fade_and_never_end() -> None:
    nodes = tuple(f"n{number}" for number in range(12))
    constraints = guests.plan_guests([spec(prefer=nodes)], live(), status()).wanted.constraints
    scores = [int(wish.score) for wish in constraints if isinstance(wish, Location)]
    assert scores == [100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 10, 10]


def test_guests_without_ha_spread() -> None:
    specs = [spec(name, priority=None) for name in ("a", "b", "c")]
    plan = guests.plan_guests(specs, live(), status())
    pins = [c.node for c in plan.wanted.constraints if isinstance(c, Pin)]
    assert sorted(str(place) for place in pins) == ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("old", "places"), [("n1", {"a": "n2", "b": "n1", "c": "n2"}), ("n2", {"a": "n1", "b": "n1", "c": "n2"})]
)
def test_guests_without_ha_count_beside_those_there_are(old: str, places: dict[str, str]) -> None:
    there = (primitive("old"), primitive("big", memory=64 * GIB))
    seen = status(guest("old", old), guest("big", "n3"))
    plan = guests.plan_guests([spec(name, priority=None) for name in ("a", "b", "c")], live(*there), seen)
    # Once the first is there, n1 and n2 carry the same: the name decides.
    assert {c.resource: c.node for c in plan.wanted.constraints if isinstance(c, Pin)} == places


def test_a_guest_to_be_removed_stops_first() -> None:
    gone = GuestSpec("mc", None)
    objects = (primitive(), Location("drover-prefer-mc.n2", "mc", "n2", "100"))
    plan = guests.plan_guests([gone], live(*objects), status(guest("mc", "n1")))
    assert plan.stopping == ("mc",)
    assert plan.first.constraints == (Pin("drover-remove-mc", "mc", None),)
    assert plan.first.absent == {"drover-prefer-mc.n2"}
    assert plan.wanted.absent == {"mc", "drover-prefer-mc.n2"}
    assert not guests.plan_guests([gone], live(*objects), status(guest("mc"))).stopping


def test_a_removal_that_was_interrupted_is_undone_by_wanting_the_guest_again() -> None:
    objects = (primitive(), Pin("drover-remove-mc", "mc", None))
    plan = guests.plan_guests([spec()], live(*objects), status())
    assert plan.wanted.absent == {"drover-remove-mc"}


@pytest.mark.parametrize(
    ("seen", "operation", "way"),
    [
        (guest("mc", "n1"), "start", None),
        (guest("mc"), "start", "retry"),
        (guest("mc", pending="Starting"), "start", None),
        (guest("mc", "n1", "n2", failed=True), "migrate_to", "recover"),
        (guest("mc"), "migrate_to", "retry"),
        (guest("mc", "n1", failed=True, blocked=True), "stop", "retry"),
    ],
)
def test_repairs(seen: ResourceStatus, operation: str, way: str | None) -> None:
    found = guest_health.repairs(["mc"], status(seen, failures=(failure(operation),)))
    assert found.get("mc") == way


def test_every_guest_that_failed_is_helped() -> None:
    seen = status(guest("mc", "n1"), guest("web"), failures=(failure("start"), failure("start", "web")))
    assert guest_health.repairs(["nope", "mc", "web"], seen) == {"web": "retry"}


def test_every_guest_that_does_not_run_has_its_reason() -> None:
    seen = status(guest("mc", "n1"), guest("web"))
    stopped = replace(primitive("web"), meta={"target-role": "Stopped"})
    assert list(guest_health.held_back(["mc", "web"], live(primitive(), stopped), seen)) == ["web"]
    snapshot = Snapshot("<cib/>", seen, Prediction())
    assert list(guest_health.troubles(["mc", "web"], live(primitive(), primitive("web")), snapshot)) == ["web"]


@pytest.mark.parametrize(
    ("action", "stop", "restart", "count"),
    [
        (Action("stop", "mc", "n1"), (), False, 1),
        (Action("stop", "mc", "n1"), ("mc",), False, 0),
        (Action("restart", "mc", "n1"), (), False, 1),
        (Action("restart", "mc", "n1"), (), frozenset({"mc"}), 0),
        (Action("restart", "mc", "n1"), (), True, 0),
        (Action("migrate", "mc", "n1", "n2"), (), False, 0),
        (Action("stop", "foreign", "n1"), (), False, 0),
    ],
)
def test_what_nobody_asked_for(
    action: Action, stop: tuple[str, ...], restart: frozenset[str] | bool, count: int
) -> None:
    found = guest_health.unasked(
        Prediction((action,)), status(guest("mc", "n1")), may_stop=frozenset(stop), may_restart=restart
    )
    assert len(found) == count


def test_all_that_nobody_asked_for_is_told() -> None:
    prediction = Prediction(
        (Action("stop", "foreign", "n1"), Action("stop", "mc", "n1"), Action("restart", "web", "n2"))
    )
    seen = status(guest("mc", "n1"), guest("web", "n2"))
    found = guest_health.unasked(prediction, seen, may_stop=frozenset(), may_restart=False)
    assert [sentence.partition(":")[0] for sentence in found] == ["mc", "web"]


@pytest.mark.parametrize(
    ("objects", "seen", "words"),
    [
        ((), status(guest("mc", "n1")), None),
        ((), status(guest("mc"), failures=(failure("start"),)), "start of mc failed on n1: no disk"),
        ((), status(guest("mc")), "no node can take it"),
        ((), status(guest("mc", "n1", "n2", failed=True)), "failed on n1, n2"),
        ((Pin("drover-pin-mc", "mc", "n9"),), status(guest("mc")), None),
        ((), status(guest("mc", "n1", pending="Migrating")), "under way"),
    ],
)
def test_troubles(objects: tuple[Constraint, ...], seen: ClusterStatus, words: str | None) -> None:
    found = guest_health.troubles(["mc"], live(primitive(), *objects), Snapshot("", seen, Prediction()))
    assert found == {} if words is None else words in found["mc"]


STOPPED = Primitive(**{**vars(primitive()), "meta": {"target-role": "Stopped"}})
AWAY = status(guest("mc"), nodes=(node("n1", online=False), node("n2")))


@pytest.mark.parametrize(
    ("objects", "seen", "words"),
    [
        ((primitive(),), status(guest("mc")), None),
        ((STOPPED,), status(guest("mc", "n1")), None),
        (
            (STOPPED,),
            status(guest("mc")),
            "was stopped by hand; to start it: ansible-playbook playbooks/start.yml -e guest=mc",
        ),
        ((primitive(), Pin("drover-pin-mc", "mc", "n1")), AWAY, "bound to n1 (ha: false), which is offline"),
        ((primitive(), Pin("drover-pin-mc", "mc", "n2")), AWAY, None),
        ((primitive(), Location("drover-data-mc", "mc", "n1", "20000")), AWAY, "its data is there), which is offline"),
        ((primitive(), Location("drover-data-mc", "mc", "n2", "20000")), AWAY, None),
    ],
)
def test_guests_that_rightly_do_not_run(
    objects: tuple[Primitive | Constraint, ...], seen: ClusterStatus, words: str | None
) -> None:
    found = guest_health.held_back(["mc"], live(*objects), seen)
    assert found == {} if words is None else words in found["mc"]
    if words is not None:
        assert guest_health.troubles(["mc"], live(*objects), Snapshot("", seen, Prediction())) == {}
