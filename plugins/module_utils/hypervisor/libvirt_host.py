# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""libvirt on this node, as far as Drover needs it. All of python3-libvirt that Drover uses is used here."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..core.atomic import write
from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError

if TYPE_CHECKING:
    from ..guest.definition import Change

__all__ = [
    "LIBVIRT_PORT",
    "HostError",
    "LibvirtHost",
    "LibvirtUnreachable",
    "Outcome",
    "Progress",
    "Seen",
    "State",
    "VmGone",
    "classify",
    "emulator_pid",
    "kill_emulator",
]

_URI = "qemu:///system"
#: Where libvirt's daemon listens for other nodes.
LIBVIRT_PORT = 16514
_RUN = Path("/run/libvirt/qemu")
_KIB = 1024
_MIB = 1024**2


class HostError(DroverError):
    """libvirt refused or failed; the text is libvirt's own."""


class VmGone(HostError):
    """libvirt does not know the VM, or no longer."""


class LibvirtUnreachable(HostError):
    """libvirt's daemon does not answer. Its VMs may well run."""


class State(Enum):
    """What a VM is doing on this node."""

    ABSENT = "absent"
    #: Known to libvirt, not running.
    OFF = "off"
    RUNNING = "running"
    #: Held by somebody on purpose.
    PAUSED = "paused"
    #: Held by libvirt for the last moments of its migration to another node.
    LEAVING = "leaving"
    #: An empty shell that receives a VM which still runs on another node.
    INCOMING = "incoming"
    #: Here, but it will not go on by itself.
    FAILED = "failed"


class Seen(NamedTuple):
    """A VM's state, with libvirt's reason for a pause."""

    state: State
    reason: str = ""

    @property
    def in_halves(self) -> bool:
        """Whether only a part of its memory is here, the rest at the other end of a post-copy migration."""
        return self.reason.startswith("post-copy")


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


# virDomainState and virDomainPausedReason, numbered by libvirt's stable interface.
_STATES = {1: State.RUNNING, 2: State.RUNNING, 4: State.RUNNING, 5: State.OFF, 6: State.FAILED, 7: State.RUNNING}
_PAUSED = 3
_PAUSED_MIGRATION = 2
_PAUSED_POSTCOPY = 12
_REASONS = {
    0: "unknown",
    1: "user",
    2: "migration",
    3: "save",
    4: "dump",
    5: "I/O error",
    6: "watchdog",
    7: "restored from a snapshot",
    8: "shutting down",
    9: "snapshot",
    10: "crashed",
    11: "starting up",
    12: "post-copy migration",
    13: "post-copy migration failed",
    14: "an error of libvirt",
}
_ON_PURPOSE = {1, 3, 4, 7, 8, 9, 11}
#: In the file in which libvirt keeps what it knows of a running VM: the job of a post-copy that failed at its source.
_DEAD_JOB = re.compile(r"<job type='[^']*' async='migration out' phase='postcopy_failed'.*?</job>\n", re.DOTALL)
_RUNS_AFTER_IT = re.compile(r"(<domstatus state='running' reason=')post-copy failed'")
#: A line of ss(8) on a connection of the daemon to another node's.
_CONNECTION = re.compile(r':(?P<port>\d+)\s+\S+\s+users:\(\("libvirtd".*\blastrcv:(?P<silent>\d+)')


def classify(state: int, reason: int, migration: Literal["in", "out"] | None) -> Seen:
    """What libvirt's state and reason mean, given the direction of a migration under way."""
    if state != _PAUSED:
        return Seen(_STATES.get(state, State.FAILED))
    words = _REASONS.get(reason, f"reason {reason}")
    if migration == "in":
        return Seen(State.INCOMING, words)
    if migration == "out" and reason in (_PAUSED_MIGRATION, _PAUSED_POSTCOPY):
        return Seen(State.LEAVING, words)
    return Seen(State.PAUSED if reason in _ON_PURPOSE else State.FAILED, words)


