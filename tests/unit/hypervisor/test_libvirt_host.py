# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""libvirt's answers, and what is asked of it for a migration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import Change
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import libvirt_host
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_host import (
    HostError,
    LibvirtHost,
    LibvirtUnreachable,
    Progress,
    Seen,
    State,
    VmGone,
    classify,
)

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

    def isPersistent(self) -> bool:
        return self.persistent

    def jobStats(self) -> dict[str, Any]:
        if isinstance(self.job, int):
            raise LibvirtError(self.job)
        return self.job


@pytest.fixture(autouse=True)
def run_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(libvirt_host, "_RUN", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("state", "reason", "migration", "seen"),
    [
        (1, 1, None, Seen(State.RUNNING)),
        (4, 1, None, Seen(State.RUNNING)),  # shutting down is not down
        (5, 1, None, Seen(State.OFF)),
        (6, 1, None, Seen(State.FAILED)),
        (3, 1, None, Seen(State.PAUSED, "user")),
        (3, 2, "in", Seen(State.INCOMING, "migration")),
        (3, 11, "in", Seen(State.INCOMING, "starting up")),
        (3, 2, "out", Seen(State.LEAVING, "migration")),
        (3, 5, "out", Seen(State.FAILED, "I/O error")),
        (3, 2, None, Seen(State.FAILED, "migration")),
        (3, 5, None, Seen(State.FAILED, "I/O error")),
        (3, 10, None, Seen(State.FAILED, "crashed")),
        (3, 99, None, Seen(State.FAILED, "reason 99")),
        (0, 0, None, Seen(State.FAILED)),
    ],
)
def test_classify(state: int, reason: int, migration: Literal["in", "out"] | None, seen: Seen) -> None:
    assert classify(state, reason, migration) == seen


def test_seen() -> None:
    leaving = {"type": 2, "operation": "VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT"}
    assert LibvirtHost(Libvirt((3, 2), leaving)).seen("web").state is State.LEAVING
    # Only the source has statistics of a migration under way.
    assert LibvirtHost(Libvirt((3, 2), UNSUPPORTED)).seen("web").state is State.INCOMING
    with pytest.raises(HostError):
        LibvirtHost(Libvirt((3, 2), OTHER)).seen("web")


def test_a_vm_that_libvirt_does_not_know_is_absent_unless_its_process_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libvirt = Libvirt()
    libvirt.present = False
    host = LibvirtHost(libvirt)
    assert host.seen("web") == Seen(State.ABSENT)
    monkeypatch.setattr(libvirt_host, "emulator_pid", lambda _name: 4711)
    assert host.seen("web").state is State.FAILED


def test_errors_tell_a_lost_daemon_from_a_lost_vm() -> None:
    libvirt = Libvirt()
    libvirt.up = False
    with pytest.raises(LibvirtUnreachable):
        LibvirtHost(libvirt)
    libvirt.up = True
    host = LibvirtHost(libvirt)
    libvirt.present = False
    with pytest.raises(VmGone):
        host.destroy("web")
    libvirt.alive = False
    with pytest.raises(LibvirtUnreachable):
        host.seen("web")


@pytest.mark.parametrize(("persistent", "flags"), [(False, 7), (True, 15)])
def test_migration_is_peer_to_peer_encrypted_and_limited(persistent: bool, flags: int) -> None:
    libvirt = Libvirt()
    libvirt.persistent = persistent
    LibvirtHost(libvirt).migrate("web", "n2", bandwidth=128 * 1024**2)
    parameters = {"VIR_MIGRATE_PARAM_URI": "tcp://n2", "VIR_MIGRATE_PARAM_BANDWIDTH": 128}
    assert libvirt.calls == [("migrateToURI3", "qemu+tls://n2/system", parameters, flags)]


@pytest.mark.parametrize(
    ("how", "flags", "parameters"),
    [
        ({}, 7, {}),
        ({"auto_converge": True}, 7 + 16, {}),
        ({"post_copy": True}, 7 + 32, {}),
        ({"post_copy": True, "again": True}, 7 + 32 + 512, {}),
        (
            {"post_copy": True, "bandwidth": 8 << 20},
            7 + 32,
            {"VIR_MIGRATE_PARAM_BANDWIDTH": 8, "VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY": 8},
        ),
        ({"channels": 4}, 7 + 64, {"VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS": 4}),
        ({"disks": ["vda"]}, 7 + 128 + 256, {"VIR_MIGRATE_PARAM_MIGRATE_DISKS": ["vda"]}),
    ],
)
def test_the_ways_to_migrate(how: dict[str, Any], flags: int, parameters: dict[str, Any]) -> None:
    libvirt = Libvirt()
    LibvirtHost(libvirt).migrate("web", "n2", **how)
    [(_call, _uri, given, said)] = libvirt.calls
    assert said == flags
    assert given == {"VIR_MIGRATE_PARAM_URI": "tcp://n2", **parameters}


_RECORD = """<domstatus state='{state}' reason='post-copy failed' pid='229'>
  <job type='none' async='none'/>
</domstatus>
"""
_DEAD = """<job type='none' async='migration out' phase='{phase}' flags='0x18003' asyncPaused='yes'>
    <params/>
  </job>"""


