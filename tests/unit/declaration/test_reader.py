# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model a user writes: what is wrong with it is said, all at once, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB
from ansible_collections.cspp.drover.plugins.module_utils.declaration.definitions import definition
from ansible_collections.cspp.drover.plugins.module_utils.declaration.reader import read
from ansible_collections.cspp.drover.plugins.module_utils.declaration.types import (
    Bridge,
    Cluster,
    Guest,
    Ha,
    Migration,
    Node,
    Placement,
)
from ansible_collections.cspp.drover.plugins.module_utils.storage.volumes import pools_from

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you@laptop"
CLUSTER = Cluster(
    nodes={"node1": Node(8 * GIB, 4), "node2": Node(16 * GIB, 8), "node3": Node(8 * GIB, 4)},
    images={"debian-13": {"vm": "disk", "container": "rootfs"}, "tiny": {"vm": "kernel"}},
    pools=("shared", "fast"),
    default_pool="shared",
    bridges={"br0": Bridge(), "br1": Bridge()},
    taken={"10.0.0.11": "node node1"},
    ssh_keys=(KEY,),
)
GOOD = """
minecraft:
  kind: vm
  vcpus: 2
  memory: 2GiB
  disks: [{size: 20GiB, image: debian-13}]
  nics: [{bridge: br0, address: 10.0.0.20/24, gateway: 10.0.0.1}]
  ha: {priority: 100}
  placement: {prefer: [node1], apart_from: [website]}
  migration: {max_downtime: 30ms}
website:
  kind: container
  memory: 256MiB
  rootfs: {size: 4GiB, image: debian-13}
  nics: [{bridge: br0, addresses: [10.0.0.21/24, "2001:db8::21/64"]}]
  ha: false
echo: {kind: vm, image: tiny, memory: 192MiB}
old: {state: absent, remove_disks: true}
"""


def guests(text: str = GOOD, **changes: Any) -> dict[str, Any]:
    """Guests from YAML, some of minecraft's keys changed (None: removed)."""
    found: dict[str, Any] = yaml.safe_load(text)
    if changes:
        merged = {**found["minecraft"], **changes}
        found["minecraft"] = {key: value for key, value in merged.items() if value is not None}
    return found


def said(wrong: object, cluster: Cluster = CLUSTER) -> list[str]:
    return [str(problem) for problem in read(wrong, cluster).problems]


def test_good_guests_are_read_with_their_defaults() -> None:
    reading = read(guests(), replace(CLUSTER, taken={}))
    assert (reading.problems, reading.warnings) == ((), ())
    minecraft = reading.guests["minecraft"]
    assert (minecraft.max_vcpus, minecraft.max_memory, minecraft.ha) == (2, 2 * GIB, Ha(100))
    assert minecraft.placement == Placement(prefer=("node1",), apart_from=("website",))
    assert minecraft.migration == Migration(max_downtime=30)
    assert minecraft.ssh_keys == (KEY,)
    assert minecraft.images == ("debian-13",)
    assert minecraft.stop_timeout == 60_000
    website = reading.guests["website"]
    assert (website.ha, website.vcpus, website.stop_timeout) == (None, 1, 30_000)
    assert website.nics[0].addresses == ("10.0.0.21/24", "2001:db8::21/64")
    assert reading.guests["old"] == Guest("old", state="absent", remove_disks=True)


