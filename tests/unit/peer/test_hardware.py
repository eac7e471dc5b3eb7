# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node is made of, read from played files of a machine, of a virtual one, and of a container."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.peer import facts, hardware

SECRET = "S3RIAL"
MAC = "52:54:00:12:34:56"
THREAD = """\
processor\t: {thread}
model name\t: Intel(R) Xeon(R)  Silver 4110 CPU @ 2.10GHz
physical id\t: {socket}
core id\t\t: {core}
flags\t\t: fpu vmx sse2
"""
PACKAGES = """\
corosync 3.1.9-2 installed
libvirt-daemon 11.3.0-3 installed
lxc 1:6.0.4-4 config-files
"""


def asked(argv: Sequence[str], **_how: Any) -> CommandResult:
    assert argv[:2] == ["dpkg-query", "--show"]
    assert {"libvirt-daemon", "qemu-system-x86", "lxc", "pacemaker", "corosync"} <= set(argv)
    return CommandResult(tuple(argv), 1, PACKAGES, "dpkg-query: no packages found matching pacemaker\n")


def no_dpkg(_argv: Sequence[str], **_how: Any) -> CommandResult:
    raise CommandError("dpkg-query is not installed here")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two processors of two cores with two threads, two disks and a drive, a card, and a bridge."""

    def put(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    dmi = {
        "sys_vendor": "Dell Inc.", "product_name": "PowerEdge R640", "product_serial": SECRET, "board_serial": SECRET,
        "board_vendor": "Dell Inc.", "board_name": "To Be Filled By O.E.M.", "bios_vendor": "Dell Inc.",
        "bios_version": "2.21.2", "bios_date": "02/19/2024", "chassis_serial": SECRET, "product_uuid": SECRET,
    }  # fmt: skip
    for name, text in dmi.items():
        put(f"sys/class/dmi/id/{name}", f"{text}\n")
    (tmp_path / "sys/firmware/efi").mkdir(parents=True)
    places = [(socket, core) for socket in (0, 1) for core in (0, 1) for _thread in (0, 1)]
    threads = [THREAD.format(thread=n, socket=socket, core=core) for n, (socket, core) in enumerate(places)]
    put("proc/cpuinfo", "\n".join(threads))
    put("proc/meminfo", "MemTotal:       65536 kB\n")
    put("proc/sys/kernel/osrelease", "6.12.57+deb13-amd64\n")
    put("etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n')
    put("etc/debian_version", "13.2\n")
    for node in (0, 1):
        (tmp_path / f"sys/devices/system/node/node{node}").mkdir(parents=True)
    for name, size, rotates, model in (("sda", 2000, 1, "ST4000NM0035"), ("nvme0n1", 4000, 0, "SAMSUNG MZQL2")):
        put(f"sys/block/{name}/size", f"{size}\n")
        put(f"sys/block/{name}/queue/rotational", f"{rotates}\n")
        put(f"sys/block/{name}/device/model", f"{model}   \n")
        put(f"sys/block/{name}/device/serial", f"{SECRET}\n")
    put("sys/block/sda/device/vendor", "ATA     \n")
    # Virtual: its maker is a number, and whether it rotates is a guess. One without a disc, and one without a device.
    put("sys/block/vda/size", "10\n")
    put("sys/block/vda/queue/rotational", "1\n")
    put("sys/block/vda/device/vendor", "0x1af4\n")
    put("sys/block/sr0/size", "2097151\n")
    put("sys/block/sr0/device/model", "DVD\n")
    put("sys/block/dm-0/size", "10\n")
    for card in ("eno1", "br0"):
        put(f"sys/class/net/{card}/address", f"{MAC}\n")
        put(f"sys/class/net/{card}/operstate", "up\n")
        put(f"sys/class/net/{card}/speed", "10000\n")
    (tmp_path / "sys/bus/pci/drivers/ixgbe").mkdir(parents=True)
    (tmp_path / "sys/class/net/eno1/device").mkdir()
    (tmp_path / "sys/class/net/eno1/device/driver").symlink_to(tmp_path / "sys/bus/pci/drivers/ixgbe")
    put("sys/class/net/eno2/device/vendor", "0x8086\n")
    put("sys/class/net/eno2/speed", "-1\n")
    put("sys/class/net/eno2/operstate", "down\n")
    put("accelerator.json", json.dumps({"accelerator": "kvm"}))
    monkeypatch.setattr(facts, "RECORD", tmp_path / "accelerator.json")
    return tmp_path


def test_a_machine_is_described(machine: Path) -> None:
    found = hardware.hardware(machine, asked)
    # The machine that runs the test has it.
    assert found["software"].pop("architecture")
    assert found == {
        "system": {
            "model": "Dell Inc. PowerEdge R640",
            "firmware": "Dell Inc. 2.21.2",
            "firmware_date": "02/19/2024",
            "boot": "UEFI",
        },
        "processor": {
            "model": "Intel(R) Xeon(R) Silver 4110 CPU @ 2.10GHz",
            "sockets": 2,
            "cores": 4,
            "threads": 8,
            "numa": 2,
            "virtualisation": "VT-x",
        },
        "memory": 64 << 20,
        "disks": [
            {"name": "nvme0n1", "model": "SAMSUNG MZQL2", "size": 4000 * 512, "kind": "NVMe"},
            {"name": "sda", "model": "ST4000NM0035", "size": 2000 * 512, "kind": "HDD"},
            {"name": "vda", "size": 10 * 512},
        ],
        "cards": [
            {"name": "eno1", "driver": "ixgbe", "speed": 10_000_000_000, "state": "up"},
            {"name": "eno2", "state": "down"},
        ],
        "software": {
            "system": "Debian GNU/Linux 13 (trixie)",
            "release": "13.2",
            "kernel": "6.12.57+deb13-amd64",
            "accelerator": "kvm",
            "versions": {"libvirt": "11.3.0-3", "Corosync": "3.1.9-2"},
        },
    }


def test_no_viewer_learns_a_serial_number_or_a_mac_address(machine: Path) -> None:
    told = json.dumps(hardware.hardware(machine, asked))
    assert SECRET not in told
    assert MAC not in told


def test_what_a_container_does_not_see_is_left_out_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "RECORD", tmp_path / "accelerator.json")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n")
    found = hardware.hardware(tmp_path, no_dpkg)
    assert found.pop("software").keys() == {"architecture"}
    assert found == {
        "system": {},
        "processor": {"model": "AMD EPYC", "threads": 2},
        "memory": None,
        "disks": [],
        "cards": [],
    }
