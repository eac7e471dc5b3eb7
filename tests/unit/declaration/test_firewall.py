# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's firewall: from the YAML to its definition, with sets and groups resolved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.declaration.firewall import rules
from ansible_collections.cspp.drover.plugins.module_utils.declaration.reader import read
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import read as definition_read
from ansible_collections.cspp.drover.tests.unit.declaration.test_keys import CLUSTER, LEAST

SETS = {"admins": ["192.0.2.0/28", "2001:db8::5"], "nobody": []}
GROUPS = {
    "web": {"in": [{"protocol": "tcp", "ports": [80, 443]}]},
    "quiet": {"out": []},
}
NAMED = replace(CLUSTER, firewall_sets=SETS, firewall_groups=GROUPS)


def defined(firewall: Any) -> tuple[dict[str, Any], list[str]]:
    """What a guest's definition gets of a firewall, and what is wrong with it."""
    found = read({"web": {**LEAST["vm"], "firewall": firewall}}, NAMED)
    problems = [str(problem).removeprefix("guests.web.firewall.") for problem in found.problems]
    return rules(found.guests["web"].firewall), problems


@pytest.mark.parametrize(
    ("firewall", "expected"),
    [
        ({}, {}),
        ({"in": []}, {"in": []}),
        ({"in": [{}]}, {"in": [{"protocol": "any"}]}),
        ({"in": [{"protocol": "tcp", "port": 22}]}, {"in": [{"protocol": "tcp", "ports": ["22"]}]}),
        ({"in": [{"protocol": "udp", "port": "22-22"}]}, {"in": [{"protocol": "udp", "ports": ["22"]}]}),
        (
            {"out": [{"protocol": "udp", "ports": [53, "8000-8100"], "to": "admins"}]},
            {"out": [{"protocol": "udp", "ports": ["53", "8000-8100"], "peers": ["192.0.2.0/28", "2001:db8::5/128"]}]},
        ),
        (
            {"in": [{"from": ["admins", "198.51.100.1", "192.0.2.0/28"]}]},
            {"in": [{"protocol": "any", "peers": ["192.0.2.0/28", "2001:db8::5/128", "198.51.100.1/32"]}]},
        ),
        # A set of nobody opens nothing.
        ({"in": [{"from": "nobody"}]}, {"in": [{"protocol": "any", "peers": []}]}),
        (
            {"groups": ["web", "quiet"], "in": [{"protocol": "icmp"}, {"protocol": "tcp", "ports": [80, 443]}]},
            {"in": [{"protocol": "icmp"}, {"protocol": "tcp", "ports": ["80", "443"]}], "out": []},
        ),
        ({"groups": ["web"]}, {"in": [{"protocol": "tcp", "ports": ["80", "443"]}]}),
    ],
)
def test_a_definition_says_all_there_is_to_know(firewall: Any, expected: dict[str, Any]) -> None:
    assert defined(firewall) == (expected, [])
    definition = {**LEAST["vm"], "name": "web", "memory": 1, "disks": [], "nics": [], "firewall": expected}
    reading = definition_read(definition)
    assert reading.definition["firewall"] == expected
    assert (reading.unknown, reading.problems) == ((), ())


@pytest.mark.parametrize(
    ("firewall", "problem"),
    [
        ({"in": [{"protocol": "tpc"}]}, "in[0].protocol: 'tpc' is not a protocol (did you mean tcp?)"),
        ({"in": [{"port": 22}]}, "in[0].protocol: ports are those of tcp or udp: say which, in two rules for both"),
        (
            {"in": [{"protocol": "tcp", "port": 70000}]},
            "in[0].port: 70000 is no port from 1 to 65535, nor a range such as 8000-8100",
        ),
        (
            {"in": [{"protocol": "tcp", "ports": ["90-80"]}]},
            "in[0].ports: '90-80' is no port from 1 to 65535, nor a range such as 8000-8100",
        ),
        (
            {"in": [{"from": "192.0.2.5/24"}]},
            "in[0].from: 192.0.2.5/24 is an address in a network: write 192.0.2.0/24, or 192.0.2.5",
        ),
        (
            {"in": [{"from": "fe80::1%eth0"}]},
            "in[0].from: 'fe80::1%eth0' is no address or network such as 192.0.2.0/24",
        ),
        (
            {"in": [{"from": "admin"}]},
            "in[0].from: 'admin' is not a set in guests_firewall_sets (did you mean admins?)",
        ),
        ({"in": [{"to": "admins"}]}, "in[0].to: is not a key here (known: from, port, ports, protocol)"),
        ({"groups": ["wbe"]}, "groups: 'wbe' is not a group in guests_firewall_groups (did you mean web?)"),
        (
            {"in": [{"from": "192.0.2.1\n accept"}]},
            "in[0].from: '192.0.2.1\\n accept' is no address or network such as 192.0.2.0/24",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(firewall: Any, problem: str) -> None:
    assert defined(firewall)[1] == [problem]


@pytest.mark.parametrize(
    ("sets", "groups", "problem"),
    [
        ({"a": ["192.0.2.300"]}, {}, "guests_firewall_sets.a[0]: '192.0.2.300' is no address or network"),
        ({"a": "192.0.2.1"}, {}, "guests_firewall_sets.a: '192.0.2.1' is not a list"),
        ({"A b": []}, {}, "guests_firewall_sets: 'A b' is no name"),
        ([], {}, "guests_firewall_sets: is not a mapping"),
        ({}, {"web": []}, "guests_firewall_groups.web: is not a mapping with in and out"),
        ({}, {"web": {"groups": []}}, "guests_firewall_groups.web.groups: is not a key here (known: in, out)"),
        ({}, {"web": {"in": [{"from": "x"}]}}, "guests_firewall_groups.web.in[0].from: 'x' is not a set"),
    ],
)
def test_sets_and_groups_are_judged_where_they_stand(sets: Any, groups: Any, problem: str) -> None:
    found = read({}, replace(CLUSTER, firewall_sets=sets, firewall_groups=groups)).problems
    assert [str(one)[: len(problem)] for one in found] == [problem]
