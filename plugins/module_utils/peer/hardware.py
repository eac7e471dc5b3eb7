# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node is made of: its machine, processors, memory, disks and network cards, and what runs on them.

All of it comes from files of the kernel and of Debian, and the versions from dpkg. What is not to be read there is
left out, in a container more than on a machine. No serial numbers and no MAC addresses are told: nobody needs them to
see how a node is, and every viewer is told all of this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.command import CommandError, Runner, run
from ..core.quantities import KIB
from .channel import Peer
from .facts import accelerator

__all__ = ["PACKAGES", "hardware", "service"]

#: What people ask the version of, by its package.
PACKAGES = {
    "libvirt": "libvirt-daemon",
    "QEMU": "qemu-system-x86",
    "LXC": "lxc",
    "Pacemaker": "pacemaker",
    "Corosync": "corosync",
    "Ceph": "ceph-common",
}
#: What makers of boards leave there when they have nothing to say.
_FILLER = re.compile(r"to be filled|default string|system (product|manufacturer)|not (specified|applicable)", re.I)
_SECTOR = 512


def hardware(root: Path = Path("/"), runner: Runner = run) -> dict[str, Any]:
    """The facts by subject: ``system``, ``processor``, ``memory`` (bytes), ``disks``, ``cards``, ``software``."""
    return {
        "system": _system(root / "sys/class/dmi/id", root / "sys/firmware/efi"),
        "processor": _processor(root / "proc/cpuinfo", root / "sys/devices/system/node"),
        "memory": _memory(root / "proc/meminfo"),
        "disks": [_disk(folder.parent) for folder in sorted((root / "sys/block").glob("*/device")) if _is_disk(folder)],
        "cards": [_card(folder.parent) for folder in sorted((root / "sys/class/net").glob("*/device"))],
        "software": _software(root, runner),
    }


def service(_request: Mapping[str, Any], peer: Peer) -> None:
    """Tell another node what this one is made of."""
    peer.send({"hardware": hardware()})


def _known(**facts: Any) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}


def _system(dmi: Path, efi: Path) -> dict[str, Any]:
    firmware = _joined(_named(dmi / "bios_vendor"), _named(dmi / "bios_version"))
    return _known(
        model=_joined(_named(dmi / "sys_vendor"), _named(dmi / "product_name")),
        board=_joined(_named(dmi / "board_vendor"), _named(dmi / "board_name")),
        firmware=firmware,
        firmware_date=_named(dmi / "bios_date"),
        boot="UEFI" if efi.is_dir() else "BIOS" if firmware else None,
    )


def _joined(maker: str, name: str) -> str:
    """What somebody made, with the maker unless the name begins with that; empty without a name."""
    return name if not maker or name.lower().startswith(maker.lower()) else f"{maker} {name}" if name else ""


def _processor(cpuinfo: Path, numa: Path) -> dict[str, Any]:
    threads = [dict(_pairs(part)) for part in _text(cpuinfo).strip().split("\n\n") if part.strip()]
    threads = [thread for thread in threads if "processor" in thread]
    if not threads:
        return {}
    first, sockets = threads[0], {thread["physical id"] for thread in threads if "physical id" in thread}
    cores = {
        (thread["physical id"], thread["core id"]) for thread in threads if {"physical id", "core id"} <= thread.keys()
    }
    flags = first.get("flags", "").split()
    return _known(
        model=" ".join(first.get("model name", "").split()),
        sockets=len(sockets) or None,
        cores=len(cores) or None,
        threads=len(threads),
        numa=sum(1 for _node in numa.glob("node[0-9]*")) or None,
        virtualisation="VT-x" if "vmx" in flags else "AMD-V" if "svm" in flags else None,
    )


def _memory(meminfo: Path) -> int | None:
    total = dict(_pairs(_text(meminfo))).get("MemTotal", "").split()
    return int(total[0]) * KIB if total else None


def _is_disk(device: Path) -> bool:
    """Whether it is one, and not a drive without a disc in it."""
    return _number(device.parent / "size") not in (None, 0) and not device.parent.name.startswith(("sr", "fd"))


def _disk(folder: Path) -> dict[str, Any]:
    model, rotates = _model(folder / "device"), _number(folder / "queue/rotational")
    # Of one without a model, a virtual one, the kernel only supposes that it rotates.
    kind = "HDD" if rotates else "SSD" if rotates == 0 else None
    return _known(
        name=folder.name,
        model=model,
        size=(_number(folder / "size") or 0) * _SECTOR,
        kind="NVMe" if folder.name.startswith("nvme") else kind if model else None,
    )


def _model(device: Path) -> str:
    """A disk's; a virtual one has none, and a number for its maker."""
    maker = _named(device / "vendor")
    return _joined("" if maker == "ATA" else maker, _named(device / "model"))


def _card(folder: Path) -> dict[str, Any]:
    driver, speed = folder / "device/driver", _number(folder / "speed")
    return _known(
        name=folder.name,
        driver=driver.resolve().name if driver.exists() else None,
        # Bits a second; a card without a cable says -1 or nothing.
        speed=speed * 1_000_000 if speed and speed > 0 else None,
        state=_text(folder / "operstate").strip(),
    )


def _software(root: Path, runner: Runner) -> dict[str, Any]:
    release = {
        key: value.strip('"')
        for key, _, value in (line.partition("=") for line in _text(root / "etc/os-release").splitlines())
    }
    versions: dict[str, str] = {}
    with suppress(CommandError):
        form = "--showformat=${Package} ${Version} ${db:Status-Status}\n"
        said = runner(["dpkg-query", "--show", form, *PACKAGES.values()], timeout=10.0, ok=None).stdout
        versions = {words[0]: words[1] for line in said.splitlines() if (words := line.split())[2:] == ["installed"]}
    return _known(
        system=release.get("PRETTY_NAME"),
        release=_text(root / "etc/debian_version").strip(),
        kernel=_text(root / "proc/sys/kernel/osrelease").strip(),
        architecture=os.uname().machine,
        accelerator=accelerator(),
        versions={name: versions[package] for name, package in PACKAGES.items() if package in versions} or None,
    )


def _named(file: Path) -> str:
    """A name that the firmware or a device gives, unless it is none."""
    text = " ".join(_text(file).split())
    return "" if _FILLER.search(text) else text


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def _number(file: Path) -> int | None:
    try:
        return int(_text(file))
    except ValueError:
        return None


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""
