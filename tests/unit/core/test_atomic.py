# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file is there whole, or as it was before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core import atomic


@pytest.mark.parametrize("content", ["wörds\n", b"\x00\xff"])
def test_content_and_mode(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "file"
    for mode in (0o600, 0o644):
        atomic.write(path, content, mode=mode)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert path.stat().st_mode & 0o777 == mode
    assert os.listdir(tmp_path) == ["file"]


def test_file_and_folder_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    replace = os.replace

    def rename(one: str, other: Path) -> None:
        done.append("rename")
        replace(one, other)

    monkeypatch.setattr(os, "fsync", lambda number: done.append(os.readlink(f"/proc/self/fd/{number}")))
    monkeypatch.setattr(os, "replace", rename)
    atomic.write(tmp_path / "file", "new")
    assert done[0].startswith(str(tmp_path / ".file."))
    assert done[1:] == ["rename", str(tmp_path)]


def test_what_was_there_stays_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_owner_is_told_before_the_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(os, "fchown", lambda _number, *owner: done.append(owner))
    monkeypatch.setattr(os, "fchmod", lambda _number, mode: done.append(mode))
    atomic.write(tmp_path / "file", "a")
    assert done == [0o600]
    atomic.write(tmp_path / "file", "a", mode=0o4755, owner=(0, 42))
    assert done[1:] == [(0, 42), 0o4755]
