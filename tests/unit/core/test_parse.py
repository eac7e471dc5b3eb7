# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values in YAML that people wrote: what they are read as, and what is said of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core import parse

POOL = parse.member(("fast", "shared"), "a storage pool")


@pytest.mark.parametrize(
    ("parser", "value", "read"),
    [
        (parse.string, "a", "a"),
        (parse.boolean, False, False),
        (parse.integer, "-7", -7),
        (parse.within(1, 3), 1, 1),
        (parse.within(1, 3), "3", 3),
        (parse.count, 1024, 1024),
        (parse.positive(parse.integer), 1, 1),
        (parse.size, "2MiB", 2 * 2**20),
        (POOL, "fast", "fast"),
        (parse.list_of(parse.string), ["a", "b"], ("a", "b")),
        (parse.mac, "52:54:00:AB:00:01", "52:54:00:ab:00:01"),
        (parse.uuid, "C0FFEE00-0000-4000-8000-000000000001", "c0ffee00-0000-4000-8000-000000000001"),
        (parse.ip, "2001:DB8::1", "2001:db8::1"),
        (parse.address, "10.0.0.1/24", "10.0.0.1/24"),
        (parse.address, "10.0.0.254/24", "10.0.0.254/24"),
        # Links of two addresses have none to spare; neither has a single one.
        (parse.address, "10.0.0.0/31", "10.0.0.0/31"),
        (parse.address, "10.0.0.1/32", "10.0.0.1/32"),
        # IPv6 has no broadcasts.
        (parse.address, "2001:db8::ffff:ffff:ffff:ffff/64", "2001:db8::ffff:ffff:ffff:ffff/64"),
    ],
)
def test_what_is_read(parser: Callable[[Any], object], value: object, read: object) -> None:
    assert parser(value) == read


@pytest.mark.parametrize(
    ("parser", "value", "words"),
    [
        (parse.mapping, ["a"], "is not a mapping"),
        (parse.sequence, "a", r"is not a list: write \[a\]"),
        (parse.sequence, {"a": 1}, "is not a list"),
        (parse.string, "", "is not a text"),
        (parse.string, 5, "is not a text"),
        (parse.boolean, "true", "neither true nor false"),
        (parse.integer, True, "is not a whole number"),
        (parse.integer, "1.5", "is not a whole number"),
        (parse.within(1, 3), 0, "0 is not within 1 to 3"),
        (parse.within(1, 3), 4, "4 is not within 1 to 3"),
        (parse.count, 0, "within 1 to 1024"),
        (parse.count, 1025, "within 1 to 1024"),
        (parse.positive(parse.integer), 0, "more than nothing"),
        (parse.positive(parse.integer), -1, "more than nothing"),
        (parse.size, "1025KiB", "whole number of MiB"),
        (parse.size, 0, "more than nothing"),
        (POOL, "fats", r"'fats' is not a storage pool \(did you mean fast\?\)"),
        (POOL, "zzz", r"\(known: fast, shared\)"),
        (parse.member((), "an image"), "debian", r"\(known: none\)"),
        (parse.mac, "52:54:00:00:01", "is not a MAC address"),
        (parse.mac, "53:54:00:00:00:01", "is a multicast address"),
        (parse.uuid, "c0ffee", "is not a UUID"),
        (parse.ip, "10.0.0.256", "is not an IP address"),
        (parse.address, "10.0.0.1/33", "is not an address with prefix length"),
        (parse.address, "10.0.0.1", "write 10.0.0.1/24"),
        (parse.address, "2001:db8::1", "write 2001:db8::1/64"),
        (parse.address, "10.0.0.0/24", "10.0.0.0 is not a host's address in 10.0.0.0/24"),
        (parse.address, "10.0.0.255/24", "10.0.0.255 is not a host's address"),
        (parse.address, "10.0.0.3/30", "10.0.0.3 is not a host's address"),
        (parse.address, "2001:db8::/64", "2001:db8:: is not a host's address"),
    ],
)
def test_what_cannot_be_read_says_why(parser: Callable[[Any], object], value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parser(value)


def problems(values: dict[str, Any], use: Callable[[parse.Fields], object]) -> list[str]:
    found: list[parse.Problem] = []
    use(parse.Fields(values, "guest", found))
    return [str(problem) for problem in found]


def test_what_is_missing_is_the_default_and_so_is_what_is_wrong() -> None:
    fields = parse.Fields({"vcpus": 0, "memory": None}, "guest", [])
    assert (fields.take("vcpus", parse.count, 2), fields.take("memory", parse.size, 7)) == (2, 7)
    assert [str(problem) for problem in fields.problems] == ["guest.vcpus: 0 is not within 1 to 1024"]


def test_what_has_to_be_there_is_missed() -> None:
    found = problems({}, lambda fields: fields.require("size", parse.size, 0, "such as 1GiB"))
    assert found == ["guest.size: is missing: such as 1GiB"]


def test_keys_that_nobody_asked_for_are_told_all_of_them() -> None:
    def use(fields: parse.Fields) -> None:
        fields.take("memory", parse.size, 0)
        fields.take("vcpus", parse.count, 0)
        fields.done({"cpu": "is for VMs"})

    assert problems({"vcpus": 1, "memroy": 1, "cpu": "host", "zzz": 1}, use) == [
        "guest.memroy: is not a key here (did you mean memory?)",
        "guest.cpu: is for VMs",
        "guest.zzz: is not a key here (known: memory, vcpus)",
    ]


def test_what_is_no_mapping_in_a_list_has_its_place_and_the_others_are_read() -> None:
    read: list[str] = []
    found = problems(
        {"disks": [5, {"size": 1}]}, lambda fields: read.extend(disk.path for disk in fields.each("disks"))
    )
    assert found == ["guest.disks[0]: 5 is not a mapping"]
    assert read == ["guest.disks[1]"]