def test_identities_come_from_the_name() -> None:
    first, second = (read(guests(), CLUSTER).guests["minecraft"] for _ in range(2))
    assert (first.uuid, first.nics[0].mac) == (second.uuid, second.nics[0].mac)
    assert first.nics[0].mac.startswith("52:54:00:")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"memroy": "1GiB"}, ["guests.minecraft.memroy: is not a key here (did you mean memory?)"]),
        ({"kind": "vn"}, ["guests.minecraft.kind: 'vn' is not a kind of guest (known: container, vm)"]),
        ({"memory": None}, ["guests.minecraft.memory: is missing: such as 512MiB"]),
        ({"memory": "2GB"}, ["guests.minecraft.memory: '2GB' is ambiguous: write 2GiB"]),
        ({"memory": "1MiB"}, ["guests.minecraft.memory: 1MiB is too little to start anything: give 32MiB"]),
        (
            {"memory": "64GiB"},
            ["guests.minecraft.memory: 64GiB is more than any node can give: the largest, node2, has 16GiB"],
        ),
        ({"vcpus": 32}, ["guests.minecraft.vcpus: 32 is more than any node can give: the largest, node2, has 8"]),
        ({"vcpus": "two"}, ["guests.minecraft.vcpus: 'two' is not a whole number"]),
        ({"max_memory": "1GiB"}, ["guests.minecraft.max_memory: is less than the 2GiB it starts with"]),
        ({"vcpus": 4, "max_vcpus": 3}, ["guests.minecraft.max_vcpus: is less than the 4 vcpus it starts with"]),
        ({"disks": "20GiB"}, ["guests.minecraft.disks: '20GiB' is not a list: write [20GiB]"]),
        (
            {"disks": [{"size": "tiny", "image": "debian-12", "pool": "fats"}]},
            [
                "guests.minecraft.disks[0].size: 'tiny' is not a size such as 512MiB or 20GiB",
                "guests.minecraft.disks[0].image: 'debian-12' is not an image for a vm (did you mean debian-13?)",
                "guests.minecraft.disks[0].pool: 'fats' is not a storage pool (did you mean fast?)",
            ],
        ),
        (
            {"disks": [{"size": "1GiB", "image": "tiny"}]},
            ["guests.minecraft.disks[0].image: 'tiny' boots from a kernel: make it the image of the VM itself"],
        ),
        (
            {"image": "debian-13"},
            ["guests.minecraft.image: 'debian-13' boots from a disk: make it the image of the VM's first disk"],
        ),
        (
            {"disks": [{"size": "1GiB"}, {"size": "1GiB", "target": "vda"}]},
            ["guests.minecraft.disks: vda is the target of more than one"],
        ),
        (
            {"disks": None},
            [
                "guests.minecraft.disks: is missing: the VM has nothing to boot from, "
                "e.g. disks: [{size: 8GiB, image: debian-13}]"
            ],
        ),
        (
            {"nics": [{"bridge": "br7", "address": "10.0.0.20"}]},
            [
                "guests.minecraft.nics[0].address: 10.0.0.20 lacks its prefix length: write 10.0.0.20/24",
                "guests.minecraft.nics[0].bridge: 'br7' is not a bridge in network_bridges (did you mean br1?)",
            ],
        ),
        (
            {"nics": [{"bridge": "br0", "address": "10.0.0.0/24"}]},
            ["guests.minecraft.nics[0].address: 10.0.0.0 is not a host's address in 10.0.0.0/24"],
        ),
        (
            {"nics": [{"bridge": "br0", "address": "10.0.0.20/24", "gateway": "10.0.1.1"}]},
            ["guests.minecraft.nics[0].gateway: 10.0.1.1 is not on the network of any address of this interface"],
        ),
        (
            {"nics": [{"bridge": "br0", "address": "10.0.0.20/24", "gateway": "10.0.0.20"}]},
            ["guests.minecraft.nics[0].gateway: 10.0.0.20 is the interface's own address"],
        ),
        (
            {"nics": [{"bridge": "br0", "address": "10.0.0.20/24", "addresses": ["10.0.0.22/24"]}]},
            ["guests.minecraft.nics[0].address: give either address or addresses"],
        ),
        (
            {"nics": [{"bridge": "br0", "vlan": 4095, "mtu": 575}]},
            [
                "guests.minecraft.nics[0].vlan: 4095 is not within 1 to 4094",
                "guests.minecraft.nics[0].mtu: 575 is not within 576 to 9216",
            ],
        ),
        (
            {"nics": [{"bridge": "br0", "address": "10.0.0.11/24"}]},
            ["guests.minecraft.nics[0].address: 10.0.0.11 is also the address of node node1"],
        ),
        (
            {"nics": [{"bridge": "br0", "mac": "53:54:00:00:00:01"}]},
            ["guests.minecraft.nics[0].mac: 53:54:00:00:00:01 is a multicast address: the first byte has to be even"],
        ),
        ({"ha": "yes"}, ["guests.minecraft.ha: 'yes' is neither true nor false"]),
        ({"ha": {"prio": 1}}, ["guests.minecraft.ha.prio: is not a key here (did you mean priority?)"]),
        (
            {"migration": {"max_downtime": "1s"}},
            ["guests.minecraft.migration.max_downtime: a pause of more than 300ms cuts connections: ask for less"],
        ),
        (
            {"migration": {"post_copy": "fallback", "channels": 4}},
            [
                "guests.minecraft.migration.channels: parallel channels and post_copy exclude each other: leave out "
                "one of them"
            ],
        ),
        (
            {"migration": {"bandwidth": "1GiB", "channels": 2}},
            [
                "guests.minecraft.migration.channels: parallel channels with a bandwidth can cost the VM its life when "
                "the target fails: leave out one of them"
            ],
        ),
        ({"migration": {"channels": 0}}, ["guests.minecraft.migration.channels: 0 is not within 1 to 16"]),
        ({"rootfs": {}}, ["guests.minecraft.rootfs: is for containers: a VM has disks"]),
        ({"remove_disks": True}, ["guests.minecraft.remove_disks: only goes with state: absent"]),
        (
            {"placement": {"prefer": ["node9"], "apart_from": ["nobody", "minecraft"]}},
            [
                "guests.minecraft.placement.prefer: 'node9' is not a node: there are node1, node2, node3",
                "guests.minecraft.placement.apart_from: 'nobody' is not a guest declared present",
                "guests.minecraft.placement.apart_from: names the guest itself",
            ],
        ),
        (
            {"placement": {"apart_from": ["old"]}},
            ["guests.minecraft.placement.apart_from: 'old' is not a guest declared present"],
        ),
        ({"ssh_keys": ["AAAA"]}, ["guests.minecraft.ssh_keys: 'AAAA' is not a public SSH key such as"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_every_problem_has_its_path_and_its_remedy(changes: dict[str, Any], expected: list[str]) -> None:
    found = said(guests(**changes))
    assert len(found) == len(expected)
    assert all(line.startswith(wanted) for line, wanted in zip(sorted(found), sorted(expected), strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"max_vcpus": 4, "max_memory": "4GiB"},
        {"vcpus": 8, "memory": "16GiB"},
        {"memory": "32MiB"},
        {"nics": [{"bridge": "br0", "vlan": 1, "mtu": 576}, {"bridge": "br1", "vlan": 4094, "mtu": 9216}]},
        {"nics": [{"bridge": "br0", "addresses": ["10.0.0.20/24", "2001:db8::20/64"], "gateways": ["2001:db8::1"]}]},
        {"ha": {"priority": 1_000_000}},
        {"migration": {"max_downtime": "300ms", "channels": 16}},
        {"migration": {"post_copy": "fallback", "bandwidth": "1GiB/s", "channels": 1}},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_what_is_allowed_to_the_limit(changes: dict[str, Any]) -> None:
    assert said(guests(**changes)) == []


@pytest.mark.parametrize(
    ("migration", "channels"), [({}, 2), ({"post_copy": "fallback"}, 1), ({"bandwidth": "1GiB"}, 1)]
)
def test_what_goes_with_one_channel_only_gets_one(migration: dict[str, Any], channels: int) -> None:
    assert read(guests(migration=migration), CLUSTER).guests["minecraft"].migration.channels == channels


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Web", "lower-case letters"),
        ("drover-x", "kept for Drover's own"),
        ("node1", "is the name of a node"),
        ("a_b", "lower-case letters"),
    ],
)
def test_names(name: str, message: str) -> None:
    (found,) = said({name: guests()["echo"]})
    assert message in found


@pytest.mark.parametrize("text", ["[a, b]", "just text", "a: 5", "a: {kind: container}", "a: {}", "a.b: {}"])
def test_any_yaml_can_be_judged(text: str) -> None:
    assert said(yaml.safe_load(text))


def test_problems_come_in_the_order_of_the_guests() -> None:
    tiny, large = guests()["echo"], {"memory": "64GiB"}
    wrong = {
        "b": {**tiny, **large, "cpus": 2},
        "a": {**tiny, "nics": [{"bridge": "br9"}]},
        "b.c": {**tiny, **large},
    }
    assert [problem.path for problem in read(wrong, CLUSTER).problems] == [
        "guests.b.cpus",
        "guests.b.memory",
        "guests.a.nics[0].bridge",
        "guests.b.c",
        "guests.b.c.memory",
    ]


def test_what_two_guests_share_is_said() -> None:
    nics = [{"bridge": "br0", "address": "10.0.0.21/24", "mac": "52:54:00:00:00:01"}]
    uuid = "c0ffee00-0000-4000-8000-000000000001"
    other = {**guests()["echo"], "uuid": uuid, "nics": [{"bridge": "br0", "mac": "52:54:00:00:00:01"}]}
    assert said({**guests(nics=nics, uuid=uuid), "other": other}) == [
        "guests.website.nics[0].address: 10.0.0.21 is also the address of guests.minecraft.nics[0]",
        f"guests.other.uuid: {uuid} is also that of guests.minecraft",
        "guests.other.nics[0].mac: 52:54:00:00:00:01 is also that of guests.minecraft.nics[0]",
    ]


def test_together_and_apart_contradict_each_other_through_others() -> None:
    tiny = guests()["echo"]
    wrong = {
        "a": {**tiny, "placement": {"together_with": ["b"]}},
        "b": {**tiny, "placement": {"together_with": ["c"]}},
        "c": {**tiny, "placement": {"apart_from": ["a"]}},
    }
    assert said(wrong) == ["guests.c.placement.apart_from: a is also wanted together with it"]


def test_what_may_give_way_is_a_warning() -> None:
    tiny = {**guests()["echo"], "memory": "6GiB"}
    names = ["a", "b", "c", "d"]
    wishes = {name: {**tiny, "placement": {"apart_from": names[:index]}} for index, name in enumerate(names)}
    apart, memory = read(wishes, CLUSTER).warnings
    assert apart.startswith("a, b, c, d are all to be apart from one another, but there are only 3 nodes")
    assert memory.startswith("the guests may use 24GiB of memory, but only 16GiB are left")


#: A pool of each node's own.
ALONE = replace(CLUSTER, local_pools=("fast",), taken={})


@pytest.mark.parametrize(
    ("pool", "migration", "problem"),
    [
        ("fast", {"bandwidth": "64MiB/s", "timeout": "10min"}, None),
        ("fast", {"max_downtime": "50ms"}, "is for VMs: a container is stopped while what has changed last is copied"),
        ("fast", {"bandwith": "64MiB"}, "did you mean bandwidth?"),
        ("shared", {"bandwidth": "64MiB"}, "a container on shared storage moves by stopping and starting"),
    ],
)
def test_only_what_is_copied_has_a_policy(pool: str, migration: dict[str, str], problem: str | None) -> None:
    website = {**guests()["website"], "migration": migration, "rootfs": {"image": "debian-13", "pool": pool}}
    found = [str(one) for one in read({"website": website}, ALONE).problems]
    assert len(found) == (problem is not None)
    assert all("guests.website.migration" in text and str(problem) in text for text in found)


def test_what_cannot_be_started_elsewhere_is_a_warning() -> None:
    website = {**guests()["website"], "rootfs": {"image": "debian-13", "pool": "fast"}}
    game = guests(disks=[{"size": "1GiB", "pool": "fast", "image": "debian-13"}], placement=None)["minecraft"]
    found = read({"website": website, "mail": {**website, "ha": True, "nics": []}, "game": game}, ALONE).warnings
    assert [text.split(" ")[0] for text in found] == ["mail", "game"]
    assert all("(pool fast): when that node is lost, it waits for its return" in text for text in found)


def test_definitions() -> None:
    pools = pools_from({"shared": {"type": "directory", "path": "/pool/"}})
    found = read(guests(), CLUSTER).guests
    kernel = {"kernel": "/k", "initrd": "/i", "cmdline": ""}
    minecraft = definition(found["minecraft"], pools, {})
    assert [disk["source"]["path"] for disk in minecraft["disks"]] == [
        "/pool/vms/minecraft/vda.qcow2",
        "/pool/vms/minecraft/seed.img",
    ]
    assert minecraft["migration"] == {
        "max_downtime": 30,
        "bandwidth": None,
        "timeout": None,
        "auto_converge": True,
        "post_copy": "never",
        "channels": 2,
    }
    assert definition(found["echo"], pools, {"tiny": kernel})["kernel"] == kernel
    website = definition(found["website"], pools, {})
    assert website["rootfs"] == {
        "type": "directory",
        "path": "/pool/containers/website/rootfs",
        "size": 4 * GIB,
        "image": "debian-13",
    }
    assert (website["nics"][0]["name"], website["stop_timeout"]) == ("eth0", 30)
    assert "migration" not in website


def test_post_copy_is_not_for_disks_that_move_along() -> None:
    asked = guests(migration={"post_copy": "fallback"}, disks=[{"size": "1GiB", "pool": "fast"}])
    assert said(asked) == []
    [problem] = said(asked, replace(CLUSTER, local_pools=("fast",)))
    assert problem.startswith("guests.minecraft.migration.post_copy: the VM has disks on storage of one node's own")


def test_definitions_say_what_is_on_one_nodes_own_storage() -> None:
    pools = pools_from({"shared": {"type": "directory", "path": "/own", "shared": False}})
    found = read(guests(), CLUSTER).guests
    website = definition(found["website"], pools, {})
    assert website["rootfs"] == {
        "type": "directory",
        "path": "/own/containers/website/rootfs",
        "shared": False,
        "size": 4 * GIB,
        "image": "debian-13",
    }
    assert website["migration"] == {"bandwidth": None, "timeout": None}
    disks = definition(found["minecraft"], pools, {})["disks"]
    assert [disk["source"]["shared"] for disk in disks] == [False, False]
