# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bad and sloppy input: each has its message, none makes a traceback, and none is taken for something else."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.declaration.key import Key, Parts
from ansible_collections.cspp.drover.plugins.module_utils.declaration.reader import read
from ansible_collections.cspp.drover.plugins.module_utils.declaration.types import Kind
from ansible_collections.cspp.drover.tests import docs

from .test_keys import CLUSTER as ROOMY
from .test_keys import EACH, declared
from .test_reader import CLUSTER, KEY, said

TABLE = Path(__file__).parents[1] / "data" / "declaration" / "refused.txt"
VM: dict[str, Any] = {"kind": "vm", "memory": "1GiB", "disks": [{"size": "4GiB", "image": "debian-13"}]}
CONTAINER: dict[str, Any] = {"kind": "container", "memory": "256MiB", "rootfs": {"image": "debian-13"}}


def nic(**keys: Any) -> dict[str, Any]:
    return {**VM, "nics": [{"bridge": "br0", **keys}]}


def table() -> Iterator[tuple[dict[str, Any], list[str]]]:
    """The guests of the table, each with what is said of it."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for at, line in enumerate(lines):
        if line.startswith(" "):
            continue
        said_of_it = []
        for problem in lines[at + 1 :]:
            if not problem.startswith(" "):
                break
            said_of_it.append(f"guests.game.{problem.strip()}")
        base = CONTAINER if line.startswith("container ") else VM
        yield {**base, **yaml.safe_load(line.removeprefix("container "))}, said_of_it


ROWS = list(table())


def test_the_table_is_long() -> None:
    assert len(ROWS) >= 200


@pytest.mark.parametrize(("guest", "problems"), ROWS, ids=[problems[0][12:60] for _, problems in ROWS])
def test_every_row_is_refused_with_its_message(guest: dict[str, Any], problems: list[str]) -> None:
    assert said({"game": guest}) == problems


@pytest.mark.parametrize(
    ("guests", "problems"),
    [
        ({"all": VM}, ["guests.all: all is a word of Ansible's: give the guest another name"]),
        ({"localhost": VM}, ["guests.localhost: localhost is a word of Ansible's: give the guest another name"]),
        ({"a\nb": VM}, [r"guests.'a\nb': a guest's name is a host name: "]),
        ({"a" * 64: VM}, [f"guests.'{'a' * 29}...{'a' * 29}': a guest's name is a host name: "]),
        ({5: VM}, ["guests.5: a guest's name is a host name: "]),
        ({None: VM}, ["guests.None: a guest's name is a host name: "]),
        ({"web": None}, ["guests.web: is not a mapping with the guest's properties"]),
        ({"web": []}, ["guests.web: is not a mapping with the guest's properties"]),
        (
            {"web": {"state": "absent", "remove_disk": True}},
            ["guests.web.remove_disk: is not a key here (did you mean remove_disks?)"],
        ),
        (
            {"web": {"state": "absent", "remove_disks": "yes"}},
            ["guests.web.remove_disks: 'yes' is neither true nor false"],
        ),
        (
            {"a": nic(address="fe80::20/64"), "b": nic(address="fe80:0::20/64")},
            ["guests.b.nics[0].address: fe80::20 is also the address of guests.a.nics[0]"],
        ),
        (
            {"a": nic(address="10.0.0.9/24"), "b": nic(address="10.0.0.9/16")},
            ["guests.b.nics[0].address: 10.0.0.9 is also the address of guests.a.nics[0]"],
        ),
        (
            {"a": nic(mac="52:54:00:00:00:01"), "b": nic(mac="52:54:00:00:00:01".upper())},
            ["guests.b.nics[0].mac: 52:54:00:00:00:01 is also that of guests.a.nics[0]"],
        ),
        (
            {"minecraft-1": nic(mac="52:54:00:aa:bb:cc"), "minecraft-2": nic(mac="52:54:01:aa:bb:cc")},
            [
                "guests.minecraft-2.nics[0].mac: its interface on the node would be called minecraf-aabbcc, like that "
                "of guests.minecraft-1.nics[0]: give a mac with another ending"
            ],
        ),
        ({"a": nic(address="10.0.0.11/24")}, ["guests.a.nics[0].address: 10.0.0.11 is also the address of node node1"]),
        (
            {"a": nic(address="10.0.0.111/24")},
            ["guests.a.nics[0].address: 10.0.0.111 is also the address of the power controller of node node1"],
        ),
        ({"a": {**VM, "memory": 9**5000}}, ["guests.a.memory: a number of 15850 bits is not a size"]),
        (
            {"a": {**VM, "description": "x" * 5000}},
            [f"guests.a.description: '{'x' * 29}...{'x' * 29}' is 5000 c"],
        ),
    ],
    ids=lambda value: str(list(value))[:60] if isinstance(value, dict) else "",
)
def test_guests_are_refused_with_their_message(guests: dict[str, Any], problems: list[str]) -> None:
    taken = {**CLUSTER.taken, "::ffff:10.0.0.12": "node node2", "10.0.0.111": "the power controller of node node1"}
    found = said(guests, replace(CLUSTER, taken=taken))
    assert len(found) == len(problems)
    assert all(line.startswith(start) for line, start in zip(found, problems, strict=True)), found


@pytest.mark.parametrize(
    "guest",
    [
        nic(address="10.0.0.20/255.255.255.0"),
        nic(address="10.0.0.20/31"),
        nic(address="10.0.0.20/32", gateway="192.0.2.1"),
        nic(address="2001:db8::20/64", gateway="fe80::1"),
        nic(address="2001:db8::20/128", gateway="2001:db8:ff::1"),
        nic(addresses=["10.0.0.20/24", "2001:db8::20/64"], gateways=["10.0.0.1", "fe80::1"]),
        nic(mtu=1280, address="2001:db8::20/64"),
        nic(bridge="br0", vlan="42"),
        {**VM, "uuid": "{C0FFEE00-0000-4000-8000-000000000001}"},
        {**VM, "memory": "1.5GiB"},
        {**VM, "memory": "2 G"},
        {**VM, "memory": 1 << 30},
        {**VM, "nameservers": ["127.0.0.1", "2001:db8::53"]},
        {**VM, "ssh_keys": [KEY, KEY]},
        {**VM, "stop_timeout": "1h", "migration": {"timeout": "168h"}},
        {**VM, "disks": [{"size": "64TiB", "image": "debian-13"}] + [{"size": "1GiB"}] * 23},
        {**VM, "state": "absent"},
    ],
    ids=str,
)
def test_what_can_be_understood_is(guest: dict[str, Any]) -> None:
    assert said({"game": guest}) == []


@pytest.mark.parametrize(
    ("guests", "warning"),
    [
        ({"a": nic(address=None)}, "guests.a.nics[0].address is empty: it is taken as not given"),
        ({"a": {**VM, "cpu": None}}, "guests.a.cpu is empty: it is taken as not given"),
        (
            {"a": {**VM, "disks": [{"size": "1GiB"}]}},
            "a boots from vda, which has no image: it is empty when made",
        ),
        (
            {
                "a": {
                    **VM,
                    "nics": [
                        {"bridge": f"br{n}", "address": f"10.0.{n}.20/24", "gateway": f"10.0.{n}.1"} for n in (0, 1)
                    ],
                }
            },
            "a has an IPv4 gateway on nics[0] and on nics[1]: it will only use one of them",
        ),
        (
            {"a": nic(address="10.0.0.1/24"), "b": nic(address="10.0.0.20/24", gateway="10.0.0.1")},
            "a has the address 10.0.0.1, which is the gateway of b: is it a router?",
        ),
        (
            {"a": {**VM, "memory": "9GiB", "placement": {"together_with": ["b"]}}, "b": {**VM, "memory": "9GiB"}},
            "a, b are wanted together and take 18GiB of memory, but the largest node, node2, has 16GiB",
        ),
        (
            {
                "a": {**VM, "ha": False, "placement": {"prefer": ["node1"], "together_with": ["b"]}},
                "b": {**VM, "ha": False, "placement": {"prefer": ["node2"]}},
            },
            "a, b are wanted together, but a, b stay on the nodes that each prefers",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_may_not_be_meant_is_told(guests: dict[str, Any], warning: str) -> None:
    reading = read(guests, CLUSTER)
    assert reading.problems == ()
    assert any(line.startswith(warning) for line in reading.warnings), reading.warnings


def test_more_guests_than_pacemaker_was_set_up_for() -> None:
    guests = {f"g{number}": {"kind": "vm", "memory": "32MiB", "image": "tiny"} for number in range(4)}
    assert read(guests, replace(CLUSTER, expected_guests=4)).warnings == ()
    [told] = read(guests, replace(CLUSTER, expected_guests=3)).warnings
    assert told.startswith("4 guests are declared, and Pacemaker was set up for 3")
    assert "cluster_guests: 4" in told


def test_what_all_guests_have_is_judged_as_well() -> None:
    wrong = replace(CLUSTER, ssh_keys=("ssh-ed25519 AAAA... you@example.org",), nameservers=("fe80::1%eth0",))
    assert [problem.path for problem in read({}, wrong).problems] == ["guests_ssh_keys[0]", "guests_nameservers[0]"]


def test_what_is_said_twice_counts_once() -> None:
    asked = {"prefer": ["node1", "node1"], "apart_from": ["b", "b"]}
    lists = {"ssh_keys": [KEY, KEY], "nameservers": ["192.0.2.1", "192.0.2.1"], "placement": asked}
    twice = nic(addresses=["10.0.0.20/24", "10.0.0.20/24"]) | lists
    guest = read({"a": twice, "b": VM}, CLUSTER).guests["a"]
    assert guest.placement.prefer == ("node1",)
    assert guest.placement.apart_from == ("b",)
    assert (guest.ssh_keys, guest.nameservers) == ((KEY,), ("192.0.2.1",))
    assert guest.nics[0].addresses == ("10.0.0.20/24",)


class Odd:
    """What no YAML can hold, with a form that nobody wants to see."""

    def __repr__(self) -> str:
        return "odd\n" * 1000


#: Values that are right for no key, but for the texts among them.
HOSTILE = [
    *(Odd(), 1.5, float("nan"), -(9**5000), 9**5000, [9**5000], -1, "", "\u0663", "\u0665\u0661\u0662MiB"),
    *("a\nb", "\x00", "\ud800", "]]>", "../../etc", "x" * 5000, [Odd()], ["a\nb"], ["x" * 5000]),
    *({"a\nb": 1}, {1: 2}, {None: None}, [[]], [None]),
]
_TEXTS = ("\u0663", "]]>", "../../etc", "\u0665\u0661\u0662MiB")


@pytest.mark.parametrize(("key", "kind"), EACH)
def test_hostile_values_are_refused_at_their_key(key: Key, kind: Kind) -> None:
    """In one printable line of bearable length, with the path of the key, or of what is in it."""
    for value in HOSTILE:
        if isinstance(value, str) and value in _TEXTS and key.type.name == "text":
            continue
        found = [str(problem) for problem in read({"game": declared(key, kind, value)}, ROOMY).problems]
        path = key.path.replace("[]", "[0]")
        assert found, repr(value)[:50]
        assert any(line.startswith(f"guests.game.{path}") for line in found), (repr(value)[:50], found)
        assert all(line.isprintable() and len(line) < 400 for line in found), found


@pytest.mark.parametrize(("key", "kind"), EACH)
def test_null_is_told(key: Key, kind: Kind) -> None:
    guest = declared(key, kind, None)
    reading = read({"game": guest}, ROOMY)
    path = f"guests.game.{key.path.replace('[]', '[0]')}"
    inside = [f"{path}.{name}" for name in ("image",)] if isinstance(key.type, Parts) else []
    told = [problem.path for problem in reading.problems] + [line.split(" ")[0] for line in reading.warnings]
    assert path in told or any(name in told for name in inside)


def test_a_key_that_is_written_twice_is_refused() -> None:
    """By Ansible, which reads the YAML: told to, in this checkout's configuration."""
    config = configparser.ConfigParser()
    config.read(docs.ROOT / "ansible.cfg")
    assert config["defaults"]["duplicate_dict_key"] == "error"
