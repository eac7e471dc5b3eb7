# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Live migration by libvirt: the job that moves a VM to another node, its speed, its progress, its outcome, its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..core.atomic import write
from ..core.command import CommandError, Runner, run
from .emulator import record_of, without_dead_job
from .libvirt_connection import HostError, LibvirtConnection, LibvirtUnreachable, VmGone

__all__ = ["LIBVIRT_PORT", "MigrationJobs", "Outcome", "Progress"]

#: Where libvirt's daemon listens for other nodes.
LIBVIRT_PORT = 16514
_MIB = 1024**2
#: A line of ss(8) on a connection of the daemon to another node's.
_CONNECTION = re.compile(r':(?P<port>\d+)\s+\S+\s+users:\(\("libvirtd".*\blastrcv:(?P<silent>\d+)')


class Progress(NamedTuple):
    """A migration under way.

    Passes over the memory begun, bytes left in this one, bytes changed and bytes sent per second, per cent by which the
    VM is slowed down. Bytes sent so far, of disks as well; bytes of its memory and, with local disks, of these and what
    is left of them. Bytes sent so far of memory alone.
    """

    passes: int
    remaining: int
    dirty_rate: int
    rate: int = 0
    throttle: int = 0
    sent: int = 0
    memory: int = 0
    disks: int = 0
    disks_remaining: int = 0
    memory_sent: int = 0


class Outcome(NamedTuple):
    """A finished migration in milliseconds, by libvirt's count, with its passes and the bytes that were sent."""

    total: int
    pause: int
    passes: int = 0
    sent: int = 0


