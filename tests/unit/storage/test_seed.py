# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a new guest is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from ansible_collections.cspp.drover.plugins.module_utils.storage import seed

NIC = {
    "mac": "52:54:00:aa:bb:cc",
    "mtu": 1400,
    "addresses": ["192.0.2.20/24", "2001:db8::20/64"],
    "gateways": ["192.0.2.1", "2001:db8::1"],
}
KEY = 'ssh-ed25519 AAAA you@laptop: "here"'


def test_a_gateway_beside_a_single_address_is_on_the_wire() -> None:
    nic = {**NIC, "addresses": ["203.0.113.7/32", "2001:db8::7/64"], "gateways": ["198.51.100.1", "fe80::1"]}
    text = seed.vm_files("game", "f246449a", [nic])["network-config"]
    routes = yaml.safe_load(text)["ethernets"]["eth0"]["routes"]
    assert routes == [
        {"to": "198.51.100.1/32", "scope": "link"},
        {"to": "0.0.0.0/0", "via": "198.51.100.1"},
        {"to": "::/0", "via": "fe80::1"},
    ]


def test_the_network_is_told_as_netplan_has_it() -> None:
    files = seed.vm_files("game", "f246449a", [NIC], nameservers=["192.0.2.53"])
    assert yaml.safe_load(files["network-config"]) == {
        "version": 2,
        "ethernets": {
            "eth0": {
                "match": {"macaddress": "52:54:00:aa:bb:cc"},
                "set-name": "eth0",
                "mtu": 1400,
                "addresses": ["192.0.2.20/24", "2001:db8::20/64"],
                "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}, {"to": "::/0", "via": "2001:db8::1"}],
                "nameservers": {"addresses": ["192.0.2.53"]},
            }
        },
    }


def test_an_interface_without_an_address_asks_for_one() -> None:
    nic = {**NIC, "mtu": None, "addresses": [], "gateways": []}
    network = yaml.safe_load(seed.vm_files("game", "f246449a", [nic])["network-config"])
    assert network["ethernets"]["eth0"]["dhcp4"] is True


def test_keys_survive_as_they_are() -> None:
    user_data = yaml.safe_load(seed.vm_files("game", "f246449a", [], ssh_keys=[KEY])["user-data"])
    assert user_data["ssh_authorized_keys"] == [KEY]
    assert user_data["updates"] == {"network": {"when": ["boot"]}}


def test_a_guest_without_network_or_keys_is_told_its_name() -> None:
    files = seed.vm_files("game", "f246449a", [])
    assert yaml.safe_load(files["meta-data"]) == {"instance-id": "f246449a", "local-hostname": "game"}
    assert yaml.safe_load(files["network-config"]) == {"version": 2}


def test_a_container_gets_plain_files() -> None:
    files = seed.container_files("web", ssh_keys=[KEY], nameservers=["192.0.2.53"])
    assert files["root/.ssh/authorized_keys"] == f"{KEY}\n"
    assert files["etc/resolv.conf"] == "nameserver 192.0.2.53\n"
    assert set(seed.container_files("web")) == {"etc/hostname", "etc/hosts", "var/lib/drover/told.json"}


def script(*keys: str) -> list[str]:
    """What a VM runs at each boot."""
    [command] = yaml.safe_load(seed.vm_files("game", "f246449a", [], ssh_keys=keys)["user-data"])["bootcmd"]
    return [str(word) for word in command]


def test_a_vm_has_the_keys_declared_at_each_boot_and_those_it_has_itself(tmp_path: Path) -> None:
    file = tmp_path / "root/.ssh/authorized_keys"
    file.parent.mkdir(parents=True)
    file.write_text("ssh-ed25519 OWN somebody\nssh-ed25519 A a\n")

    def boot(*keys: str) -> list[str]:
        shell, option, text, *rest = script(*keys)
        for folder in ("/root/", "/var/"):
            text = text.replace(folder, f"{tmp_path}{folder}")
        subprocess.run([shell, option, text, *rest], check=True)
        return file.read_text().splitlines()

    assert boot("ssh-ed25519 A a", "ssh-ed25519 B 'b'") == [
        "ssh-ed25519 OWN somebody",
        "ssh-ed25519 A a",
        "ssh-ed25519 B 'b'",
    ]
    assert boot("ssh-ed25519 C") == ["ssh-ed25519 OWN somebody", "ssh-ed25519 C"]
    assert boot("ssh-ed25519 C") == ["ssh-ed25519 OWN somebody", "ssh-ed25519 C"]
    assert boot() == ["ssh-ed25519 OWN somebody"]
    assert oct(file.stat().st_mode)[-3:] == "600"
