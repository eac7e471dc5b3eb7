# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New guests: judged as guests.yml judges them, foretold, and made by nobody."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration
from ansible_collections.cspp.drover.plugins.module_utils.declaration.offers import offers
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.plugins.module_utils.verbs.edit import rooms
from ansible_collections.cspp.drover.tests.unit.declaration.changes import BASE, CLUSTER
from ansible_collections.cspp.drover.tests.unit.fake_cluster import STATUS
from ansible_collections.cspp.drover.tests.unit.verbs.test_edit import WEB

from .conftest import House
from .test_edits import told

NODES = ("n1", "n2", "n3")
HOSTS = [
    {"inventory_hostname": name, "ansible_host": f"192.0.2.{name[-1]}", "fencing_bmc": {"address": "10.9.9.9"}}
    for name in NODES
]
#: What role console is told, and role guests as well.
GIVEN = {
    **CLUSTER,
    "pools": {
        **CLUSTER["pools"],
        "disks": {"type": "rbd"},
        "nas": {
            "type": "directory",
            "path": "/nas",
            "mount": {"src": "192.0.2.9:/export", "options": "password=hunter2"},
        },
    },
    "bridges": {
        "br0": {"addresses": ["192.0.2.1/24"], "gateway": "192.0.2.254", "dns": ["192.0.2.53"], "ports": ["eno1"]},
        "br9": {},
    },
    "firewall_sets": {"admins": ["192.0.2.0/28"]},
    "expected_guests": 1000,
}
VM = {**BASE["vm"], "nics": [{"bridge": "br0", "address": "192.0.2.30/24"}]}
CONTAINER = {**BASE["container"], "nics": []}
MAC = "52:54:00:00:00:01"


@pytest.fixture
def house(house: House, declared: Callable[..., Path]) -> House:
    told(house)
    declared(offers=offers(GIVEN, HOSTS))
    return house


def propose(house: House, declaration: dict[str, Any], name: str = "new", **more: Any) -> dict[str, Any]:
    return house.ask("propose_new", house.session("operator"), called=name, declaration=declaration, **more)


def refusal(house: House, declaration: dict[str, Any], name: str = "new", **more: Any) -> Trouble:
    found = house.refusal("propose_new", house.session("operator"), called=name, declaration=declaration, **more)
    assert found.status == 422
    return found


def faults(house: House, declaration: dict[str, Any], name: str = "new") -> list[str]:
    trouble = refusal(house, declaration, name)
    found = [f"{fault['path']}: {fault['message']}" for fault in trouble.beside["faults"]]
    assert trouble.cause == "; ".join(found)
    return found


def by_the_play(house: House, declaration: dict[str, Any], name: str = "new") -> dict[str, Any]:
    """What guests.yml says of the YAML of all guests, with the new one in it."""
    nodes = {
        node: {**room, "addresses": [f"192.0.2.{node[-1]}"], "power_controller": "10.9.9.9"}
        for node, room in rooms(read(house.cluster.cib)).items()
    }
    guests = {"web": {**WEB, "ha": {"priority": 5}}, name: declaration}
    return Declaration.read(guests, {**GIVEN, "nodes": nodes}).outline()


