# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges as systemd-networkd's files."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.host.networkd import (
    HEADER,
    differences,
    files,
    read,
    resolver_files,
)


def written(bridges: dict[str, Any]) -> dict[str, list[str]]:
    """The lines of each file, without the header, by what follows 05-drover- in its name."""
    found = {}
    for entry in files(bridges):
        folder, _, name = entry["path"].rpartition("/05-drover-")
        assert folder == "/etc/systemd/network"
        assert entry["content"].startswith(HEADER)
        found[name] = entry["content"].removeprefix(HEADER).splitlines()
    return found


def test_a_bridge_with_a_port_and_an_address() -> None:
    bridge = {"ports": ["eno1"], "addresses": ["192.0.2.11/24"], "gateway": "192.0.2.1", "dns": ["192.0.2.53"]}
    assert written({"br0": bridge}) == {
        "br0.netdev": [
            "[NetDev]",
            *("Name=br0", "Kind=bridge", "MACAddress=none"),
            *("", "[Bridge]", "STP=no", "ForwardDelaySec=0", "VLANFiltering=no"),
        ],
        "br0.network": [
            *("[Match]", "Name=br0", "", "[Link]", "MTUBytes=1500", "", "[Network]"),
            *("Address=192.0.2.11/24", "Gateway=192.0.2.1", "DNS=192.0.2.53", "ConfigureWithoutCarrier=yes"),
            "IPv6AcceptRA=no",
        ],
        "br0-eno1.network": [
            *("[Match]", "Name=eno1", "", "[Link]", "MTUBytes=1500"),
            *("", "[Network]", "Bridge=br0", "LinkLocalAddressing=no", "IPv6AcceptRA=no"),
        ],
    }


@pytest.mark.parametrize(
    ("change", "file", "lines"),
    [
        ({"mtu": 9000}, "br0.network", ["MTUBytes=9000"]),
        ({"mtu": 9000}, "br0-eno1.network", ["MTUBytes=9000"]),
        # Router advertisements are believed by the bridge alone, never by its ports, and only where asked for.
        ({"accept_ra": True}, "br0.network", ["IPv6AcceptRA=yes"]),
        ({"accept_ra": True}, "br0-eno1.network", []),
        ({"accept_ra": True, "addresses": []}, "br0.network", ["IPv6AcceptRA=yes"]),
        # A gateway beside a single address, as hosters give it.
        (
            {"addresses": ["203.0.113.7/32"], "gateway": "198.51.100.1"},
            "br0.network",
            ["Address=203.0.113.7/32", "[Route]", "Gateway=198.51.100.1", "GatewayOnLink=yes"],
        ),
        ({"gateway": "fe80::1"}, "br0.network", ["Gateway=fe80::1"]),
        ({"vlan_aware": True}, "br0.netdev", ["VLANFiltering=yes"]),
        ({"vlan_aware": True}, "br0-eno1.network", ["[BridgeVLAN]", "VLAN=2-4094"]),
        # A bridge for guests alone is not an interface of the node's.
        ({"addresses": []}, "br0.network", ["LinkLocalAddressing=no"]),
    ],
)
def test_an_option_adds_its_lines_and_nothing_else(change: dict[str, Any], file: str, lines: list[str]) -> None:
    plain = {"ports": ["eno1"], "addresses": ["192.0.2.11/24"]}
    before, after = written({"br0": plain}), written({"br0": plain | change})
    assert [line for line in after[file] if line not in before[file]] == lines
    assert files({"br0": plain}) == files({"br0": dict(plain)})


@pytest.mark.parametrize("empty", [None, {}])
def test_a_bridge_declared_empty_is_somebody_elses(empty: dict[str, Any] | None) -> None:
    assert files({"br0": empty}) == []


def test_what_was_written_is_read_again() -> None:
    bridges: dict[str, Any] = {
        "br0": {"ports": ["eno1", "eno2"], "addresses": ["192.0.2.11/24"], "vlan_aware": True, "mtu": 9000},
        "br-1": {"ports": ["br-x"]},
        "br2": {},
    }
    assert read(entry["content"] for entry in files(bridges)) == {
        "br0": {"eno1", "eno2"},
        "br-1": {"br-x"},
    }
    assert read(["[NetDev]\nName=br9\nKind=bridge\n", ""]) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"addresses": []}, ["br0.addresses (192.0.2.11/24 -> nothing)"]),
        ({"ports": ["eno9"], "mtu": 9000}, ["br0.mtu (1500 -> 9000)", "br0.ports (eno1 -> eno9)"]),
        ({"gateway": "192.0.2.254"}, ["br0.gateway (192.0.2.1 -> 192.0.2.254)"]),
        ({"vlan_aware": True, "accept_ra": True}, ["br0.accept_ra (no -> yes)", "br0.vlan_aware (no -> yes)"]),
        ({"dns": ["192.0.2.53", "192.0.2.54"]}, ["br0.dns (nothing -> 192.0.2.53, 192.0.2.54)"]),
    ],
)
def test_a_change_is_told_by_the_keys_of_the_declaration(change: dict[str, Any], expected: list[str]) -> None:
    bridge = {"ports": ["eno1"], "addresses": ["192.0.2.11/24"], "gateway": "192.0.2.1"}
    before, after = ([one["content"] for one in files({"br0": its})] for its in (bridge, bridge | change))
    assert differences([*before, "[Match]\nName=eth0\n"], after) == expected


@pytest.mark.parametrize(
    ("dns", "manager", "kept", "expected"),
    [
        (["192.0.2.53", "2001:db8::53"], "file", [], "nameserver 192.0.2.53\nnameserver 2001:db8::53\n"),
        (["192.0.2.53"], "file", ["search example.org"], "search example.org\nnameserver 192.0.2.53\n"),
        # systemd-networkd tells it.
        (["192.0.2.53"], "systemd-resolved", [], None),
        (["192.0.2.53"], "/run/resolvconf/resolv.conf", [], None),
        ([], "file", [], None),
        (None, "file", [], None),
    ],
)
def test_programs_ask_the_servers_of_the_bridges(
    dns: list[str] | None, manager: str, kept: list[str], expected: str | None
) -> None:
    addresses = ["192.0.2.11/24"]
    bridges: dict[str, Any] = {
        "br0": {"dns": dns, "addresses": addresses},
        "br1": {"dns": dns, "addresses": addresses},
        # The node is not on it.
        "br2": {"dns": ["203.0.113.53"]},
        "by-hand": {},
    }
    found = resolver_files(bridges, {"manager": manager, "kept": kept})
    assert [entry["content"] for entry in found] == ([HEADER + expected] if expected else [])
