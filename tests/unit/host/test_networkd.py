# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges as systemd-networkd's files."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.host.networkd import HEADER, files, read


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
