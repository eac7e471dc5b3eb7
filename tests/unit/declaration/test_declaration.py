# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each module of role guests is told, and what the reader is told."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.declaration import declaration
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration

CLUSTER: dict[str, Any] = {
    "nodes": {"node1": {"memory": 8 << 30, "vcpus": 4, "addresses": ["10.0.0.11/24"]}, "node2": {}},
    "images": {"debian-13": {"vm": "disk", "container": "rootfs"}, "tiny": {"vm": "kernel"}},
    "pools": {"shared": {"type": "directory", "path": "/pool"}},
    "default_pool": "shared",
    "bridges": {"br0": {}},
    "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you@laptop"],
}
GUESTS: dict[str, Any] = {
    "game": {"kind": "vm", "memory": "192MiB", "image": "tiny", "ha": False},
    "mail": {"kind": "vm", "memory": "1GiB", "disks": [{"size": "8GiB", "image": "debian-13"}], "ha": {"priority": 5}},
    "web": {"kind": "container", "memory": "256MiB", "rootfs": {"image": "debian-13"}},
    "old": {"state": "absent", "remove_disks": True},
    "kept": {"state": "absent"},
}
IMAGES = {
    "vm/tiny": {"path": "/images/tiny-1", "files": {"kernel": "kernel", "initrd": "initrd"}, "cmdline": "quiet"},
    "vm/debian-13": {"path": "/images/debian-13-2", "files": {"disk": "disk.qcow2"}},
    "container/debian-13": {"path": "/images/debian-13-3", "files": {"rootfs": "rootfs.tar"}},
}
NOTHING: dict[str, Any] = {"held": [], "kept": {}}
Seen = dict[str, dict[str, Any]]


def planned(guests: object, cluster: dict[str, Any] = CLUSTER, seen: Seen | None = None, **more: Any) -> dict[str, Any]:
    """The plan for three nodes, of which the second makes what is shared."""
    known = {"images": IMAGES, "workers": ["node1", "node2", "node3"], "first": "node2", **more}
    return Declaration.read(guests, cluster).plan(seen=seen or {}, **known)


def paths(plan: dict[str, Any], what: str) -> dict[str, list[str]]:
    """The volumes or leftovers of each node, by their paths."""
    return {node: [entry["path"] for entry in part[what]] for node, part in plan["nodes"].items()}


def test_the_images_of_present_guests_are_needed() -> None:
    outline = Declaration.read(GUESTS, CLUSTER).outline()
    assert outline["problems"] == []
    assert outline["images"] == [
        {"name": "debian-13", "kind": "container", "guests": ["web"]},
        {"name": "debian-13", "kind": "vm", "guests": ["mail"]},
        {"name": "tiny", "kind": "vm", "guests": ["game"]},
    ]


@pytest.mark.parametrize(
    ("known", "recreate", "fresh"),
    [({}, False, True), ({"web": {"rootfs": "/x"}}, False, False), ({"web": {"rootfs": "/x"}}, ["web"], True)],
)
def test_what_is_new_is_made_from_a_fresh_image(known: dict[str, Any], recreate: list[str] | bool, fresh: bool) -> None:
    images = [{"name": "debian-13", "kind": "container", "guests": ["web"]}]
    seen = {"node1": NOTHING, "node2": {**NOTHING, "known": known}}
    wanted = {"name": "debian-13", "kind": "container", "fresh": fresh}
    assert declaration.wanted_images(images, seen, recreate) == [wanted]


def test_what_is_wrong_and_what_is_worth_knowing_is_told() -> None:
    wrong = {"big": {"kind": "vm", "image": "tiny", "memory": "9GiB", "disks": [{"size": "1GiB", "pool": "fast"}]}}
    outline = Declaration.read(wrong, {**LOCAL, "nodes": {"node1": CLUSTER["nodes"]["node1"]}}).outline()
    assert outline["problems"] == [
        "guests.big.memory: 9GiB is more than any node can give: the largest, node1, has 8GiB"
    ]
    assert len(outline["worth_knowing"]) == 1


