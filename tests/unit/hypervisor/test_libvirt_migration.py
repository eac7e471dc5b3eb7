# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What libvirt is asked for a migration, and what it tells of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import emulator
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_host import LibvirtHost
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Progress
from ansible_collections.cspp.drover.tests.unit.hypervisor.fake_libvirt import UNSUPPORTED, Libvirt


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
    monkeypatch.setattr(emulator, "_RUN", tmp_path)
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
