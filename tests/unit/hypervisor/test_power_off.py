# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What libvirt's and LXC's logs say of a guest's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.power_off import container_shut_down, vm_shut_down

START = "2026-11-28 20:00:00.000+0000: starting up libvirt version: 11.3.0, package: 3, qemu version: 10.0.2\n"
QEMU = "2026-11-28T20:01:00.000000Z qemu-system-x86_64: "
BY_LIBVIRT = f"{QEMU}terminating on signal 15 from pid 714 (/usr/sbin/libvirtd)\n"
BY_OTHERS = BY_LIBVIRT.replace("/usr/sbin/libvirtd", "/usr/lib/systemd/systemd")


def end(reason: str) -> str:
    return f"2026-11-28 20:01:00.200+0000: shutting down, reason={reason}\n"


@pytest.mark.parametrize(
    ("log", "shut_down"),
    [
        (START + BY_LIBVIRT + end("shutdown"), True),
        (START + end("shutdown"), True),
        (START + BY_LIBVIRT.replace("/usr/sbin/libvirtd", "<unknown process>") + end("shutdown"), True),
        (START + BY_LIBVIRT.replace("libvirtd", "virtqemud") + end("shutdown"), True),
        (START + BY_OTHERS + end("shutdown"), False),
        (START + end("crashed"), False),
        (START + BY_LIBVIRT + end("destroyed"), False),
        (START + end("migrated"), False),
        (START + end("failed"), False),
        # What came of an earlier run says nothing of the last.
        (START + end("shutdown") + START + end("crashed"), False),
        (START + end("shutdown") + START, False),
        (START + BY_OTHERS + end("crashed") + START + BY_LIBVIRT + end("shutdown"), True),
        ("", False),
    ],
)
def test_a_vm_that_has_shut_itself_off(tmp_path: Path, log: str, shut_down: bool) -> None:
    (tmp_path / "web.log").write_text(log)
    assert vm_shut_down("web", tmp_path) is shut_down


@pytest.mark.parametrize(
    ("words", "shut_down"),
    [
        (['SIGINT(2) - Container "web" is halting'], True),
        (['SIGHUP(1) - Container "web" is rebooting'], False),
        (['SIGHUP(1) - Container "web" is rebooting', 'SIGINT(2) - Container "web" is halting'], True),
        (['SIGKILL(9) - Container "web" init exited'], False),
        (['SIGINT(2) - Container "web" is halting', 'SIGKILL(9) - Container "web" init exited'], False),
        (['SIGINT(2) - Container "other" is halting'], False),
        ([], False),
    ],
)
def test_a_container_that_has_halted(tmp_path: Path, words: list[str], shut_down: bool) -> None:
    (tmp_path / "web").mkdir()
    head = "lxc-start web 20261128200100.123 DEBUG    start - ../src/lxc/start.c:__lxc_start:2167 - "
    (tmp_path / "web" / "log").write_text("".join(f"{head}{line}\n" for line in words))
    assert container_shut_down("web", tmp_path) is shut_down


def test_where_nothing_is_written_nobody_knows(tmp_path: Path) -> None:
    assert not vm_shut_down("web", tmp_path)
    assert not container_shut_down("web", tmp_path)