def test_volumes_name_their_images_and_their_place_in_the_yaml() -> None:
    plan = planned(GUESTS)
    found = plan["nodes"]["node2"]["volumes"]
    assert [(entry["type"], entry["path"], entry.get("image"), entry["label"]) for entry in found] == [
        ("seed", "/pool/vms/game/seed.img", None, "guests.game"),
        ("disk", "/pool/vms/mail/vda.qcow2", "/images/debian-13-2/disk.qcow2", "guests.mail.disks[0]"),
        ("seed", "/pool/vms/mail/seed.img", None, "guests.mail"),
        ("rootfs", "/pool/containers/web/rootfs", "/images/debian-13-3/rootfs.tar", "guests.web.rootfs"),
    ]
    [web] = [entry["definition"]["idmap"] for entry in plan["resources"] if entry["name"] == "web"]
    assert found[3]["idmap"] == web != {"start": 10000000, "count": 65536}
    assert plan["nodes"]["node1"]["volumes"] == plan["nodes"]["node3"]["volumes"] == []


def test_containers_keep_their_ids_until_they_may_be_restarted() -> None:
    shared = {"start": 10000000, "count": 65536}
    seen = {"node1": {**NOTHING, "id_ranges": {"web": shared, "undeclared": shared}, "lent": [[10000000, 1 << 28]]}}
    for permitted, kept in ((False, True), (["mail"], True), (["web"], False), (True, False)):
        plan = planned(GUESTS, seen=seen, may_restart=permitted)
        [ids] = [entry["definition"]["idmap"] for entry in plan["resources"] if entry["name"] == "web"]
        assert (ids == shared) is kept
        assert bool(plan["worth_knowing"]) is kept


def test_only_what_was_told_to_go_is_left_over() -> None:
    assert paths(planned(GUESTS), "leftovers") == {
        "node1": [],
        "node2": ["/pool/vms/old", "/pool/containers/old"],
        "node3": [],
    }


def test_resources_carry_definitions_and_wishes() -> None:
    found = {entry["name"]: entry for entry in planned(GUESTS)["resources"]}
    assert found["game"]["definition"]["kernel"] == {
        "kernel": "/images/tiny-1/kernel",
        "initrd": "/images/tiny-1/initrd",
        "cmdline": "quiet",
    }
    assert [found[name].get("ha") for name in ("game", "mail", "web")] == [
        False,
        {"priority": 5, "max_restart": 3, "max_relocate": 1},
        {"priority": 0, "max_restart": 3, "max_relocate": 1},
    ]
    assert [found[name]["home"] for name in ("game", "mail", "web")] == [None, None, None]
    assert found["old"] == {"name": "old", "state": "absent", "remove_disks": True}


LOCAL: dict[str, Any] = {
    **CLUSTER,
    "nodes": {**CLUSTER["nodes"], "node3": {}},
    "pools": {**CLUSTER["pools"], "fast": {"type": "directory", "path": "/own", "shared": False}},
}
ON_LOCAL: dict[str, Any] = {
    "web": {"kind": "container", "memory": "256MiB", "rootfs": {"image": "debian-13", "pool": "fast"}},
    "mail": {**GUESTS["mail"], "disks": [{"size": "8GiB", "image": "debian-13"}, {"size": "1GiB", "pool": "fast"}]},
    "old": {"state": "absent", "remove_disks": True},
}
ON_LOCAL["far"] = {**ON_LOCAL["web"], "placement": {"prefer": ["node3", "node2"]}}


def test_volumes_on_local_storage_are_looked_for() -> None:
    assert Declaration.read({**GUESTS, **ON_LOCAL}, LOCAL).outline()["local"] == [
        {"name": "mail", "paths": ["/own/vms/mail/vdb.qcow2"]},
        {"name": "web", "paths": ["/own/containers/web/rootfs"]},
        {"name": "far", "paths": ["/own/containers/far/rootfs"]},
    ]


