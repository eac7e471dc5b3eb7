# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes of this machine, and which of them are nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.lab import machine as lab_machine
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import Process

NODE_MOUNTS = """\
109 88 0:39 / / rw shared:1 - overlay overlay rw,lowerdir=/b,upperdir=/checkout/n1/upper,workdir=/checkout/n1/work
110 109 0:40 / /proc rw - proc proc rw
"""
HOST_MOUNTS = """\
29 1 254:0 / / rw - ext4 /dev/vda rw
88 29 0:39 / /checkout/n1/root rw - overlay try-1 rw,lowerdir=/b,upperdir=/checkout/n1/upper,workdir=/checkout/n1/work
"""
INNER_MOUNTS = "200 88 0:39 /var/lib/lxc/web/rootfs / rw - overlay overlay rw,lowerdir=/b,upperdir=/checkout/n1/upper\n"


@pytest.mark.parametrize(
    ("mounts", "upper"),
    [(NODE_MOUNTS, "/checkout/n1/upper"), (HOST_MOUNTS, None), (INNER_MOUNTS, None), (None, None)],
)
def test_a_process_is_known_by_the_disk_it_writes_to(tmp_path: Path, mounts: str | None, upper: str | None) -> None:
    (tmp_path / "7").mkdir()
    if mounts is not None:
        (tmp_path / "7" / "mountinfo").write_text(mounts)
    assert lab_machine.root_upper_directory(7, tmp_path) == upper


@pytest.mark.parametrize(
    ("namespaces", "leader"),
    [("7", False), ("7\t1", True), ("7\t2", False), ("7\t300\t1", False)],
)
def test_a_leader_is_first_in_a_namespace_just_below(tmp_path: Path, namespaces: str, leader: bool) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text(f"Name:\tinit\nNSpid:\t{namespaces}\n")
    assert lab_machine.is_leader(7, tmp_path) is leader


def test_processes_without_zombies_and_kernel_threads(tmp_path: Path) -> None:
    for pid, command_line in (("7", b"/usr/bin/systemd-nspawn\0--boot\0"), ("8", b"")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(command_line)
        (tmp_path / pid / "cwd").symlink_to("/srv")
    (tmp_path / "meminfo").touch()
    (process,) = lab_machine.processes(tmp_path)
    assert process == Process(7, ("/usr/bin/systemd-nspawn", "--boot"), "/srv")
    assert process.program == "systemd-nspawn"
