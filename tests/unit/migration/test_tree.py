# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What two trees differ in, and what it takes to find out."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.migration.parcels import LONGEST
from ansible_collections.cspp.drover.plugins.module_utils.migration.tree import (
    Listing,
    TreeError,
    differences,
    prepare_old,
    walk,
)

NEVER = 4e9


def entry(name: str, key: str = "f 644 0 0 10 1700000000.0000000000 1", changed: float = 100.0) -> bytes:
    return f"{changed:.10f} {key} {name}".encode() + b"\0"


@pytest.mark.parametrize(
    ("here", "there", "since", "names"),
    [
        (entry("a"), entry("a", changed=900), NEVER, []),
        (entry("a"), b"", NEVER, ["a"]),
        (entry("a"), entry("a", "f 600 0 0 10 1700000000.0000000000 1"), NEVER, ["a"]),
        # Looks the same, and has changed since.
        (entry("a", changed=200), entry("a"), 150, ["a"]),
        (entry("a", changed=200), entry("a"), 250, []),
        (entry("a") + entry("b c\nd"), entry("a"), NEVER, ["b c\nd"]),
        # With a folder goes what is in it.
        (entry("a"), entry("a") + entry("d") + entry("d/e") + entry("d/e/f") + entry("dd"), NEVER, ["d", "dd"]),
        (entry("x", "d 755 0 0 - 5 -"), entry("x") + entry("y"), NEVER, ["x", "y"]),
        # A folder that has become a symbolic link: rsync would look through it for what was in the folder.
        (
            entry("x", "l 777 0 0 4 5 1"),
            entry("x", "d 755 0 0 - 5 -") + entry("x/y") + entry("x/z", "d 755 0 0 - 5 -") + entry("x/z/w"),
            NEVER,
            ["x"],
        ),
        (entry("", "d 755 0 0 - 5 -"), entry("", "d 755 0 0 - 6 -"), NEVER, ["."]),
    ],
)
def test_differences(here: bytes, there: bytes, since: float, names: list[str]) -> None:
    found = differences([here], Listing([there]), since)
    assert sorted(name.decode() for name in found) == [f"{name}\0" for name in names]


def _rename(tree: Path) -> None:
    (tree / "folder").rename(tree / "renamed")


def _there_and_back(tree: Path) -> None:
    # Whoever copied meanwhile has not seen it.
    (tree / "folder").rename(tree / "away")
    (tree / "away").rename(tree / "folder")


def _in_disguise(tree: Path) -> None:
    before = (tree / "file").stat()
    (tree / "file").write_text("elif")
    os.utime(tree / "file", ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: list[tuple[Callable[[Path], object], set[str]]] = [
    (lambda tree: None, set()),
    (lambda tree: (tree / "new").touch(), {".", "new"}),
    (lambda tree: (tree / "folder/inner/deep").unlink(), {"folder/inner", "folder/inner/deep"}),
    (lambda tree: shutil.rmtree(tree / "folder"), {".", "folder"}),
    (_rename, {".", "folder", "renamed", "renamed/inner", "renamed/inner/deep"}),
    (_there_and_back, {".", "folder"}),
    (lambda tree: (tree / "file").chmod(0o600), {"file"}),
    (_in_disguise, {"file"}),
    # All its names are looked at, or it would come apart.
    (lambda tree: os.link(tree / "file", tree / "folder/link"), {"file", "folder", "folder/link"}),
    (lambda tree: os.setxattr(tree / "file", "user.colour", b"green"), {"file"}),
]


@pytest.mark.parametrize(("change", "names"), CHANGES)
def test_whatever_changes_in_a_tree_is_found(tmp_path: Path, change: Callable[[Path], object], names: set[str]) -> None:
    tree = tmp_path / "tree"
    (tree / "folder/inner").mkdir(parents=True)
    (tree / "folder/inner/deep").write_text("deep")
    (tree / "file").write_text("file")
    copy = Listing(walk(tree))
    time.sleep(0.02)  # the kernel's tick
    since = time.time() - 0.01
    change(tree)
    assert {name.decode().rstrip("\0") for name in differences(walk(tree), copy, since)} == names


def test_blocks_may_end_anywhere() -> None:
    whole = b"".join(entry(f"folder/{number}") for number in range(100))
    blocks = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    there = Listing(blocks)
    found = list(differences([entry("folder/100"), *blocks[: len(blocks) // 2]], there, NEVER))
    assert found[0] == b"folder/100\0"
    assert len(found) == 50 + 1


def test_without_the_other_tree_what_changed_is_all() -> None:
    here = entry("a", changed=200) + entry("b", changed=100)
    assert list(differences([here], None, 150)) == [b"a\0"]


@pytest.mark.parametrize("limits", [{"most": 9}, {"longest": 300}])
def test_a_tree_that_is_too_large_is_heard_to_its_end_and_not_kept(limits: dict[str, int]) -> None:
    left = iter([entry(str(number)) for number in range(10)])
    assert not Listing(left, **limits).whole
    assert next(left, None) is None


def test_no_room_for_the_list_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: open("/dev/full", "w+b"))  # noqa: SIM115
    assert not Listing([entry("a")]).whole


def test_a_tree_that_is_gone_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="no tree any more"):
        list(differences(walk(tmp_path / "none"), Listing(walk(tmp_path)), NEVER))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo \"find: 'x': No such file or directory\" >&2; exit 1", None),
        ("echo \"find: 'x': Input/output error\" >&2; exit 1", "Input/output error"),
        ("kill -9 $$", "find ended with -9"),
    ],
)
def test_half_a_list_is_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str | None
) -> None:
    (tmp_path / "find").write_text(f"#!/bin/sh\nprintf 'half\\0'\n{script}\n")
    (tmp_path / "find").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if reason is None:
        assert list(walk(tmp_path)) == [b"half\0"]
    else:
        with pytest.raises(TreeError, match=reason):
            list(walk(tmp_path))


def test_a_million_files_with_long_names_would_fit_into_200_mib() -> None:
    """Measured with a fiftieth of them, of 1200 bytes each: with all of them it would take half a minute."""
    count, deep = 20_000, "/".join(["a-rather-long-name-of-a-folder"] * 39)

    def tree(changed: Callable[[int], bool]) -> Iterator[bytes]:
        yield entry("", "d 755 0 0 - 5 -")
        for number in range(0, count, 200):
            names = range(number, number + 200)
            yield b"".join(entry(f"{deep}/{name:06}", changed=200 if changed(name) else 100) for name in names)

    tracemalloc.start()
    try:
        there = Listing(tree(lambda _number: False))
        found = sum(1 for _name in differences(tree(lambda number: number % 2 == 0), there, 150))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == count // 2
    assert peak / count * 1_000_000 < 200 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sets such flags")
def test_nothing_of_an_old_copy_is_in_the_way(tmp_path: Path) -> None:
    tree = tmp_path / "incoming"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (tree / "fixed").touch()
    fixed = subprocess.run(["chattr", "+i", tree / "fixed"], check=False, stderr=subprocess.DEVNULL).returncode == 0
    listed = [entry for block in walk(tree) for entry in block.split(b"\0") if entry]
    assert max(map(len, listed)) < LONGEST + 400
    assert len(listed) < 20
    prepare_old(tree)
    left = [entry for block in walk(tree) for entry in block.split(b"\0") if entry]
    assert 10 < len(left) < len(listed)
    if fixed:
        (tree / "fixed").unlink()