@pytest.mark.parametrize(
    ("seen", "homes", "made"),
    [
        # As wished, and else spread by memory.
        ({"node1": NOTHING, "node2": NOTHING}, {"web": "node1", "far": "node2"}, {"web", "far"}),
        ({"node1": NOTHING, "node2": {**NOTHING, "held": ["web"]}}, {"web": "node2", "far": "node2"}, {"web", "far"}),
        # The cluster knows better than who merely has something, also of a node that is away.
        (
            {"node1": {"held": ["web"], "kept": {"web": "node9"}}, "node2": {"held": ["web"], "kept": {}}},
            {"web": "node9", "far": "node2"},
            {"far"},
        ),
    ],
)
def test_a_guest_is_at_home_where_its_volumes_are(seen: Seen, homes: dict[str, str], made: set[str]) -> None:
    plan = planned({name: ON_LOCAL[name] for name in ("web", "far")}, LOCAL, seen)
    assert {resource["name"]: resource["home"] for resource in plan["resources"]} == homes
    assert {(node, path) for node, found in paths(plan, "volumes").items() for path in found} == {
        (homes[name], f"/own/containers/{name}/rootfs") for name in made
    }


def test_volumes_on_several_nodes_are_refused() -> None:
    held = {"held": ["web"], "kept": {}}
    with pytest.raises(ValueError, match=r"guests.web: node1 and node2 each have volumes of it"):
        planned({"web": ON_LOCAL["web"]}, LOCAL, {"node1": held, "node2": held, "node3": NOTHING})


def test_every_node_makes_its_part() -> None:
    seen = {
        "node1": {"held": ["mail"], "kept": {"far": "node3"}},
        "node2": NOTHING,
        "node3": NOTHING,
    }
    wished = {**ON_LOCAL, "web": {**ON_LOCAL["web"], "placement": {"prefer": ["node2"]}}}
    assert paths(planned(wished, LOCAL, seen), "volumes") == {
        "node1": ["/own/vms/mail/vdb.qcow2"],
        "node2": ["/own/containers/web/rootfs", "/pool/vms/mail/vda.qcow2", "/pool/vms/mail/seed.img"],
        "node3": ["/own/containers/far/rootfs"],
    }


def test_a_volume_that_the_cluster_knows_is_looked_for_and_not_made() -> None:
    live = {"far": {"rootfs": "/own/containers/far/rootfs"}, "mail": {"vda": "/pool/vms/mail/vda.qcow2"}}
    seen = {"node2": NOTHING, "node3": {"held": [], "kept": {"far": "node3"}, "known": live}}
    guests = {name: ON_LOCAL[name] for name in ("far", "mail")}

    def known(**more: Any) -> set[str]:
        nodes = planned(guests, LOCAL, seen, **more)["nodes"].values()
        return {volume["path"] for part in nodes for volume in part["volumes"] if volume.get("known")}

    # The new disk vdb and the seed are made all the same.
    assert known() == {"/own/containers/far/rootfs", "/pool/vms/mail/vda.qcow2"}
    assert known(recreate=["far"]) == {"/pool/vms/mail/vda.qcow2"}
    assert known(recreate=True) == set()


def test_a_guest_is_not_left_without_its_data_by_another_pool() -> None:
    live = {
        "mail": {"vda": "/own/vms/mail/vda.qcow2", "vdb": "/own/vms/mail/vdb.qcow2"},
        "web": {"rootfs": "/pool/containers/web/rootfs"},
    }
    seen = {"node1": {"held": [], "kept": {}, "known": live}}
    guests = {name: ON_LOCAL[name] for name in ("mail", "web")}
    with pytest.raises(ValueError, match="2 volume") as refused:
        planned(guests, LOCAL, seen)
    assert [line.partition(": ")[0] for line in str(refused.value).splitlines()[1:]] == [
        "- guests.mail.disks[vda].pool",
        "- guests.web.rootfs.pool",
    ]
    assert "-e guests_recreate=web" in str(refused.value)
    assert "-e guests_move_disks=mail moves it" in str(refused.value)
    planned(guests, LOCAL, seen, recreate=["mail", "web"])


MAIL = {"vda": "/own/vms/mail/vda.qcow2", "vdb": "/own/vms/mail/vdb.qcow2"}
SEED = {"type": "file", "path": "/own/vms/mail/seed.img", "format": "raw", "shared": False}


def moving(on: str | None, *begun: str) -> Seen:
    """What is seen of a VM whose disks may be moved, or whose move was begun."""
    found = {"on": on, "disks": {"vdz": SEED}, "begun": list(begun)}
    return {"node1": {**NOTHING, "known": {"mail": MAIL}, "moves": {"mail": found}}, "node2": NOTHING}


