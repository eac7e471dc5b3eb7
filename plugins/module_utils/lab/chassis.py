# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab node's power: starting, cutting and asking after the system container that is the node."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from ..core.atomic import write
from ..core.command import Runner, run
from ..core.errors import DroverError
from ..core.wait import WaitTimeout, wait_for
from .machine import is_leader, mount_points, processes, root_upper_directory

__all__ = ["REBOOT", "Behaviour", "BmcSettings", "Chassis", "ChassisError", "forget_nspawn", "kill"]

#: What systemd-nspawn exits with when the system inside asked for a reboot.
REBOOT = 133
#: systemd's own signal for "power button pressed" (poweroff.target).
SIGNAL_POWEROFF = signal.SIGRTMIN + 4
SHELL = ("/bin/sh", "-c")
#: Seconds that systemd-nspawn gets to start its container, or to clean up after it.
PATIENCE = 1.0
#: Kept by systemd-nspawn outside of the node's directory.
NSPAWN_STATE = Path("/run/systemd/nspawn")


class ChassisError(DroverError):
    """The node could not be brought into the wanted state."""


class Behaviour(StrEnum):
    """What a BMC makes of orders: a file in its node's directory says so, and may change at any time."""

    PROMPT = "prompt"
    #: Accepts an order now and carries it out two seconds later, as real ones may.
    SLOW = "slow"
    #: Answers nobody, as one that has lost its power.
    SILENT = "silent"
    #: Accepts an order and does not carry it out.
    LYING = "lying"

    @classmethod
    def load(cls, directory: Path) -> Behaviour:
        with suppress(FileNotFoundError, ValueError):
            return cls((directory / "bmc.behaviour").read_text().strip())
        return cls.PROMPT

    def save(self, directory: Path) -> None:
        write(directory / "bmc.behaviour", f"{self}\n")


@dataclass(frozen=True)
class BmcSettings:
    """Where one BMC listens and whom it obeys."""

    address: str
    port: int
    user: str
    password: str

    @classmethod
    def load(cls, directory: Path) -> BmcSettings:
        return cls(**json.loads((directory / "bmc.json").read_text()))

    def save(self, directory: Path) -> None:
        write(directory / "bmc.json", json.dumps(asdict(self), indent=1) + "\n")


