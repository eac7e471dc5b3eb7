# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LXC on this node, through its commands.

Configurations live under /run: a node that was down has none, so nothing can be started from an old one.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError
from ..core.processes import born, command_line, lives, parent
from .lxc_devices import withdraw

__all__ = ["LxcError", "LxcHost", "controllers"]

_ROOT = Path("/run/drover/lxc")
#: What Debian's LXC refuses every container.
_SECCOMP = Path("/usr/share/lxc/config/common.seccomp")
_CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
#: LXC's words for a container that is not there at all.
STOPPED = "STOPPED"
#: LXC's words for one on its way up or down.
PASSING = frozenset({"STARTING", "STOPPING", "ABORTING"})
#: What systemd as a container's init takes for an order to halt.
_HALT = signal.SIGRTMIN + 3


class LxcError(DroverError):
    """LXC refused or failed; the text is LXC's own."""


class LxcHost:
    """The containers of this node, by name. Every method raises LxcError when LXC fails it."""

    def __init__(self, runner: Runner = run, root: Path = _ROOT) -> None:
        self._runner = runner
        self._root = root

    def state(self, name: str) -> str:
        """LXC's word for the state: ``RUNNING``, ``STOPPED``, ``FROZEN`` and so on."""
        known = self._config(name).exists()
        return self._lxc("lxc-info", name, "-s", "-H", ok=(0,) if known else (0, 1)) or STOPPED

    def names(self) -> list[str]:
        """The containers that were started here and are not forgotten."""
        return sorted(config.parent.name for config in self._root.glob("*/config"))

    def init_pid(self, name: str) -> int:
        """The process id of the running container's init, as the node sees it."""
        said = self._lxc("lxc-info", name, "-p", "-H")
        if not said.isdigit():
            raise LxcError(f"{name} has no init: it does not run")
        return int(said)

    def config(self, name: str) -> str:
        """The configuration the container was started from; empty for one that was not started here."""
        try:
            return self._config(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def write_config(self, name: str, config: str) -> None:
        """Put down the configuration to start the container from, or what it has meanwhile become."""
        path = self._config(name)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text(config, encoding="utf-8")

    def start(self, name: str, config: str, timeout: float) -> None:
        """Start the container; returns when its init runs."""
        from .lxc_config import SECCOMP, seccomp  # not what every agent needs

        self.write_config(name, config)
        if f"\n{SECCOMP}" in config:
            common = _SECCOMP.read_text(encoding="utf-8")
            self._config(name).with_name("seccomp").write_text(seccomp(common), encoding="utf-8")
        log = self._root / name / "log"
        log.unlink(missing_ok=True)
        try:
            # How it ends is only told among what is for finding faults (see power_off.py).
            self._lxc("lxc-start", name, "-d", "-o", str(log), "-l", "DEBUG", timeout=timeout)
        except LxcError as error:
            raise LxcError(_causes(log) or str(error)) from error

    def announce(self, name: str, nics: Sequence[Mapping[str, Any]]) -> None:
        """Tell the network where the running container is. Raises OSError, too, when it has ended meanwhile."""
        from .announce import announce

        announce(self.init_pid(name), nics)

    def stop(self, name: str, patience: int, timeout: float) -> None:
        """Ask the container's init to halt; after ``patience`` seconds kill all of it."""
        self._lxc("lxc-stop", name, "-t", str(patience), timeout=timeout, ok=(0, 2))

    def kill(self, name: str, timeout: float) -> None:
        """Kill all of the container."""
        self._lxc("lxc-stop", name, "-k", timeout=timeout, ok=(0, 2))

    def processes(self, name: str) -> tuple[int, ...]:
        """LXC's monitor of the container and the container's init, without asking LXC; none when it does not run.

        The kernel ends init when the monitor ends, and all of the container with init.
        """
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        title = f"[lxc monitor] {self._root} {name}".encode()
        monitors = {pid for pid in pids if command_line(pid).rstrip(b"\0") == title}
        inits = [pid for pid in pids if parent(pid) in monitors]
        return (*sorted(monitors), *inits)

    def end(
        self, name: str, patience: float, left: Callable[[], float], sleep: Callable[[float], None], reserve: float = 3
    ) -> bool:
        """End the container without LXC: ask its init to halt, kill it after ``patience`` seconds. True: it is gone.

        ``left`` tells the seconds that remain; the killing begins with ``reserve`` of them at the latest.
        """
        found = {pid: born(pid) for pid in self.processes(name)}
        kill_below = max(left() - patience, reserve)
        if patience > 0:
            _signal(list(found)[1:], _HALT)
        killed = False
        while True:
            if not any(when is not None and lives(pid, when) for pid, when in found.items()):
                return True
            if left() <= 0:
                return False
            if not killed and left() <= kill_below:
                _signal(list(found), signal.SIGKILL)
                killed = True
            sleep(0.1)

    def forget(self, name: str) -> None:
        """Remove what a stopped container has left behind on the node."""
        shutil.rmtree(self._root / name, ignore_errors=True)
        withdraw(name)

    def set_limits(self, name: str, limits: Mapping[str, str]) -> None:
        """Write cgroup v2 files of the running container."""
        for key, value in limits.items():
            self._lxc("lxc-cgroup", name, key, value)

    def _config(self, name: str) -> Path:
        return self._root / name / "config"

    def _lxc(self, command: str, name: str, *arguments: str, timeout: float = 15.0, ok: tuple[int, ...] = (0,)) -> str:
        argv = [command, "-P", str(self._root), "-n", name, *arguments]
        try:
            return str(self._runner(argv, timeout=timeout, ok=ok).stdout).strip()
        except CommandError as error:
            raise LxcError(str(error)) from error


def controllers() -> frozenset[str]:
    """The cgroup v2 controllers this node can limit a container with."""
    try:
        return frozenset(_CONTROLLERS.read_text(encoding="ascii").split())
    except OSError:
        return frozenset()


def _signal(pids: Sequence[int], which: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, which)


def _causes(log: Path) -> str:
    """The first errors in LXC's log, which are the causes of the others."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    # lxc-start NAME TIME ERROR    idmap_utils - ../src/lxc/idmap_utils.c:lxc_map_ids:245 - newuidmap failed
    errors = [line.split(" - ", 2)[-1] for line in lines if " ERROR " in line]
    return "; ".join(errors[:2])
