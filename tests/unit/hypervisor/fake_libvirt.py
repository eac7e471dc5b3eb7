# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""python3-libvirt that does as it is told, with one domain."""

from __future__ import annotations

from typing import Any

NO_DOMAIN, UNSUPPORTED, OTHER = 42, 84, 1


class LibvirtError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code

    def get_error_code(self) -> int:
        return self.code


class Libvirt:
    """As much of python3-libvirt as Drover uses, with one domain; flags and constants are their own names."""

    libvirtError = LibvirtError
    VIR_ERR_NO_DOMAIN = NO_DOMAIN
    VIR_ERR_OPERATION_UNSUPPORTED = UNSUPPORTED
    VIR_DOMAIN_JOB_NONE = 0
    VIR_MIGRATE_LIVE, VIR_MIGRATE_PEER2PEER, VIR_MIGRATE_TLS, VIR_MIGRATE_UNDEFINE_SOURCE = 1, 2, 4, 8
    VIR_MIGRATE_AUTO_CONVERGE, VIR_MIGRATE_POSTCOPY, VIR_MIGRATE_PARALLEL = 16, 32, 64
    VIR_MIGRATE_NON_SHARED_DISK, VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES = 128, 256
    VIR_MIGRATE_POSTCOPY_RESUME = 512

    def __init__(self, state: tuple[int, int] = (1, 1), job: dict[str, Any] | int | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.domain_state, self.job = state, job or {}
        self.up = self.alive = self.present = True
        self.persistent = False
        self.errors: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("VIR_"):
            return name
        return lambda *arguments: self.calls.append((name, *arguments))

    def registerErrorHandler(self, _handler: Any, _context: Any) -> None:
        pass

    def open(self, _uri: str) -> Libvirt:
        if not self.up:
            raise LibvirtError(OTHER)
        return self

    def isAlive(self) -> int:
        return int(self.alive)

    def lookupByName(self, _name: str) -> Libvirt:
        if not self.alive:
            raise LibvirtError(OTHER)
        if not self.present:
            raise LibvirtError(NO_DOMAIN)
        return self

    def state(self) -> tuple[int, int]:
        return self.domain_state

    def diskErrors(self, _flags: int) -> dict[str, Any]:
        return self.errors

    def isPersistent(self) -> bool:
        return self.persistent

    def jobStats(self) -> dict[str, Any]:
        if isinstance(self.job, int):
            raise LibvirtError(self.job)
        return self.job
