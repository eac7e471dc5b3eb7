# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a copy has to look at, when it stops to go on, and what its failures are."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils import copying
from ansible_collections.cspp.drover.plugins.module_utils.copying import Copy, CopyError, Pass, differences, settled
from ansible_collections.cspp.drover.plugins.module_utils.receiving import listing

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
        (entry("", "d 755 0 0 - 5 -"), entry("", "d 755 0 0 - 6 -"), NEVER, ["."]),
    ],
)
def test_differences(here: bytes, there: bytes, since: float, names: list[str]) -> None:
    found = differences(here, there, since)
    assert [name.decode() for name in found.split(b"\0")[:-1]] == names


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
    copy = listing(tree)
    time.sleep(0.02)  # the kernel's tick
    since = time.time() - 0.01
    change(tree)
    assert set(differences(listing(tree), copy, since).decode().split("\0")[:-1]) == names


@pytest.mark.parametrize(
    ("seconds", "done"),
    [
        ([], False),
        ([20], False),
        ([20, 9], False),
        ([20, 9, 8], True),
        ([20, 19], True),
        ([20, 0.6], True),
        ([0.5], False),
        ([512, 256, 128, 64, 32, 16, 8], False),
        ([512, 256, 128, 64, 32, 16, 8, 4], True),
    ],
)
def test_passes_go_on_until_they_get_no_shorter(seconds: list[float], done: bool) -> None:
    assert settled([Pass(one, 0) for one in seconds]) is done


@pytest.mark.parametrize(("step", "back"), [(0.0, 1.0), (3600.0, 1.0), (-3600.0, 3601.0)])
def test_a_clock_that_was_set_back_hides_no_change(monkeypatch: pytest.MonkeyPatch, step: float, back: float) -> None:
    monkeypatch.setattr(Copy, "_begin", lambda self: None)
    copy = Copy("web", Path("/pool/containers/web/rootfs"), "node2", bandwidth=0)
    with copy._begun():
        pass
    began, now = copy._since, time.time
    monkeypatch.setattr(time, "time", lambda: now() + step)
    assert copy._read_since() == pytest.approx(began - back, abs=0.1)


def test_a_pass_that_broke_off_is_made_again_from_where_the_one_before_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Copy, "_begin", lambda self: None)
    copy = Copy("web", Path("/pool/containers/web/rootfs"), "node2", bandwidth=0)
    with copy._begun():
        pass
    began = copy._read_since()
    with pytest.raises(CopyError), copy._begun():
        raise CopyError("gone", transport=True)
    assert copy._read_since() == began
    with copy._begun():
        pass
    assert copy._read_since() > began


@pytest.mark.parametrize(
    ("status", "words", "said", "again"),
    [
        (11, 'rsync: write failed on "x": No space left on device (28)\n', "node2 has no room left", False),
        (12, "node2: connection refused\nrsync: connection unexpectedly closed\nmore\n", "refused; rsync: conn", True),
        (23, "\n", "ended with 23: it said nothing", False),
    ],
)
def test_failures_tell_what_to_do_about_them(status: int, words: str, said: str, again: bool) -> None:
    error = copying._failure("node2", status, words)
    assert said in str(error)
    assert error.transport is again
