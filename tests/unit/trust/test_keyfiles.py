# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys and certificates are replaced between two readers, never under one."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.trust import keyfiles
from ansible_collections.cspp.drover.plugins.module_utils.trust.keyfiles import Rights, held, put, tighten


@pytest.fixture(autouse=True)
def anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every tester may give files to root."""
    monkeypatch.setattr(os, "fchown", lambda *_: None)


def test_rights_and_no_leftovers(tmp_path: Path) -> None:
    key, certificate = tmp_path / "pki" / "key", tmp_path / "pki" / "crt"
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / ".key.new").write_text("of a run that was cut short")
    put({key: ("k", Rights(0o640)), certificate: ("c", Rights())})
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("k", 0o640)
    assert (certificate.read_text(), certificate.stat().st_mode & 0o777) == ("c", 0o644)
    assert sorted(os.listdir(tmp_path / "pki")) == ["crt", "key"]


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    assert held(link) == ""
    put({link: ("new", Rights())})
    assert not link.is_symlink()
    assert (held(link), (tmp_path / "real").read_text()) == ("new", "old")


@pytest.mark.parametrize("linked", [False, True])
def test_a_reader_between_the_two_files_gets_what_belongs_together(tmp_path: Path, linked: bool) -> None:
    real = tmp_path / "real"
    real.mkdir()
    folder = tmp_path / "pki"
    folder.mkdir()
    for name in ("key", "crt"):
        (real / name).write_text("old")
        (folder / name).symlink_to(real / name) if linked else (folder / name).write_text("old")
    read: list[str] = []
    between = threading.Event()

    def reader() -> None:
        read.append((folder / "key").read_text())
        between.set()
        time.sleep(keyfiles._QUIET * 0.6)
        read.append((folder / "crt").read_text())

    thread = threading.Thread(target=reader)

    # Readers come and go while the writer waits for its moment.
    starter = threading.Timer(keyfiles._QUIET * 0.5, thread.start)
    starter.start()
    put({folder / "key": ("new", Rights()), folder / "crt": ("new", Rights())})
    assert between.is_set(), "the writer did not wait"
    thread.join()
    assert read == ["old", "old"]
    assert {(folder / name).read_text() for name in ("key", "crt")} == {"new"}


def test_a_folder_that_is_always_read_is_written_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfiles, "_PATIENCE", 0.2)
    (tmp_path / "key").write_text("old")
    end = threading.Event()

    def reader() -> None:
        while not end.wait(0.01):
            (tmp_path / "key").read_text()

    thread = threading.Thread(target=reader)
    thread.start()
    try:
        put({tmp_path / "key": ("new", Rights()), tmp_path / "crt": ("new", Rights())})
    finally:
        end.set()
        thread.join()
    assert (tmp_path / "key").read_text() == "new"


def test_what_others_could_read_is_tightened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, **_how: given.append((Path(path).name, uid, gid)))
    key = tmp_path / "key"
    assert not tighten(key, Rights(0o600))
    key.write_text("k")
    key.chmod(0o640)
    assert tighten(key, Rights(0o600, 7), look=True)
    assert key.stat().st_mode & 0o777 == 0o640
    assert tighten(key, Rights(0o600, 7))
    assert key.stat().st_mode & 0o777 == 0o600
    assert given == [("key", 0, 7)]