#: What is wrong, and a part of each sentence about it.
BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({**VM, "memroy": "1GiB"}, ["guests.new.memroy: is not a key here (did you mean memory?)"]),
    ({**VM, "memory": "lots"}, ["guests.new.memory: 'lots' is not a size"]),
    ({**VM, "memory": "1GB"}, ["guests.new.memory: "]),
    ({**VM, "vcpus": "two"}, ["guests.new.vcpus: "]),
    ({**VM, "vcpus": [1]}, ["guests.new.vcpus: "]),
    ({"kind": "vm"}, ["guests.new.memory: is missing", "guests.new.disks: is missing"]),
    ({"memory": "1GiB", "rootfs": {"image": "debian-13"}}, ["guests.new.kind: is missing"]),
    ({**VM, "kind": "jail"}, ["guests.new.kind: "]),
    ({**VM, "rootfs": {"image": "debian-13"}}, ["guests.new.rootfs: "]),
    ({**CONTAINER, "screen": True}, ["guests.new.screen: is for VMs"]),
    ({**VM, "memory": "64GiB"}, ["guests.new.memory: 64GiB is more than any node can give: the largest, n3, has "]),
    ({**VM, "disks": [{"size": "8GiB", "image": "windows"}]}, ["guests.new.disks[0].image: "]),
    ({**VM, "disks": [{"size": "8GiB", "image": "tiny"}]}, ["guests.new.disks[0].image: "]),
    ({**VM, "disks": [{"size": "8GiB", "pool": "tape"}]}, ["guests.new.disks[0].pool: "]),
    ({**VM, "disks": {"size": "8GiB"}}, ["guests.new.disks: "]),
    (
        {**CONTAINER, "rootfs": {"image": "debian-13", "pool": "disks"}},
        ["guests.new.rootfs: pool disks is of type rbd"],
    ),
    ({**VM, "nics": [{"bridge": "br1"}]}, ["guests.new.nics[0].bridge: "]),
    ({**VM, "nics": [{"bridge": "br0", "vlan": 7}]}, ["guests.new.nics[0].vlan: br0 is not VLAN-aware"]),
    (
        {**VM, "nics": [{"bridge": "br0", "address": "192.0.2.20/24"}]},
        ["guests.new.nics[0].address: 192.0.2.20 is also the address of guests.web.nics[0]"],
    ),
    ({**VM, "nics": [{"bridge": "br0", "address": "192.0.2.2/24"}]}, ["is also the address of node n2"]),
    ({**VM, "nics": [{"bridge": "br0", "address": "10.9.9.9/24"}]}, ["the power controller of n1"]),
    ({**VM, "nics": [{"bridge": "br0", "address": "192.0.2.9/24"}]}, ["the storage server of pool nas"]),
    ({**VM, "nics": [{"bridge": "br0", "address": "192.0.2.254/24"}]}, ["192.0.2.254 is the gateway of br0"]),
    ({**VM, "nics": [{"bridge": "br0", "mac": MAC}, {"bridge": "br0", "mac": MAC}]}, [f"{MAC} is also that of"]),
    ({**VM, "firewall": {"groups": ["mail"]}}, ["guests.new.firewall.groups: "]),
    ({**VM, "firewall": {"in": [{"from": "nobody"}]}}, ["guests.new.firewall.in[0].from: "]),
    ({**VM, "placement": {"prefer": ["n9"]}}, ["guests.new.placement.prefer: 'n9' is not a node"]),
    ({**VM, "placement": {"apart_from": ["ghost"]}}, ["'ghost' is not a guest declared present"]),
    ({**VM, "ha": {"priority": -1}}, ["guests.new.ha.priority: "]),
    ({**VM, "ssh_keys": ["no key"]}, ["guests.new.ssh_keys"]),
]


@pytest.mark.parametrize(("declaration", "words"), BAD, ids=[words[0][:50] for _declaration, words in BAD])
def test_what_is_wrong_is_said_in_the_words_of_the_play(
    house: House, declaration: dict[str, Any], words: list[str]
) -> None:
    found = faults(house, declaration)
    assert len(found) == len(words)
    assert all(part in sentence for part, sentence in zip(words, found, strict=True)), found
    assert found == by_the_play(house, declaration)["problems"]
    assert (house.cluster.writes, house.spawned) == ([], [])


@pytest.mark.parametrize("name", ["New", "n1", "drover-x", "all", "a b", "x" * 64])
def test_a_name_that_cannot_be_is_said_in_the_words_of_the_play(house: House, name: str) -> None:
    assert faults(house, VM, name) == by_the_play(house, VM, name)["problems"]


def test_what_only_a_new_guest_cannot_be(house: House) -> None:
    assert faults(house, VM, "web") == [
        "guests.web: is the name of a guest that there is: change that, or take another name"
    ]
    [fault] = faults(house, {"state": "absent"})
    assert fault.startswith("guests.new.state: ")


