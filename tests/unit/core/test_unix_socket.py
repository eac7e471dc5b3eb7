# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Unix socket's name: there once it answers, and not before."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core import unix_socket


def test_whoever_sees_the_name_is_not_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run" / "socket"
    named: list[bool] = []

    class Watched(socket.socket):
        def bind(self, address: object) -> None:
            super().bind(address)  # type: ignore[arg-type]
            named.append(path.exists())

        def listen(self, backlog: int = 0) -> None:
            named.append(path.exists())
            super().listen(backlog)

    monkeypatch.setattr(socket, "socket", Watched)
    with unix_socket.listen(path, mode=0o660) as first:
        assert named == [False, False]
        assert path.stat().st_mode & 0o777 == 0o660
        # One that takes its place has the name at once, and leaves nothing else behind.
        with unix_socket.listen(path) as second, socket.socket(socket.AF_UNIX) as asker:
            asker.connect(str(path))
            assert path.stat().st_mode & 0o777 == 0o600
            first.setblocking(False)
            second.accept()[0].close()
            with pytest.raises(BlockingIOError):
                first.accept()
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_bound_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        unix_socket.listen(tmp_path / ("deep" * 20) / ("x" * 60))
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_it_is_the_groups_that_is_told(tmp_path: Path) -> None:
    with unix_socket.listen(tmp_path / "socket", group=os.getgid()):
        assert (tmp_path / "socket").stat().st_gid == os.getgid()


def test_nobody_names_a_socket_in_another_way() -> None:
    root = Path(unix_socket.__file__).parents[1]
    naming = [
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        if "start_unix_server" in (text := file.read_text()) or ("AF_UNIX" in text and ".bind(" in text)
    ]
    assert naming == ["core/unix_socket.py"]
