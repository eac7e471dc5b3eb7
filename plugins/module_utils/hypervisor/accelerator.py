# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a node's virtual machines run on KVM or on TCG (QEMU's own, slow processor): found out by booting one.

``/dev/kvm`` proves little: inside another hypervisor it may be there, open, and yet not carry a guest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.command import CommandError, Runner, run

__all__ = ["RECORD", "Circumstances", "circumstances", "find_out", "recorded", "settled"]

#: Where a node keeps the answer.
RECORD = Path("/etc/drover/accelerator.json")
#: What the tiny VM's init says when told on the kernel's command line to say so and power off.
MARKER = "drover: probe passed"

_MEMORY_MIB = "192"


@dataclass(frozen=True)
class Circumstances:
    """What the answer depends on; while none of it changes, nor does the answer.

    ``qemu`` is its package's version, ``kernel`` the hash of the image that is booted, ``host`` the node's own kernel,
    ``device`` whether there is a /dev/kvm.
    """

    qemu: str
    kernel: str
    host: str
    device: bool


def circumstances(kernel: str, *, device: Path = Path("/dev/kvm"), run: Runner = run) -> Circumstances:
    """This node's. ``kernel`` is the hash of the image to boot. Raises CommandError without QEMU."""
    qemu = run(["dpkg-query", "--show", "--showformat", "${Version}", "qemu-system-x86"]).stdout.strip()
    host = run(["uname", "--kernel-release"]).stdout.strip()
    return Circumstances(qemu=qemu, kernel=kernel, host=host, device=device.exists())


def recorded(text: str, now: Circumstances) -> dict[str, Any] | None:
    """The answer in ``text``, the record as left by an earlier run, if its circumstances are the same."""
    try:
        record = json.loads(text)
    except ValueError:
        return None
    if not isinstance(record, dict) or any(record.get(key) != value for key, value in asdict(now).items()):
        return None
    return record if record.get("accelerator") in ("kvm", "tcg") else None


def settled(record: Mapping[str, Any]) -> bool:
    """Whether an answer can be relied on while its circumstances stay the same.

    One cannot: that there is a device, yet it did not carry the tiny VM. The node may have been too busy just then.
    """
    return bool(record["accelerator"] == "kvm" or not record["device"])


def find_out(
    now: Circumstances, image: Path, scratch: Path, *, timeout: float = 10.0, run: Runner = run
) -> dict[str, Any]:
    """Boot the tiny image in folder ``image`` with KVM. Returns the record: the answer, why, and what it depends on.

    ``scratch`` is a folder for the guest's console. Takes ``timeout`` seconds at most.
    """
    fault = _fault(image, scratch / "console", timeout, run) if now.device else "there is no /dev/kvm"
    return {
        "accelerator": "tcg" if fault else "kvm",
        "reason": f"no KVM: {fault}" if fault else "the tiny VM booted with KVM",
        **asdict(now),
    }


def _fault(image: Path, console: Path, timeout: float, run: Runner) -> str:
    """What went wrong when the image was booted with KVM; empty when it came up."""
    argv = ["qemu-system-x86_64", "-machine", "q35,accel=kvm", "-cpu", "host", "-m", _MEMORY_MIB]
    argv += ["-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}"]
    argv += ["-kernel", str(image / "kernel"), "-initrd", str(image / "initrd")]
    argv += ["-append", "console=ttyS0 quiet panic=1 drover.probe"]
    try:
        run(argv, timeout=timeout)
    except CommandError as error:
        if error.result is None:
            return f"the tiny VM did not boot within {timeout:g} s"
        said = error.result.stderr.strip().splitlines()
        return said[-1] if said else f"QEMU exited with {error.result.rc}"
    shown = console.read_text(errors="replace") if console.exists() else ""
    return "" if MARKER in shown else "the tiny VM ended before it was up"