@pytest.mark.parametrize(
    "declaration", [VM, CONTAINER, {**VM, "state": "stopped"}, {**VM, "image": "tiny", "disks": []}]
)
def test_a_good_one_becomes_yaml_that_says_just_that(house: House, declaration: dict[str, Any]) -> None:
    found = propose(house, declaration)
    assert yaml.safe_load(found["yaml"]) == {"guests": {"new": declaration}}
    assert found["patch"] == ""
    plan = found["plan"]
    assert [(room["node"], room["ok"]) for room in plan["rooms"]] == [(name, True) for name in NODES]
    told = by_the_play(house, declaration)
    assert told["problems"] == []
    before = by_the_play(house, {"state": "absent"})["worth_knowing"]
    assert set(told["worth_knowing"]) - set(before) <= set(plan["notes"])
    assert plan["play"] == "ansible-playbook playbooks/guests.yml --check --diff"
    # A shell reads the same from the request by curl.
    words = shlex.split(plan["curl"])
    assert json.loads(words[words.index("-d") + 1]) == {"name": "new", "declaration": declaration}
    assert "id" not in plan
    assert found["unjudged"]
    assert (house.cluster.writes, house.spawned) == ([], [])


def test_keys_come_in_the_order_of_the_documentation(house: House) -> None:
    scrambled = {
        "nics": [{"address": "192.0.2.30/24", "bridge": "br0"}],
        "disks": [{"pool": "shared", "image": "debian-13", "size": "8GiB"}],
        "memory": "1GiB",
        "kind": "vm",
    }
    assert propose(house, scrambled)["yaml"] == (
        "guests:\n  new:\n    kind: vm\n    memory: 1GiB\n"
        "    disks: [{size: 8GiB, image: debian-13, pool: shared}]\n"
        "    nics: [{bridge: br0, address: 192.0.2.30/24}]\n"
    )


def test_null_says_nothing(house: House) -> None:
    found = propose(house, {**CONTAINER, "description": None, "ha": {"priority": None, "max_restart": 2}})
    assert yaml.safe_load(found["yaml"])["guests"]["new"] == {**CONTAINER, "ha": {"max_restart": 2}}


def test_a_file_that_is_given_gets_it_behind_the_last(house: House) -> None:
    file = "# Ours\nguests:\n  web:  # the shop\n    memory: 512MiB\n\nother: 1\n"
    patch = propose(house, VM, yaml=file)["patch"].splitlines()
    assert [line for line in patch[2:] if line[0] in "+-"] == [
        "+  new:",
        "+    kind: vm",
        "+    memory: 512MiB",
        "+    disks: [{size: 8GiB, image: debian-13}]",
        "+    nics: [{bridge: br0, address: 192.0.2.30/24}]",
    ]
    assert "no YAML" in refusal(house, VM, yaml="guests: [").cause
    assert "declares new already" in refusal(house, VM, yaml="guests: {new: {}}").cause


def test_a_guest_of_which_little_is_known_has_its_addresses_to_itself(house: House) -> None:
    little = json.dumps({"kind": "vm", "nics": [{"mac": MAC, "addresses": ["192.0.2.77/24"]}]}).replace('"', "&quot;")
    cib = re.sub(
        r'(name="definition" value=")\{&quot;kind&quot;:&quot;vm&quot;,&quot;memory[^"]*',
        rf"\g<1>{little}",
        house.cluster.cib,
        count=1,
    )
    assert cib != house.cluster.cib
    house.cluster.cib = house.cluster.patched = cib
    [fault] = faults(house, {**VM, "nics": [{"bridge": "br0", "mac": MAC, "address": "192.0.2.77/24"}]})
    assert fault.startswith(f"guests.new: {MAC}, 192.0.2.77 is also that of mc")
    propose(house, VM)


