# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks on their way to another pool: whenever their mover is killed nothing is lost, and the next run goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.disks import hold_id
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import DISKS_MOVE
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.migration import disk_notes, disk_switch
from ansible_collections.cspp.drover.plugins.module_utils.verbs import disk_sight, disk_steps, move_disks
from ansible_collections.cspp.drover.tests.unit.verbs.disk_world import NODE, Killed, Store, World, having

OLD = having("/a/vms/mc/vda.qcow2", "/a/vms/mc/seed.img")
NEW = having("/b/vms/mc/vda.qcow2", "/b/vms/mc/seed.img")
OWN = having("/own/vms/mc/vda.qcow2", "/own/vms/mc/seed.img", shared=False)
CEPH = having("rbd:disks/mc.vda", "rbd:disks/mc.seed")
MOST = 40


@pytest.fixture(autouse=True)
def _node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for where in (disk_sight, disk_steps, disk_switch):
        monkeypatch.setattr(where, "node_name", lambda: NODE)
    for module in (move_disks, disk_switch):
        monkeypatch.setattr(module, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(disk_notes, "_FOLDER", tmp_path / "disks")
    for name in ("_LOOK", "_CLOSES"):
        monkeypatch.setattr(disk_steps, name, 0.0)
    monkeypatch.setattr(disk_sight, "_SETTLES", 0.0)


def run(world: World, wanted: dict[str, Any], *, asked: bool = True, check: bool = False) -> dict[str, Any]:
    verb = move_disks.DiskMoves(
        world,  # type: ignore[arg-type]
        wanted,
        asked=asked,
        connect=lambda: world,  # type: ignore[arg-type,return-value]
        store=Store(world),  # type: ignore[arg-type]
        record=world.log.append,
    )
    return verb.run(check)


def settle(world: World) -> str:
    """What the VM's monitor does."""
    return disk_switch.settle("mc", world, lambda: world)  # type: ignore[arg-type,return-value]


def at_rest(world: World, wanted: dict[str, Any]) -> None:
    """The disks are where they are wanted, and nothing else is anywhere."""
    goals = {disk["target"]: disk["source"] for disk in wanted["disks"]}
    assert world.told == goals
    assert set(world.volumes) == {goal["path"] for goal in goals.values()}
    assert world.qemu in ({}, {target: goal["path"] for target, goal in goals.items()})
    assert not world.held and world.record == {}
    live = read(world.cib)
    assert hold_id("mc") not in live.constraints and DISKS_MOVE not in live.guests()["mc"].meta
    own = wanted["disks"][0]["source"].get("shared") is False
    assert ("drover-data-mc" in live.constraints) == own


@pytest.mark.parametrize("runs", [True, False], ids=["running", "down"])
@pytest.mark.parametrize(
    ("start", "wanted"),
    [(OLD, NEW), (OLD, OWN), (OWN, NEW), (OLD, CEPH), (CEPH, OLD)],
    ids=lambda its: its["disks"][0]["source"]["path"],
)
def test_disks_go_to_another_pool(start: dict[str, Any], wanted: dict[str, Any], runs: bool) -> None:
    world = World(start, runs=runs)
    told = run(world, wanted, check=True)
    assert (told["changed"], world.changes) == (True, 0)
    done = run(world, wanted)
    assert done["plan"] == told["plan"] and len(done["plan"]) == 2
    at_rest(world, wanted)
    [entry] = world.log
    assert (entry["kind"], entry["result"], "downtime_ms" in entry) == ("disk", "moved", runs)
    assert not run(world, wanted, asked=False)["changed"]


@pytest.mark.parametrize("runs", [True, False], ids=["running", "down"])
@pytest.mark.parametrize("back", [False, True], ids=["carried on", "taken back"])
def test_whoever_moves_them_may_be_killed_at_any_moment(runs: bool, back: bool) -> None:
    kinds = set()
    for moment in range(MOST):
        world = World(OLD, runs=runs, kill_at=moment)
        try:
            run(world, NEW)
        except Killed:
            kinds.add(world.held)
        else:
            assert moment > 8, "nobody was killed"
            break
        # The VM's monitor comes first, mostly.
        if runs and moment % 3:
            settle(world)
            assert not world.held
        wanted = OLD if back else NEW
        held = disk_notes.told("mc")
        if back and world.told["vda"] != OLD["disks"][0]["source"]:
            # It has arrived, so it goes back as any disk goes anywhere.
            run(world, wanted)
        elif back and held and world.qemu["vda"] == held[1]["path"]:
            # It arrives by that.
            with pytest.raises(DroverError, match="only when asked"):
                run(world, wanted, asked=False)
            run(world, wanted)
        else:
            run(world, wanted, asked=not back)
        at_rest(world, wanted)
    else:
        raise AssertionError("it came to no end")
    assert kinds == ({True, False} if runs else {False})


def test_a_vm_that_was_held_when_its_mover_died_is_put_in_order_by_its_monitor() -> None:
    world = World(OLD, runs=True)
    world.copies["vda"] = NEW["disks"][0]["source"]["path"]
    world.held = True
    disk_notes.note_hold("mc", "vda", NEW["disks"][0]["source"])
    assert "goes on with the old one" in settle(world)
    assert not world.held and settle(world) == ""


def test_the_monitor_leaves_a_vm_held_that_the_cluster_cannot_be_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(OLD, runs=True)
    goal = NEW["disks"][0]["source"]
    world.held, world.qemu["vda"], world.volumes[goal["path"]] = True, goal["path"], 0
    disk_notes.note_hold("mc", "vda", goal)

    def refuses(*_arguments: Any, **_more: Any) -> None:
        raise ClusterError("no quorum")

    with monkeypatch.context() as patch:
        patch.setattr(world, "apply", refuses)
        with pytest.raises(ClusterError):
            settle(world)
        assert world.held
    assert "the new one" in settle(world)
    assert not world.held and world.told["vda"] == goal


def test_a_copy_that_fails_is_taken_back_and_said() -> None:
    world = World(OLD, runs=True)
    world.full = True
    with pytest.raises(DroverError, match=r"vda was not moved and stays at /a/vms.*is full or away"):
        run(world, NEW)
    at_rest(world, OLD)
    assert world.log[0]["result"] == "failed"


def test_an_agent_that_moves_the_vm_gives_the_copy_up() -> None:
    world = World(OLD, runs=True, kill_at=3)
    with pytest.raises(Killed):
        run(world, NEW)
    assert world.copies and disk_notes.copying("mc")
    mirrored = world.live_xml("mc").replace("</disk>", "<mirror file='/b/vms/mc/vda.qcow2' ready='yes'/></disk>", 1)
    world.live_xml = lambda _name: mirrored  # type: ignore[method-assign]
    assert disk_switch.stand_back("mc", world) == ["vda"]  # type: ignore[arg-type]
    assert not world.copies
    disk_notes.forget("mc", copy=True)
    assert disk_switch.stand_back("mc", world) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"failed": True}, "mc is failed on n1"),
        ({"pending": "Migrating"}, "mc is migrating on n1"),
        ({"nodes": ("n2",)}, "mc runs on n2 by now"),
        ({"nodes": ("n1", "n2")}, "mc is running on n1, n2"),
    ],
)
def test_a_guest_that_is_moving_or_failing_keeps_its_disks(change: dict[str, Any], words: str) -> None:
    world = World(OLD, runs=True)
    world.resource = replace(world.resource, **change)
    for check in (True, False):
        with pytest.raises(DroverError, match=words) as refused:
            run(world, NEW, check=check)
        assert refused.value.remedy
    assert world.changes == 0


def test_what_is_there_already_is_not_taken_for_a_copy() -> None:
    world = World(OLD, runs=True)
    world.volumes[NEW["disks"][0]["source"]["path"]] = 0
    with pytest.raises(DroverError, match="which no move has made"):
        run(world, NEW, check=True)
    assert world.changes == 0


def test_nothing_is_begun_that_nobody_asked_for() -> None:
    world = World(OLD, runs=True)
    with pytest.raises(DroverError, match=r"only when asked.*-e guests_move_disks=mc"):
        run(world, NEW, asked=False)
    assert world.changes == 0