def test_disks_are_moved_where_the_guest_runs_and_not_made() -> None:
    plan = planned({"mail": ON_LOCAL["mail"]}, LOCAL, moving("node3"), move_disks=["mail"])
    moves = {node: part["moves"] for node, part in plan["nodes"].items() if part["moves"]}
    [entry] = moves["node3"]
    assert (set(moves), entry["move"], entry["definition"]) == ({"node3"}, True, plan["resources"][0]["definition"])
    # The disk that stays is looked at by the node that has it, those that move when they are there.
    assert paths(plan, "volumes") == {"node1": [], "node2": [], "node3": ["/own/vms/mail/vdb.qcow2"]}
    assert paths(plan, "moved")["node2"] == ["/pool/vms/mail/vda.qcow2", "/pool/vms/mail/seed.img"]
    assert plan["nodes"]["node2"]["moved"][0]["known"] == "mail"
    seeds = [its[0]["definition"]["disks"][-1]["source"] for its in (plan["as_they_are"], plan["resources"])]
    assert seeds == [SEED, {"type": "file", "path": "/pool/vms/mail/seed.img", "format": "raw"}]


def test_what_was_begun_is_finished_or_taken_back_without_leave_and_carried_on_with_it() -> None:
    disks = [{**disk, "pool": "fast"} for disk in ON_LOCAL["mail"]["disks"]]
    as_it_was = {"mail": {**ON_LOCAL["mail"], "disks": disks}}
    [entry] = planned(as_it_was, LOCAL, moving("node3", "vda"))["nodes"]["node3"]["moves"]
    assert not entry["move"]
    assert all(not part["moves"] for part in planned(as_it_was, LOCAL, moving("node3"))["nodes"].values())
    guests = {"mail": ON_LOCAL["mail"]}
    with pytest.raises(ValueError, match=r"mail.disks\[vda\].pool: .* begun and is not finished: -e guests_move_disks"):
        planned(guests, LOCAL, moving("node3", "vda"))
    with pytest.raises(ValueError, match="they are not made anew: first finish it"):
        planned(guests, LOCAL, moving("node3", "vda"), recreate=["mail"])
    with pytest.raises(ValueError, match="node9, which is not among the nodes of this run"):
        planned(guests, LOCAL, moving("node9"), move_disks=True)


def test_a_guest_that_is_down_is_moved_by_the_node_that_makes_its_volumes() -> None:
    plan = planned({"mail": {**GUESTS["mail"], "state": "stopped"}}, LOCAL, moving(None), move_disks=True)
    assert [node for node, part in plan["nodes"].items() if part["moves"]] == ["node2"]


def test_containers_are_not_moved() -> None:
    seen = {"node1": {**NOTHING, "known": {"web": {"rootfs": "/pool/containers/web/rootfs"}}}}
    with pytest.raises(ValueError, match="no play moves a container") as refused:
        planned({"web": ON_LOCAL["web"]}, LOCAL, seen, move_disks=True)
    assert "cp --archive --sparse=always" in str(refused.value)


def test_what_is_left_over_is_removed_where_it_is() -> None:
    own = ["/own/vms/old", "/own/containers/old"]
    left = paths(planned({"old": ON_LOCAL["old"]}, LOCAL), "leftovers")
    assert left == {"node1": own, "node2": ["/pool/vms/old", "/pool/containers/old", *own], "node3": own}


def test_an_image_that_was_not_built_is_said() -> None:
    with pytest.raises(ValueError, match="image tiny for a vm was not built"):
        planned(GUESTS, images={})