def test_where_nowhere_is_room_now_it_is_told_where_most_is(house: House) -> None:
    cib = house.cluster.cib
    for node in (1, 3):
        cib = cib.replace(f'nodes-{node}-utilization-memory" name="memory" value="4000"',
                          f'nodes-{node}-utilization-memory" name="memory" value="600"')  # fmt: skip
    house.cluster.cib = house.cluster.patched = cib
    plan = propose(house, {**VM, "memory": "3500MiB"})["plan"]
    assert [room["ok"] for room in plan["rooms"]] == [False] * 3
    assert "needs 3500 MiB of memory, and 600 are left" in plan["rooms"][0]["why"]
    [told] = [note for note in plan["notes"] if "most is left" in note]
    assert told.startswith("new takes 3.4 GiB of memory; most is left on n2, 3.3 GiB")
    assert not [note for note in propose(house, {**VM, "memory": "500MiB"})["plan"]["notes"] if "most is left" in note]


def test_what_is_offered_is_listed_for_viewers(house: House) -> None:
    found = house.ask("offers", house.session("viewer"))["offers"]
    assert {"name": "tiny", "kind": "vm", "boots": "kernel"} in found["images"]
    pools = {pool["name"]: pool for pool in found["pools"]}
    assert pools["shared"]["default_of"] == ["vm", "container"]
    assert (pools["disks"]["kinds"], pools["local"]["shared"]) == (["vm"], False)
    bridges = {bridge["name"]: bridge for bridge in found["bridges"]}
    assert bridges["br0"]["networks"] == ["192.0.2.0/24"]
    assert (bridges["br0"]["gateway"], bridges["br0"]["dns"]) == ("192.0.2.254", ["192.0.2.53"])
    assert bridges["br9"]["vlan_aware"] is None
    assert (found["firewall_sets"], found["firewall_groups"]) == (["admins"], ["web"])
    assert "screen" in found["keys"]["vm"]
    assert "screen" not in found["keys"]["container"]
    assert found["forge"] is None
    # Neither here nor in the file.
    assert "hunter2" not in (house.folder / "offers.json").read_text() + json.dumps(found)


@pytest.mark.parametrize("said", [None, "{", "[]", "{}"])
def test_a_node_that_was_told_nothing_says_what_to_do(house: House, said: str | None) -> None:
    file = house.folder / "offers.json"
    file.unlink() if said is None else file.write_text(said)
    operator = house.session("operator")
    for trouble in (
        house.refusal("offers", operator),
        house.refusal("propose_new", operator, called="new", declaration=VM),
    ):
        assert (trouble.code, trouble.status) == ("not_told", 409)
        assert "site.yml" in trouble.remedy


@pytest.mark.parametrize(
    "said",
    [
        {"called": "new"},
        {"declaration": VM},
        {"called": "x" * 300, "declaration": VM},
        {"called": "new", "declaration": {"description": "x" * 20_000}},
        {"called": "new", "declaration": {"disks": [[]] * 300}},
        {"called": "new", "declaration": VM, "changes": {"memory": "1GiB"}},
    ],
)
def test_what_is_no_declaration_goes_no_further(house: House, said: dict[str, Any]) -> None:
    trouble = house.refusal("propose_new", house.session("operator"), **said)
    assert (trouble.code, trouble.status) == ("invalid", 422)


def test_nobody_carries_a_new_guest_out(house: House) -> None:
    """A plan of one is nothing that the API takes, and the steward has none for whoever asks past it."""
    admin = house.session("admin")
    for name in ("web", "new"):
        plan = house.ask("plan", admin, action="create", subject=name, changes=VM)["plan"]
        assert "made by guests.yml alone" in plan["refused"]
        assert house.refusal("carry_out", admin, id=plan["id"]).code == "refused"
    assert (house.cluster.writes, house.spawned) == ([], [])


def test_without_quorum_nothing_is_judged(house: House) -> None:
    house.cluster.statuses = [STATUS.replace('with_quorum="true"', 'with_quorum="false"')]
    trouble = house.refusal("propose_new", house.session("operator"), called="new", declaration=VM)
    assert (trouble.code, trouble.status) == ("no_quorum", 503)
