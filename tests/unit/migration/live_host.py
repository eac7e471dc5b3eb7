# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A libvirt that migrates a VM as it is told, for tests of a migration from its source's side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Progress
from ansible_collections.cspp.drover.plugins.module_utils.migration.live import LiveMigration

MIB = 1024**2
NIC = {"mac": "52:54:00:aa:bb:cc"}


class Host:
    """Migrates for as long as there is progress to show, then succeeds or fails with ``error``."""

    def __init__(self, *progress: Progress, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._progress = list(progress)
        self._error = error
        self._over = threading.Event()
        self.resume_heard = self.stop_heard = True
        #: Failed post-copies that libvirt does not forget by itself.
        self.kept = 0

    def watch(self, _name: str, stopped: Callable[[], None], resumed: Callable[[], None]) -> None:
        self.stopped, self.resumed = stopped, resumed

    def migrate(self, _name: str, target: str, **how: Any) -> None:
        self.calls.append(f"migrate {target} {how}")
        if self._progress:
            assert self._over.wait(10)
        if self.stop_heard:
            self.stopped()
        if self._error:
            if self.resume_heard:
                self.resumed()
            raise self._error

    def progress(self, _name: str) -> Progress | None:
        if len(self._progress) == 1:
            self._over.set()
        return self._progress.pop(0) if self._progress else None

    def set_bandwidth(self, _name: str, bandwidth: int, *, post_copy: bool) -> None:
        self.calls.append(f"set_bandwidth {bandwidth}{' of post-copy' if post_copy else ''}")

    def failed_post_copy(self, _name: str) -> bool:
        return self.kept > 0

    def hang_up(self, _target: str, _seconds: float) -> bool:
        return False

    def forget_post_copy(self, _name: str) -> None:
        self.calls.append("forget_post_copy")
        self.kept -= 1

    def __getattr__(self, name: str) -> Callable[..., None]:
        def do(_name: str, *arguments: Any) -> None:
            self.calls.append(" ".join([name, *map(str, arguments)]))
            if name == "abort":
                self._error = HostError("operation aborted")
                self._over.set()

        return do


class Forwarder:
    """Stands for the thread that sends packets on."""

    made: list[Forwarder]

    def __init__(self, _guest: str, taps: list[str], target: str) -> None:
        self.calls = [f"{target} {taps}"]
        self.sent, self.trouble = 3, ""
        self.made.append(self)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append(" ".join([name, *(str(sorted(a)) for a in arguments)]))


def migration(
    host: Any, disks: Sequence[dict[str, Any]] = (), giving_way: Callable[[], str] = lambda: "", **policy: Any
) -> LiveMigration:
    definition = {"name": "web", "memory": 256 * MIB, "nics": [NIC], "disks": disks, "migration": policy}
    return LiveMigration(definition, "n1", "n2", host, giving_way=giving_way, tick=0.005)


def looks(count: int) -> list[Progress]:
    """A guest that changes memory faster than the wire."""
    return [Progress(2 + i, 200 * MIB, 900 * MIB, 500 * MIB, memory_sent=(i + 1) * 200 * MIB) for i in range(count)]