def test_nodes_are_known_as_far_as_they_could_be_asked() -> None:
    facts = {"memory": 8 << 30, "cpus": 4, "interfaces": {"br0": {"addresses": ["10.0.0.11/24", "fe80::1/64"]}}}
    hosts: list[dict[str, Any]] = [
        {"inventory_hostname": "node1", "ansible_host": "10.0.0.11", "node_facts": facts},
        {"inventory_hostname": "node2", "ansible_host": "10.0.0.12", "node_facts": {"unreachable": True}},
        {"inventory_hostname": "node3", "ansible_host": "10.0.0.13"},
        # Known by names alone: whoever has an address knows better.
        {"inventory_hostname": "node4", "ansible_host": "node4.example"},
        {"inventory_hostname": "node5"},
    ]
    assert declaration.nodes(hosts) == {
        "node1": {"addresses": ["10.0.0.11/24", "fe80::1/64"], "memory": 8 << 30, "vcpus": 4},
        "node2": {"addresses": ["10.0.0.12"]},
        "node3": {"addresses": ["10.0.0.13"]},
        "node4": {"addresses": []},
        "node5": {"addresses": []},
    }
    assert declaration.nodes(hosts, "1GiB", 4)["node1"] == {
        "addresses": ["10.0.0.11/24", "fe80::1/64"],
        "memory": 7 << 30,
        "vcpus": 16,
    }


@pytest.mark.parametrize(
    ("written", "permission"),
    [("all", True), (True, True), (False, []), ("", []), ([], []), ("a, b", ["a", "b"]), (["a"], ["a"])],
)
def test_restarts_are_permitted_in_every_way_people_write(written: object, permission: object) -> None:
    assert declaration.permission(written) == permission


def test_a_disk_without_room_for_its_image_is_refused_before_any_is_made() -> None:
    images = {**IMAGES, "vm/debian-13": {**IMAGES["vm/debian-13"], "size": 16 << 30}}
    with pytest.raises(InvalidValue) as refused:
        planned(GUESTS, images=images)
    assert str(refused.value) == (
        "1 disk(s) have no room for their image:\n- guests.mail.disks[0].size: 8GiB is less than the 16GiB of image "
        "debian-13"
    )
    there = {"node1": {**NOTHING, "known": {"mail": {"vda": "/pool/vms/mail/vda.qcow2"}}}}
    assert planned(GUESTS, images=images, seen=there)["resources"]


def test_cpu_models_are_those_that_all_nodes_know() -> None:
    knows = {"node1": ["EPYC", "EPYC-Rome"], "node2": ["EPYC-Rome", "Snowridge"]}
    cluster = {**CLUSTER, "nodes": {name: {"cpu_models": models} for name, models in knows.items()} | {"node3": {}}}
    said = {
        model: Declaration.read({"game": {**GUESTS["game"], "cpu": model}}, cluster).outline()["problems"]
        for model in ("EPYC-Rome", "EPYC-Rmoe", "Snowridge", "host-model")
    }
    assert said["EPYC-Rome"] == said["host-model"] == []
    assert said["EPYC-Rmoe"] == [
        "guests.game.cpu: 'EPYC-Rmoe' is not a CPU model that all nodes know (did you mean EPYC-Rome?)"
    ]
    assert len(said["Snowridge"]) == 1


@pytest.mark.parametrize(
    ("rooms", "overcommit", "worries", "refused"),
    [
        ({"node1": {"/pool": 8 << 30, "/own": 1 << 30}}, 1, [], ""),
        ({}, 1, [], ""),
        ({"node1": {"/pool": 4 << 30}}, 3, ["pool shared may come to store 8.0 GiB, and it has 4.0 GiB: when"], ""),
        ({"node1": {"/pool": 2 << 30}}, 3, [], "pool shared may come to store 8.0 GiB, and it has 2.0 GiB"),
        # What is each node's own counts where the guest is at home.
        ({"node1": {"/own": 1 << 29}, "node2": {"/own": 1 << 40}}, 3, ["pool fast on node1 may come to store"], ""),
        ({"node2": {"/own": 1}}, 3, [], ""),
    ],
)
def test_what_a_pool_promises_is_held_against_what_it_has(
    rooms: dict[str, dict[str, int]], overcommit: float, worries: list[str], refused: str
) -> None:
    guests, seen = {"mail": ON_LOCAL["mail"]}, {"node1": {"held": ["mail"], "kept": {}}, "node2": NOTHING}
    if refused:
        with pytest.raises(ValueError, match=refused):
            planned(guests, LOCAL, seen, rooms=rooms, overcommit=overcommit)
    else:
        said = planned(guests, LOCAL, seen, rooms=rooms, overcommit=overcommit)["worth_knowing"]
        assert [worry in line for worry, line in zip(worries, said, strict=True)] == [True] * len(worries)