@dataclass(frozen=True)
class Chassis:
    """One node as hardware. Stored as JSON in the node's directory, so that its BMC needs nothing else."""

    machine: str
    directory: str
    base: str
    bridge: str
    uuid: str
    console_log: str
    binds: Sequence[str] = ()

    @classmethod
    def load(cls, directory: Path) -> Chassis:
        return cls(**json.loads((directory / "chassis.json").read_text()))

    def save(self, directory: Path) -> None:
        write(directory / "chassis.json", json.dumps(asdict(self), indent=1) + "\n")

    @property
    def upper(self) -> str:
        return f"{self.directory}/upper"

    @property
    def root(self) -> Path:
        return Path(self.directory) / "root"

    @property
    def cgroup_name(self) -> str:
        return f"drover-lab-{self.machine}"

    @property
    def exit_file(self) -> Path:
        """Where systemd-nspawn's exit status is left for whichever BMC is there then."""
        return Path(self.directory) / "exit"

    # -- asking ---------------------------------------------------------------------------------

    def leader(self) -> int | None:
        """The process that is PID 1 inside the node, or None when the power is off."""
        for process in processes():
            if is_leader(process.pid) and root_upper_directory(process.pid) == self.upper:
                return process.pid
        return None

    def supervisor(self) -> int | None:
        """The systemd-nspawn process of this node."""
        for process in processes():
            if process.program == "systemd-nspawn" and f"--directory={self.root}" in process.argv:
                return process.pid
        return None

    def is_on(self) -> bool:
        return self.leader() is not None or self.supervisor() is not None

    # -- acting ---------------------------------------------------------------------------------

    def mount(self, runner: Runner = run) -> None:
        """Insert the disk: the shared base with this node's own layer over it."""
        if str(self.root) in mount_points():
            return
        options = f"lowerdir={self.base},upperdir={self.upper},workdir={self.directory}/work"
        runner(["mount", "-t", "overlay", "-o", options, self.machine, str(self.root)])

    def unmount(self, runner: Runner = run) -> None:
        for point in reversed(mount_points()):
            if point == str(self.root) or point.startswith(f"{self.root}/"):
                runner(["umount", "--lazy", point])

    def boot(self, runner: Runner = run) -> subprocess.Popen[bytes]:
        """Switch it on, as a child of this process in a session of its own."""
        self.unplug(runner)
        self.mount(runner)
        self.exit_file.unlink(missing_ok=True)
        with Path(self.console_log).open("ab") as console:
            child = subprocess.Popen(
                self.boot_argv(self.make_cgroup()),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **NSPAWN_ENVIRONMENT},
            )
        # Only then is it seen to be on, and can it be cut off again.
        wait_for(
            lambda: self.is_on() or child.poll() is not None,
            bool,
            what=f"the start of systemd-nspawn for {self.machine}",
            timeout=5,
            interval=0.01,
        )
        return child

    def make_cgroup(self) -> Path | None:
        """A control group for the node alone; None where the host's systemd is to make it.

        Nodes in one group would be one to systemd inside: stopping a service on one stops it on all.
        """
        if Path("/run/systemd/system").is_dir():
            return None
        mounted = mount_points("cgroup2")
        if not mounted:
            raise ChassisError("no cgroup2 file system is mounted here: `mount -t cgroup2 none /sys/fs/cgroup`")
        cgroup = Path(mounted[0]) / self.cgroup_name
        cgroup.mkdir(exist_ok=True)
        return cgroup

    def boot_argv(self, cgroup: Path | None) -> list[str]:
        enter_cgroup = [*SHELL, 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(cgroup)]
        make_scope = [
            "systemd-run",
            "--scope",
            "--quiet",
            "--collect",
            "--property=Delegate=yes",
            f"--unit={self.cgroup_name}",
        ]
        return [
            *[*SHELL, '"$@"; echo $? >"$0"', str(self.exit_file)],
            *(make_scope if cgroup is None else enter_cgroup),
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={self.root}",
            f"--machine={self.machine}",
            f"--uuid={self.uuid}",
            "--register=no",
            "--keep-unit",
            "--private-network",
            f"--network-bridge={self.bridge}",
            "--capability=all",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            "--console=pipe",
            *(f"--bind={bind}" for bind in self.binds),
        ]

    def take_exit_status(self) -> int | None:
        """How the node last went down by itself, once; None while it has not."""
        try:
            status = int(self.exit_file.read_text())
            self.exit_file.unlink()
        except (FileNotFoundError, ValueError):  # not there, or just being written
            return None
        return status

    def cut_power(self, *, timeout: float = 5.0, runner: Runner = run) -> None:
        """End every process of the node at once, as pulling the plug would.

        Killing the first process of a PID namespace makes the kernel kill all others, and it is gone
        only when they are. The disk stays as it was.
        """
        patient_until = time.monotonic() + PATIENCE

        def strike() -> bool:
            leader = self.leader()
            supervisor = self.supervisor()
            if leader is not None:
                kill(leader, signal.SIGKILL)
            elif supervisor is not None and time.monotonic() >= patient_until:
                kill(supervisor, signal.SIGKILL)
            return leader is not None or supervisor is not None

        try:
            wait_for(
                strike,
                lambda on: not on,
                what=f"the end of all processes of {self.machine}",
                timeout=timeout,
                interval=0.02,
            )
        except WaitTimeout as error:
            raise ChassisError(str(error)) from error
        self.unplug(runner)

    def press_power_button(self) -> None:
        """Ask the system inside to shut down."""
        leader = self.leader()
        if leader is not None:
            kill(leader, SIGNAL_POWEROFF)

    def unplug(self, runner: Runner = run) -> None:
        """Remove what a killed systemd-nspawn leaves behind on the host."""
        runner(["ip", "link", "delete", f"vb-{self.machine}"], ok=None)
        propagate = NSPAWN_STATE / "propagate" / self.machine
        if propagate.is_dir():
            propagate.rmdir()
        for mounted in mount_points("cgroup") + mount_points("cgroup2"):
            for directory, _, _ in os.walk(f"{mounted}/{self.cgroup_name}", topdown=False):
                with suppress(OSError):  # still busy: the next one to come by removes it
                    Path(directory).rmdir()


NSPAWN_ENVIRONMENT = {
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
    "SYSTEMD_SECCOMP": "0",
}


def forget_nspawn() -> None:
    """Remove systemd-nspawn's own directories when no container uses them."""
    for directory in (*(NSPAWN_STATE / name for name in ("propagate", "locks", "unix-export")), NSPAWN_STATE):
        with suppress(OSError):
            directory.rmdir()


def kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
