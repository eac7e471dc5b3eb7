# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two machines: QEMU processes that emulate every instruction (TCG), so that Debian's own kernel runs anywhere.

No host's KVM is used, also where there is one: what this shows must not depend on it. They end with the process that
started them, however that ends, unless they are to be kept.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult, Runner, run
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import Process, processes

from .site import NODES, Node

__all__ = ["MEMORY_MIB", "SHARED", "MachineError", "Machines", "qemu_argv"]

MEMORY_MIB = 2048
_PR_SET_PDEATHSIG = 1
_WIRE = "wire"
#: The disk that both machines have, and its size.
SHARED, _SHARED_BYTES = "shared.disk", 4 << 20


class MachineError(DroverError):
    """A machine that cannot be started, or ended before it should."""


def qemu_argv(node: Node) -> list[str]:
    """What runs a node. Its files are relative to the folder of the site, in which it is started.

    The wire is a stream between the two processes: the first node waits for the second to plug in.
    """
    wire = f"stream,id=wire,server={'on' if node is NODES[0] else 'off'},addr.type=unix,addr.path={_WIRE}"
    entry = f"user,id=ssh,ipv6=off,hostfwd=tcp:127.0.0.1:{node.ssh_port}-{node.behind}:22"
    mac = f"52:54:00:d0:{node.number:02x}"
    return [
        *("qemu-system-x86_64", "-name", f"real-{node.name}", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB)),
        *("-drive", f"file={node.name}.qcow2,if=none,id=root,format=qcow2,cache=unsafe,discard=unmap"),
        *("-device", "virtio-blk-pci,drive=root,serial=root"),
        *("-drive", f"file={node.name}.seed,if=none,id=seed,format=raw,readonly=on"),
        *("-device", "virtio-blk-pci,drive=seed,serial=seed"),
        # One file for both machines, which neither keeps anything of in its memory.
        *("-drive", f"file={SHARED},if=none,id=shared,format=raw,cache=none,file.locking=off"),
        *("-device", "virtio-blk-pci,drive=shared,serial=shared,share-rw=on"),
        *("-netdev", entry, "-device", f"virtio-net-pci,netdev=ssh,mac={mac}:00,addr=0x10"),
        *("-netdev", wire, "-device", f"virtio-net-pci,netdev=wire,mac={mac}:01,addr=0x11"),
        *("-device", "virtio-rng-pci", "-serial", f"file:{node.name}.console"),
    ]


@dataclass(frozen=True)
class Machines:
    """The nodes' machines, whose files are in ``folder``."""

    folder: Path

    def running(self) -> Iterator[Process]:
        """Their processes, whoever started them."""
        names = {f"real-{node.name}" for node in NODES}
        for process in processes():
            if (
                process.program.startswith("qemu-system")
                and Path(process.cwd) == self.folder
                and names & {*process.argv}
            ):
                yield process

    def check_gone(self) -> None:
        """Nothing of an earlier run answers. Raises MachineError."""
        for process in self.running():
            raise MachineError(
                f"{process.argv[2]} runs still (process {process.pid}): end it with --end, or use it with --only"
            )
        for node in NODES:
            with socket.socket() as probe:
                probe.settimeout(2)
                if probe.connect_ex(("127.0.0.1", node.ssh_port)) == 0:
                    raise MachineError(
                        f"something listens at 127.0.0.1:{node.ssh_port}, where {node.name} is to answer"
                    )

    def start(self, base: Path, *, keep: bool) -> list[subprocess.Popen[bytes]]:
        """Start both from the image ``base``, on new disks. Raises MachineError."""
        (self.folder / _WIRE).unlink(missing_ok=True)
        (self.folder / SHARED).write_bytes(bytes(_SHARED_BYTES))
        started = []
        for node in NODES:
            disk = self.folder / f"{node.name}.qcow2"
            disk.unlink(missing_ok=True)
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(disk)])
            with (self.folder / f"{node.name}.qemu").open("wb") as words:
                started.append(
                    subprocess.Popen(
                        ["nice", "-n", "10", *qemu_argv(node)],
                        cwd=self.folder,
                        stdin=subprocess.DEVNULL,
                        stdout=words,
                        stderr=words,
                        # Ctrl+C is for this program, which then ends them itself.
                        start_new_session=True,
                        preexec_fn=None if keep else _end_with_parent,
                    )
                )
            self._wait_for_wire(started[-1], node)
        return started

    def _wait_for_wire(self, qemu: subprocess.Popen[bytes], node: Node) -> None:
        wait_for(
            lambda: (self.folder / _WIRE).exists() or qemu.poll() is not None,
            bool,
            what=f"the start of {node.name}'s QEMU",
            timeout=30,
            interval=0.1,
        )
        self.check_alive(qemu, node)

    def check_alive(self, qemu: subprocess.Popen[bytes], node: Node) -> None:
        """Raises MachineError with QEMU's last words."""
        if qemu.poll() is not None:
            words = (self.folder / f"{node.name}.qemu").read_text(errors="replace").strip()
            raise MachineError(f"{node.name}'s QEMU ended with {qemu.returncode}: {words or 'it said nothing'}")

    def end(self) -> None:
        """End both, as a power cut does, and see them gone."""
        for process in self.running():
            os.kill(process.pid, signal.SIGKILL)
        wait_for(
            lambda: [process.pid for process in self.running()], lambda left: not left, what="their end", timeout=30
        )
        (self.folder / _WIRE).unlink(missing_ok=True)

    def ssh_argv(self, node: Node) -> list[str]:
        """What runs a shell's line on the node; the line is its last argument."""
        options = [
            *("BatchMode=yes", "ConnectTimeout=60", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"),
            *(f"UserKnownHostsFile={self.folder}/known_hosts", f"IdentityFile={self.folder}/ssh_key"),
            # A login takes seconds there. What holds the connection ends with the machine.
            *("ControlMaster=auto", "ControlPersist=300", "ControlPath=/run/drover-real-%C"),
        ]
        flags = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", "none", "-q", *flags, "-p", str(node.ssh_port), "root@127.0.0.1"]

    def hang_up(self, node: Node) -> None:
        """Give the connection up that is held to a node which was restarted."""
        *flags, place = self.ssh_argv(node)
        run([*flags, "-O", "exit", place], timeout=10, ok=None)

    def on(self, node: Node) -> Runner:
        """Runs programs on the node as cspp.drover's own runner does here: same arguments, same errors."""
        prefix = self.ssh_argv(node)

        def on_node(argv: Sequence[str], **how: Any) -> CommandResult:
            return run([*prefix, f"LC_ALL=C {shlex.join(argv)}"], **how)

        return on_node

    def answers(self, node: Node) -> bool:
        """Whether the node lets somebody in."""
        try:
            return self.on(node)(["true"], timeout=90, ok=None).rc == 0
        except CommandError:
            return False


def _end_with_parent() -> None:
    """In the child: its end is the kernel's business when its parent ends. `nice` hands this on to QEMU."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
