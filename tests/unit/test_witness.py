# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as a running guest, by the process table alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.tests.witness import instances

LAB = "/cache/lab/one"
QEMU = ["/usr/bin/qemu-system-x86_64", "-name", "guest=game,debug-threads=on", "-S"]
MONITOR = ["[lxc monitor] /run/drover/lxc web"]


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Two labs with guests of the same names, and processes that only look like guests."""
    processes = [
        (QEMU, f"{LAB}/nodes/node1/upper"),
        (MONITOR, f"{LAB}/nodes/node2/upper"),
        (QEMU, "/cache/lab/other/nodes/node1/upper"),
        (["/usr/sbin/virtqemud", "guest=game,"], f"{LAB}/nodes/node1/upper"),
        (["/usr/bin/qemu-system-x86_64", "-name", "guest=gamer"], f"{LAB}/nodes/node1/upper"),
        (["/usr/bin/qemu-system-x86_64", "-S"], f"{LAB}/nodes/node1/upper"),
        ([""], None),
        # What is about to become the init of the container on node2.
        (MONITOR, f"{LAB}/nodes/node2/upper"),
    ]
    parents = {107: 101}
    for pid, (argv, disk) in enumerate(processes, 100):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) S {parents.get(pid, 1)} 1 1\n")
        (tmp_path / str(pid) / "cmdline").write_text("\0".join([*argv, ""]))
        if disk is not None:
            mount = f"1 2 0:3 / / rw - overlay node rw,lowerdir=/base,upperdir={disk},workdir=/work\n"
            (tmp_path / str(pid) / "mountinfo").write_text(mount)
    (tmp_path / "999").mkdir()  # it has ended meanwhile
    (tmp_path / "uptime").write_text("")
    return tmp_path


def test_guests_are_counted_in_one_lab(proc: Path) -> None:
    assert instances(["game", "web", "off"], Path(LAB), proc) == {"game": 1, "web": 1, "off": 0}