class LibvirtHost:
    """The VMs of this node, by name. Every method raises HostError when libvirt fails it."""

    def __init__(self, libvirt: Any = None, *, events: bool = False) -> None:
        """Connect. Raises LibvirtUnreachable when that fails. ``libvirt`` replaces the module in tests.

        With ``events``, for :meth:`watch`, a thread of this process hears what libvirt tells of itself.
        """
        if libvirt is None:
            import libvirt as installed  # costs more than the rest of an agent together: only when needed

            libvirt = installed
        self._libvirt = libvirt
        # By default the library prints every error on stderr, also those that are answers.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        if events:
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=self._hear, daemon=True).start()
        try:
            self._connection = libvirt.open(_URI)
        except libvirt.libvirtError as error:
            raise LibvirtUnreachable(f"libvirt does not answer on this node: {error}") from error

    def seen(self, name: str) -> Seen:
        """The VM as it is now."""
        try:
            with self._errors():
                domain = self._connection.lookupByName(name)
                state, reason = domain.state()
                return classify(state, reason, self._migration(domain)[0] if state == _PAUSED else None)
        except VmGone:
            if emulator_pid(name) is not None:
                return Seen(State.FAILED, "libvirt lost sight of its process")
            return Seen(State.ABSENT)

    def create(self, xml: str) -> None:
        """Start a VM that libvirt forgets when it ends: nothing of it can be started behind Pacemaker's back."""
        with self._errors():
            self._connection.createXML(xml, 0)

    def shut_down(self, name: str) -> None:
        """Press the VM's power button."""
        self._on(name, lambda domain: domain.shutdownFlags(self._libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))

    def resume(self, name: str) -> None:
        """Let a paused VM go on."""
        self._on(name, lambda domain: domain.resume())

    def destroy(self, name: str) -> None:
        """Cut the VM's power."""
        self._on(name, lambda domain: domain.destroy())

    def forget(self, name: str) -> None:
        """Remove a definition of the VM; a running VM goes on, and leaves none when it ends."""
        virt = self._libvirt
        flags = (
            virt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | virt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | virt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | virt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
        )
        with suppress(VmGone):
            self._on(name, lambda domain: domain.undefineFlags(flags) if domain.isPersistent() else None)

    def live_xml(self, name: str) -> str:
        """The XML of the running VM."""
        with self._errors():
            return str(self._connection.lookupByName(name).XMLDesc(0))

    def disk_sizes(self, name: str, targets: Collection[str]) -> dict[str, int]:
        """The capacities in bytes of those of the VM's disks that it has."""
        with self._errors():
            domain = self._connection.lookupByName(name)
            sizes = {}
            for target in targets:
                try:
                    sizes[target] = int(domain.blockInfo(target)[0])
                except self._libvirt.libvirtError:
                    continue  # no such disk, which is a difference of its own
            return sizes

    def apply(self, name: str, change: Change) -> None:
        """Make one live change to the running VM."""
        virt = self._libvirt
        live = virt.VIR_DOMAIN_AFFECT_LIVE
        do: dict[str, Callable[[Any], object]] = {
            "set-vcpus": lambda domain: domain.setVcpusFlags(change.value, live),
            "set-memory": lambda domain: domain.setMemoryFlags((change.value or 0) // _KIB, live),
            "grow-disk": lambda domain: domain.blockResize(
                change.target, change.value, virt.VIR_DOMAIN_BLOCK_RESIZE_BYTES
            ),
            "update-interface": lambda domain: domain.updateDeviceFlags(change.device, live),
        }
        for device in ("interface", "disk"):
            do[f"attach-{device}"] = lambda domain: domain.attachDeviceFlags(change.device, live)
            do[f"detach-{device}"] = lambda domain: domain.detachDeviceFlags(change.device, live)
        if change.action not in do:
            raise HostError(f"a running VM has no {change.action}")
        self._on(name, do[change.action])

    def remember(self, name: str, metadata: str, namespace: str) -> None:
        """Replace the element of ``namespace`` in the running VM's metadata."""
        virt = self._libvirt
        kind, live = virt.VIR_DOMAIN_METADATA_ELEMENT, virt.VIR_DOMAIN_AFFECT_LIVE
        self._on(name, lambda domain: domain.setMetadata(kind, metadata, "drover", namespace, live))

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

    def failed_post_copy(self, name: str) -> bool:
        """Whether libvirt keeps the job of a post-copy of the VM that failed before it had begun at the target.

        QEMU goes on here with all of its memory then, but libvirt (11.3) keeps the job for ever: it can neither be
        aborted nor taken up again, it survives the daemon, and while it is there the VM neither migrates nor changes.
        """
        return _without_dead_job(name) is not None

    def forget_post_copy(self, name: str, run_program: Runner = run) -> None:
        """Take that job out of the daemon's own record of the VM, and start the daemon anew.

        This calls off what else migrates from or to this node. Raises LibvirtUnreachable when it does not come back.
        """
        without = _without_dead_job(name)
        if without is None:
            return
        record = _RUN / f"{name}.xml"
        try:
            write(record, without, mode=record.stat().st_mode & 0o777)
        except OSError as error:
            raise HostError(f"libvirt's record of {name} cannot be changed: {error}") from error
        try:
            run_program(["systemctl", "restart", "libvirtd.service"])
            self._connection = self._libvirt.open(_URI)
        except (CommandError, self._libvirt.libvirtError) as error:
            raise LibvirtUnreachable(f"libvirt did not come back: {error}") from error

    def set_bandwidth(self, name: str, bandwidth: int, *, post_copy: bool = False) -> None:
        """Bytes a second that a migration under way may use; with ``post_copy``, once it has become one."""
        flags = self._libvirt.VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY if post_copy else 0
        self._on(name, lambda domain: domain.migrateSetMaxSpeed(max(1, bandwidth // _MIB), flags))

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

    def set_max_downtime(self, name: str, milliseconds: int) -> None:
        """How long a pause QEMU may plan at the end of a migration, one under way or the next."""
        self._on(name, lambda domain: domain.migrateSetMaxDowntime(milliseconds, 0))

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

    def _hear(self) -> None:
        while True:
            with suppress(self._libvirt.libvirtError):
                self._libvirt.virEventRunDefaultImpl()

    def _on(self, name: str, do: Callable[[Any], object]) -> None:
        with self._errors():
            do(self._connection.lookupByName(name))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN:
                raise VmGone(str(error)) from error
            if self._connection.isAlive() != 1:
                raise LibvirtUnreachable(str(error)) from error
            raise HostError(str(error)) from error


def _without_dead_job(name: str) -> str | None:
    """libvirt's record of the running VM without the job of a post-copy that failed; None when it has none."""
    try:
        known = (_RUN / f"{name}.xml").read_text(encoding="utf-8")
    except OSError:
        return None
    without, runs = _RUNS_AFTER_IT.subn(r"\1migration canceled'", known)
    without, jobs = _DEAD_JOB.subn("<job type='none' async='none'/>\n", without)
    return without if runs and jobs else None


def emulator_pid(name: str) -> int | None:
    """The process that runs the VM on this node, without asking libvirt; None when there is none."""
    try:
        pid = int((_RUN / f"{name}.pid").read_text(encoding="ascii"))
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if any(word.startswith(f"guest={name},".encode()) for word in argv) else None


def kill_emulator(name: str, deadline_left: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    """End the VM's process without libvirt, by request and after 3 s by force. True when it is gone."""
    pid = emulator_pid(name)
    if pid is None:
        return True
    forced_below = deadline_left() - 3.0
    with suppress(ProcessLookupError):  # it may end by itself at any time
        os.kill(pid, signal.SIGTERM)
    while deadline_left() > 0:
        if emulator_pid(name) is None:
            return True
        if deadline_left() < forced_below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sleep(0.1)
    return emulator_pid(name) is None
