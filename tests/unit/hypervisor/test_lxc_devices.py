# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Device files of a container's own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import lxc_devices


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device files")
def test_they_are_its_roots_alone_and_go_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lxc_devices, "_FOLDER", tmp_path / "drover")
    lxc_devices.provide("web", ["/dev/null"], 10_065_536)
    lxc_devices.provide("web", ["/dev/null", "/dev/pts/ptmx"], 10_065_536)
    made = lxc_devices.node_of("web", "/dev/null").stat()
    assert stat.S_ISCHR(made.st_mode)
    assert made.st_rdev == os.stat("/dev/null").st_rdev
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (10_065_536, 10_065_536, 0o660)
    assert lxc_devices.node_of("web", "/dev/pts/ptmx").exists()
    # Others' files are theirs: who gets out of a container does not get at devices of its neighbours.
    assert os.stat("/dev/null").st_uid == 0
    lxc_devices.withdraw("web")
    assert list((tmp_path / "drover").iterdir()) == []


@pytest.mark.parametrize(("device", "numbers"), [("/dev/null", "c 1:3"), ("/dev/none", ""), ("/etc/passwd", "")])
def test_only_a_device_has_numbers(device: str, numbers: str) -> None:
    assert lxc_devices.numbers_of(device) == numbers
