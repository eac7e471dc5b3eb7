# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that arrive in a folder, as the kernel tells of them."""

from __future__ import annotations

import select
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core import arrivals
from ansible_collections.cspp.drover.plugins.module_utils.core.arrivals import Arrivals


def test_what_is_renamed_into_the_folder_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    watched = Arrivals(str(tmp_path))
    assert watched.read() == []
    for name in ("a", "b", "a"):
        (tmp_path / ".draft").touch()
        (tmp_path / ".draft").rename(tmp_path / name)
    (tmp_path / "b").unlink()
    assert select.select([watched], [], [], 1)[0]
    assert watched.read() == ["a", "b"]
    assert watched.read() == []


def test_all_are_told_when_the_kernel_has_lost_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Arrivals(str(tmp_path))
    (tmp_path / "a").touch()
    lost = arrivals._EVENT.pack(-1, 0x4000, 0, 0)
    monkeypatch.setattr("os.read", lambda _fd, _most: lost)
    assert watched.read() == ["a"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Arrivals(str(tmp_path / "none"))
