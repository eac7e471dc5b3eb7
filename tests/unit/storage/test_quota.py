# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which file systems keep the size of a directory, and what the kernel is told."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import MIB
from ansible_collections.cspp.drover.plugins.module_utils.storage import quota
from ansible_collections.cspp.drover.tests.unit.needed import needed


def mounted(tmp_path: Path, kind: str, options: str) -> Path:
    """A table of mounts with one at this path."""
    number = os.stat(tmp_path).st_dev
    table = tmp_path / "mountinfo"
    table.write_text(
        f"1 0 {os.major(number)}:{os.minor(number)} / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        f"2 1 {os.major(number)}:{os.minor(number)} / {tmp_path} rw,noatime - {kind} /dev/sdb {options}\n"
    )
    return table


@pytest.mark.parametrize(
    ("kind", "options", "lacks"),
    [
        ("xfs", "rw,attr2,prjquota", ""),
        ("xfs", "rw,attr2,usrquota", "xfs mounted without the option prjquota"),
        ("ext4", "rw,prjquota", ""),
        ("ext4", "rw", "ext4 mounted without the option prjquota"),
        ("nfs4", "rw,vers=4.2", "nfs4, which has no quota for directories"),
        ("overlay", "rw", "overlay, which has no quota for directories"),
    ],
)
def test_who_keeps_a_size(tmp_path: Path, kind: str, options: str, lacks: str) -> None:
    # What is still to be made will be where its folder is.
    found = quota.file_system(tmp_path / "containers/web/rootfs", mounted(tmp_path, kind, options))
    assert (found.type, found.device, found.lacks) == (kind, "/dev/sdb", lacks)


def test_where_nobody_counts_a_directory_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "file_system", lambda _path: quota.FileSystem("nfs4", "", frozenset()))
    quota.make(tmp_path / "rootfs", 0o750)
    assert (tmp_path / "rootfs").stat().st_mode & 0o777 == 0o750
    with pytest.raises(quota.QuotaError, match=r"nothing keeps the size of .*rootfs: it is on nfs4"):
        quota.limit(tmp_path / "rootfs", MIB)


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A btrfs with qgroups in a file."""
    if os.geteuid():
        pytest.skip("takes root")
    for program in ("mkfs.btrfs", "btrfs"):
        needed(program)
    image, place = tmp_path / "image", tmp_path / "pool"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(256 * MIB)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True).returncode:
        pytest.skip("takes loop devices")
    try:
        subprocess.run(["btrfs", "quota", "enable", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_btrfs_keeps_a_size_of_root_as_well(btrfs: Path) -> None:
    tree = btrfs / "rootfs"
    quota.make(tree, 0o755)
    quota.limit(tree, 16 * MIB)

    def fill() -> None:
        with (tree / "file").open("wb") as file:
            for _mib in range(32):
                file.write(bytes(MIB))
                os.fsync(file.fileno())

    with pytest.raises(OSError, match="quota") as full:
        fill()
    assert full.value.errno == errno.EDQUOT
    quota.limit(tree, None)
    fill()
    (btrfs / "old").mkdir()
    with pytest.raises(quota.QuotaError, match="made before btrfs counted it"):
        quota.limit(btrfs / "old", MIB)
    shutil.rmtree(tree)
