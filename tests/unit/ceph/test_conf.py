# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ceph.conf."""

from __future__ import annotations

import configparser

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.conf import monitor_address, monitor_endpoint, render


def read(text: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read_string(text)
    return found


def test_all_traffic_is_encrypted_and_every_monitor_is_named() -> None:
    found = read(render("F", {"a": "192.0.2.1", "b": "192.0.2.2"}, osd_memory=10, file_size=20))
    assert found["global"]["mon_host"] == "[v2:192.0.2.1:3300] [v2:192.0.2.2:3300]"
    assert {value for key, value in found["global"].items() if key.startswith("ms_") and "_mode" in key} == {"secure"}
    assert found["osd"]["osd_memory_target"] == "10"
    assert found["osd"]["bluestore_block_size"] == "20"
    assert found["client.drover"]["client_permissions"] == "false"


def test_ipv6_has_brackets_and_is_switched_on() -> None:
    found = read(render("F", {"a": "2001:db8::1"}))["global"]
    assert found["mon_host"] == "[v2:[2001:db8::1]:3300]"
    assert (found["ms_bind_ipv6"], found["ms_bind_ipv4"]) == ("true", "false")


def test_the_users_settings_go_before_drovers() -> None:
    assert (
        read(render("F", {"a": "192.0.2.1"}, more={"osd_pool_default_size": 4}))["global"]["osd_pool_default_size"]
        == "4"
    )
    assert "cluster_network" not in render("F", {"a": "192.0.2.1"}, networks={"cluster": ""})
    assert "cluster_network = 198.51.100.0/24" in render("F", {"a": "x"}, networks={"cluster": "198.51.100.0/24"})


@pytest.mark.parametrize(
    ("address", "added", "written"),
    [
        # What "ceph mon add" takes has no version in it (ceph_argparse.CephIPAddr).
        ("10.0.0.4", "10.0.0.4:3300", "[v2:10.0.0.4:3300]"),
        ("fd00::4", "[fd00::4]:3300", "[v2:[fd00::4]:3300]"),
    ],
)
def test_where_a_monitor_is(address: str, added: str, written: str) -> None:
    assert (monitor_endpoint(address), monitor_address(address)) == (added, written)