class MigrationJobs(LibvirtConnection):
    """The migrations of this node's VMs, by a VM's name. Every method raises HostError when libvirt fails it."""

    def migrate(
        self,
        name: str,
        target: str,
        *,
        bandwidth: int | None = None,
        auto_converge: bool = False,
        post_copy: bool = False,
        channels: int = 1,
        disks: Sequence[str] = (),
        again: bool = False,
    ) -> None:
        """Move the running VM to the node ``target``; returns when it runs there.

        ``bandwidth`` is in bytes a second. ``post_copy`` makes :meth:`start_post_copy` possible. ``disks`` are the
        targets of those that are copied along, into files of the same size that are at the target already; writes go
        to both sides in the end. ``again`` takes up a post-copy that lost its connection.

        The daemons of the two nodes do it between them (peer to peer): a caller that dies neither stops it nor
        leaves the VM on both. Streams and control are encrypted.
        """
        virt = self._libvirt
        flags = virt.VIR_MIGRATE_LIVE | virt.VIR_MIGRATE_PEER2PEER | virt.VIR_MIGRATE_TLS
        parameters: dict[str, Any] = {virt.VIR_MIGRATE_PARAM_URI: f"tcp://{target}"}
        if bandwidth is not None:
            parameters[virt.VIR_MIGRATE_PARAM_BANDWIDTH] = max(1, bandwidth // _MIB)
        if auto_converge:
            flags |= virt.VIR_MIGRATE_AUTO_CONVERGE
        if post_copy:
            flags |= virt.VIR_MIGRATE_POSTCOPY
            if bandwidth is not None:
                parameters[virt.VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY] = max(1, bandwidth // _MIB)
        if again:
            flags |= virt.VIR_MIGRATE_POSTCOPY_RESUME
        if channels > 1:
            flags |= virt.VIR_MIGRATE_PARALLEL
            parameters[virt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS] = channels
        if disks:
            flags |= virt.VIR_MIGRATE_NON_SHARED_DISK | virt.VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES
            parameters[virt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(disks)
        with self._errors():
            domain = self._connection.lookupByName(name)
            if domain.isPersistent():  # somebody defined it by hand
                flags |= virt.VIR_MIGRATE_UNDEFINE_SOURCE
            domain.migrateToURI3(f"qemu+tls://{target}/system", parameters, flags)

    def start_post_copy(self, name: str) -> None:
        """Let the VM go on at the target of its migration now, and fetch the rest of its memory afterwards."""
        self._on(name, lambda domain: domain.migrateStartPostCopy(0))

    def set_bandwidth(self, name: str, bandwidth: int, *, post_copy: bool = False) -> None:
        """Bytes a second that a migration under way may use; with ``post_copy``, once it has become one."""
        flags = self._libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY if post_copy else 0
        self._on(name, lambda domain: domain.migrateSetMaxSpeed(max(1, bandwidth // _MIB), flags))

    def set_max_downtime(self, name: str, milliseconds: int) -> None:
        """How long a pause QEMU may plan at the end of a migration, one under way or the next."""
        self._on(name, lambda domain: domain.migrateSetMaxDowntime(milliseconds, 0))

    def watch(self, name: str, stopped: Callable[[], None], resumed: Callable[[], None]) -> None:
        """Call ``stopped`` when the VM stops for the end of its migration, ``resumed`` when it goes on here after all.

        From a thread of its own, within milliseconds. Needs a host with ``events``.
        """
        virt = self._libvirt

        def lifecycle(_connection: object, _domain: object, event: int, _detail: int, _opaque: object) -> None:
            if event == virt.VIR_DOMAIN_EVENT_SUSPENDED:
                stopped()
            elif event == virt.VIR_DOMAIN_EVENT_RESUMED:
                resumed()

        self._on(
            name,
            lambda domain: self._connection.domainEventRegisterAny(
                domain, virt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None
            ),
        )

    def progress(self, name: str) -> Progress | None:
        """The VM's migration to another node, or None when none is under way."""
        try:
            with self._errors():
                direction, stats = self._migration(self._connection.lookupByName(name))
        except VmGone:
            return None
        if direction != "out":
            return None
        page = stats.get("memory_page_size", 4096)
        return Progress(
            passes=stats.get("memory_iteration", 0),
            remaining=stats.get("memory_remaining", 0),
            dirty_rate=stats.get("memory_dirty_rate", 0) * page,
            rate=stats.get("memory_bps", 0),
            throttle=stats.get("auto_converge_throttle", 0),
            sent=stats.get("data_processed", 0),
            memory=stats.get("memory_total", 0),
            disks=stats.get("disk_total", 0),
            disks_remaining=stats.get("disk_remaining", 0),
            memory_sent=stats.get("memory_processed", 0),
        )

    def outcome(self, name: str) -> Outcome | None:
        """How the migration that brought the VM here went, or None. Can be asked for again and again."""
        virt = self._libvirt
        with self._errors():
            domain = self._connection.lookupByName(name)
            stats = domain.jobStats(virt.VIR_DOMAIN_JOB_STATS_COMPLETED | virt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)
            if stats.get("operation") != virt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN:
                return None
            return Outcome(
                total=stats.get("time_elapsed", 0),
                pause=stats.get("downtime", 0),
                passes=stats.get("memory_iteration", 0),
                sent=stats.get("data_processed", 0),
            )

    def abort(self, name: str) -> None:
        """Call a migration off; the VM goes on where it is."""
        self._on(name, lambda domain: domain.abortJob())

    def hang_up(self, target: str, seconds: float, run_program: Runner = run) -> bool:
        """Close the daemon's connections to the node ``target`` that have brought nothing for ``seconds``.

        True when there was one. What waits for it then fails. Between the daemons go keepalive messages, but not before
        they have greeted each other: when the target dies in between, or its daemon hangs, a migration would wait for
        ever (libvirt 11.3), and could not be called off.
        """
        to_target = ["dst", target, "dport", "=", str(LIBVIRT_PORT)]
        try:
            lines = run_program(["ss", "-HOtnpi", *to_target]).stdout.splitlines()
            found = filter(None, map(_CONNECTION.search, lines))
            silent = [one["port"] for one in found if int(one["silent"]) >= 1000 * seconds]
            for port in silent:
                run_program(["ss", "-HKtn", *to_target, "sport", "=", port])
        except CommandError as error:
            raise HostError(f"a connection to {target} cannot be closed: {error}") from error
        return bool(silent)

    def failed_post_copy(self, name: str) -> bool:
        """Whether libvirt keeps the job of a post-copy of the VM that failed before it had begun at the target.

        QEMU goes on here with all of its memory then, but libvirt (11.3) keeps the job for ever: it can neither be
        aborted nor taken up again, it survives the daemon, and while it is there the VM neither migrates nor changes.
        """
        return without_dead_job(name) is not None

    def forget_post_copy(self, name: str, run_program: Runner = run) -> None:
        """Take that job out of the daemon's own record of the VM, and start the daemon anew.

        This calls off what else migrates from or to this node. Raises LibvirtUnreachable when it does not come back.
        """
        without = without_dead_job(name)
        if without is None:
            return
        record = record_of(name)
        try:
            write(record, without, mode=record.stat().st_mode & 0o777)
        except OSError as error:
            raise HostError(f"libvirt's record of {name} cannot be changed: {error}") from error
        try:
            run_program(["systemctl", "restart", "libvirtd.service"])
            self._connection = self._open()
        except (CommandError, self._libvirt.libvirtError) as error:
            raise LibvirtUnreachable(f"libvirt did not come back: {error}") from error

    def _migration(self, domain: Any) -> tuple[Literal["in", "out"] | None, Mapping[str, Any]]:
        """The direction in which the domain is migrating, None for neither, and libvirt's statistics of it."""
        virt = self._libvirt
        try:
            stats = domain.jobStats()
        except virt.libvirtError as error:
            if error.get_error_code() == virt.VIR_ERR_OPERATION_UNSUPPORTED:
                return "in", {}  # "migration statistics are available only on the source host"
            raise
        active = stats.get("type", virt.VIR_DOMAIN_JOB_NONE) != virt.VIR_DOMAIN_JOB_NONE
        leaving = active and stats.get("operation") == virt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
        return ("out" if leaving else None), stats