@pytest.mark.parametrize(
    ("state", "phase", "dead"),
    [
        ("running", "postcopy_failed", True),
        ("paused", "postcopy_failed", False),  # half of it is at the target
        ("running", "perform3", False),
    ],
)
def test_the_job_of_a_failed_post_copy_is_forgotten(
    state: str, phase: str, dead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_host, "_RUN", tmp_path)
    record, started = tmp_path / "web.xml", list[Any]()
    host = LibvirtHost(Libvirt())
    assert not host.failed_post_copy("web")
    clean = _RECORD.format(state=state)
    known = clean.replace("<job type='none' async='none'/>", _DEAD.format(phase=phase))
    record.write_text(known)
    record.chmod(0o600)
    assert host.failed_post_copy("web") is dead

    def start(argv: list[str]) -> CommandResult:
        started.append(argv)
        return CommandResult(tuple(argv), 0, "", "")

    host.forget_post_copy("web", start)
    assert record.read_text() == (clean.replace("post-copy failed", "migration canceled") if dead else known)
    assert started == ([["systemctl", "restart", "libvirtd.service"]] if dead else [])
    assert record.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["web.xml"]


@pytest.mark.parametrize(("event", "heard"), [("SUSPENDED", ["stopped"]), ("RESUMED", ["resumed"]), ("STOPPED", [])])
def test_watching_a_vm_stop_and_go_on(event: str, heard: list[str]) -> None:
    libvirt, calls = Libvirt(), list[str]()
    LibvirtHost(libvirt).watch("web", lambda: calls.append("stopped"), lambda: calls.append("resumed"))
    [(_call, _domain, kind, callback, opaque)] = libvirt.calls
    assert kind == "VIR_DOMAIN_EVENT_ID_LIFECYCLE"
    callback(libvirt, libvirt, f"VIR_DOMAIN_EVENT_{event}", 0, opaque)
    assert calls == heard


def test_progress() -> None:
    job = {
        "type": 2,
        "operation": "VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT",
        "memory_iteration": 3,
        "memory_remaining": 4096,
        "memory_dirty_rate": 10,
        "memory_page_size": 4096,
    }
    assert LibvirtHost(Libvirt(job=job)).progress("web") == Progress(3, 4096, 40960)
    for other in (None, {"type": 0}, {**job, "operation": "other"}, UNSUPPORTED):
        assert LibvirtHost(Libvirt(job=other)).progress("web") is None


LIVE = "VIR_DOMAIN_AFFECT_LIVE"


@pytest.mark.parametrize(
    ("change", "call"),
    [
        (Change("vcpus", "1", "2", "set-vcpus", value=2), ("setVcpusFlags", 2, LIVE)),
        (Change("memory", "1", "2", "set-memory", value=2048), ("setMemoryFlags", 2, LIVE)),
        (
            Change("disks[vda].size", "1", "2", "grow-disk", value=9, target="vda"),
            ("blockResize", "vda", 9, "VIR_DOMAIN_BLOCK_RESIZE_BYTES"),
        ),
        (Change("disks[vdb]", None, "b", "attach-disk", device="<disk/>"), ("attachDeviceFlags", "<disk/>", LIVE)),
        (Change("nics[m]", "a", None, "detach-interface", device="<i/>"), ("detachDeviceFlags", "<i/>", LIVE)),
        (Change("nics[m]", "a", "b", "update-interface", device="<i/>"), ("updateDeviceFlags", "<i/>", LIVE)),
    ],
)
def test_apply(change: Change, call: tuple[Any, ...]) -> None:
    libvirt = Libvirt()
    LibvirtHost(libvirt).apply("web", change)
    assert libvirt.calls == [call]


def test_what_a_running_vm_cannot_change_is_refused() -> None:
    with pytest.raises(HostError, match="restart"):
        LibvirtHost(Libvirt()).apply("web", Change("cpu", "a", "b", "restart"))


@pytest.mark.parametrize("persistent", [False, True])
def test_forget(persistent: bool) -> None:
    class Flags(Libvirt):
        def __getattr__(self, name: str) -> Any:
            return 1 if name.startswith("VIR_DOMAIN_UNDEFINE") else super().__getattr__(name)

    libvirt = Flags()
    libvirt.persistent = persistent
    host = LibvirtHost(libvirt)
    host.forget("web")
    assert libvirt.calls == ([("undefineFlags", 1)] if persistent else [])
    libvirt.present = False
    host.forget("web")


def test_only_connections_of_the_daemon_that_are_silent_are_hung_up() -> None:
    line = 'ESTAB 0 0 10.0.0.1:{} 10.0.0.2:16514 users:(("{}",pid=1,fd=3)) cubic rto:204 lastsnd:9 lastrcv:{} lastack:9'
    programs = []

    def run_program(argv: list[str]) -> CommandResult:
        programs.append(" ".join(argv))
        lines = [line.format(1, "libvirtd", 12000), line.format(2, "libvirtd", 900), line.format(3, "virsh", 60000)]
        return CommandResult(tuple(argv), 0, "\n".join(lines), "")

    assert LibvirtHost(Libvirt()).hang_up("n2", 10, run_program)
    assert programs == ["ss -HOtnpi dst n2 dport = 16514", "ss -HKtn dst n2 dport = 16514 sport = 1"]


def test_a_connection_that_cannot_be_hung_up_is_an_error_of_the_host() -> None:
    def run_program(_argv: list[str]) -> CommandResult:
        raise CommandError("ss is not installed here")

    with pytest.raises(HostError, match="a connection to n2 cannot be closed: ss is not installed here"):
        LibvirtHost(Libvirt()).hang_up("n2", 10, run_program)
