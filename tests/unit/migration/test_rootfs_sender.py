# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a copy stops to go on, and what its failures are."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.migration import rootfs_sender
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_sender import Copy, CopyError, Pass, settled
from ansible_collections.cspp.drover.plugins.module_utils.migration.tree import Listing, walk
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError, Refusal


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
    assert copy._read_since() == pytest.approx(began, abs=0.001)
    time.sleep(0.01)
    with copy._begun():
        pass
    assert copy._read_since() > began + 0.005


@pytest.mark.parametrize(
    ("status", "words", "said", "again"),
    [
        (11, 'rsync: write failed on "x": No space left on device (28)\n', "node2 has no room left", False),
        (12, "node2: connection refused\nrsync: connection unexpectedly closed\nmore\n", "refused; rsync: conn", True),
        (23, "", "ended with 23: it said nothing", False),
    ],
)
def test_failures_tell_what_to_do_about_them(status: int, words: str, said: str, again: bool) -> None:
    error = rootfs_sender._failure("node2", status, words.splitlines())
    assert said in str(error)
    assert error.transport is again


def rsync(script: str) -> rootfs_sender._Rsync:
    return rootfs_sender._Rsync(["sh", "-c", script], "node2", lambda _sent, _rate: None)


@pytest.mark.parametrize(
    ("status", "reason"), [(0, None), (24, None), (23, "set_acl: not supported 1: .* supported 2: Input/output error")]
)
def test_however_much_rsync_complains_it_comes_to_its_end(status: int, reason: str | None) -> None:
    acl, error = "rsync: [receiver] set_acl: not supported", "Input/output error (5)"
    lines = f"seq -f 'file has vanished: \"/srv/%g\"' 20000; seq -f '{acl} %g: {error}' 20000"
    outcome: list[CopyError | None] = []

    def wait() -> None:
        with rsync(f"exec >&2; {lines}; cat; exit {status}") as program:
            try:
                program.tell([b"name\0"] * 100_000)
                program.wait()
                outcome.append(None)
            except CopyError as error:
                outcome.append(error)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(20)
    assert outcome, "it hangs"
    if reason is None:
        assert outcome == [None]
    else:
        with pytest.raises(CopyError, match=reason):
            raise outcome[0] or AssertionError


SUMMARY = (
    "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]"
)
XATTRS = 'rsync: [sender] get_xattr_names: llistxattr("/srv/a/33/2456",1024) failed: No such file or directory (2)'
ACL = "rsync: [sender] get_acl: sys_acl_get_file(33/2456, ACL_TYPE_ACCESS): No such file or directory (2)"
REMOVED = 'rsync: [sender] get_xattr_data: lgetxattr("/srv/a/1","user.x",0) failed: No data available (61)'
FOLDER = 'rsync: [sender] send_files failed to open "/srv/a/33/2456": Not a directory (20)'
GONE = 'file has vanished: "/srv/a/2"'


@pytest.mark.parametrize(
    ("status", "lines", "passes", "stopped_passes"),
    [
        (24, [GONE], True, False),
        (23, [XATTRS, SUMMARY], True, False),
        (23, [ACL, REMOVED, FOLDER, GONE, SUMMARY], True, False),
        (23, ['rsync: [sender] read errors mapping "/srv/a/1": No data available (61)', SUMMARY], True, False),
        (23, ['rsync: [sender] change_dir "/srv/a" failed: No such file or directory (2)', SUMMARY], True, False),
        (23, ['rsync: [receiver] mkstemp "/srv/a/.1" failed: Not a directory (20)', SUMMARY], True, False),
        (23, ['rsync: [sender] open "/srv/a/zz" failed: Too many levels of symbolic links (40)', SUMMARY], True, False),
        (23, ['rsync: [sender] link_stat "/srv/a/zzz" failed: File name too long (36)', SUMMARY], True, False),
        # Whatever a file is called.
        (23, ["cannot delete non-empty directory: rsync: [x] a: Input/output error (5)", SUMMARY], True, False),
        (23, [XATTRS, 'rsync: [sender] read errors mapping "/srv/a/1": Input/output error (5)', SUMMARY], False, False),
        (23, ['rsync: [receiver] write failed on "/srv/a/1": No space left on device (28)', SUMMARY], False, False),
        (23, ['rsync: [receiver] write failed on "/srv/a/1": Disk quota exceeded (122)', SUMMARY], False, False),
        (
            23,
            ['rsync: [generator] mkdir "/a" failed: Read-only file system (30)', SUMMARY],
            False,
            False,
        ),
        (23, [], False, False),
        (12, [XATTRS, SUMMARY], False, False),
        (0, [], True, True),
    ],
)
def test_whatever_a_running_container_does_to_its_files_is_left_to_the_next_pass(
    status: int, lines: list[str], passes: bool, stopped_passes: bool
) -> None:
    for stopped, fine in ((False, passes), (True, stopped_passes)):
        said = "\n".join(lines)
        argv = ["sh", "-c", f"cat >&2 <<'EOF'\n{said}\nEOF\nexit {status}"]
        with rootfs_sender._Rsync(argv, "node2", lambda _sent, _rate: None, stopped) as program:
            if fine:
                program.wait()
            else:
                with pytest.raises(CopyError, match=f"ended with {status}|no room left"):
                    program.wait()


class Answering:
    """The other node: its tree, and what it answers."""

    def __init__(self, tree: Path, error: PeerError | None = None) -> None:
        self.blocks = iter([*walk(tree), b""])
        self.error = error

    def send(self, _message: Mapping[str, Any]) -> None:
        pass

    def receive(self) -> dict[str, Any]:
        if self.error:
            raise self.error
        return {}

    def receive_block(self, _longest: int) -> bytes:
        return next(self.blocks)


@pytest.mark.parametrize(("error", "again"), [(PeerError("gone"), True), (Refusal("no room for that"), False)])
def test_only_a_lost_connection_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: PeerError, again: bool
) -> None:
    monkeypatch.setattr(Copy, "_begin", lambda self: Answering(tmp_path, error))
    copy = Copy("web", tmp_path, "node2", bandwidth=0)
    for step in (copy._theirs, copy.drop):
        with pytest.raises(CopyError, match=f"node2: {error}") as raised:
            step()
        assert raised.value.transport is again


@pytest.mark.parametrize("whole", [True, False])
def test_a_tree_too_large_to_compare_has_rsync_look_through_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    here, there, said = tmp_path / "here", tmp_path / "there", tmp_path / "said"
    for tree in (here, there):
        tree.mkdir()
    (here / "new").touch()
    os.utime(there, (1, 1))
    began: list[Sequence[str]] = []

    class Recorded(rootfs_sender._Rsync):
        def __init__(self, argv: Sequence[str], *more: Any) -> None:
            began.append(argv)
            super().__init__(["sh", "-c", f"cat >> {said}" if "--files-from=-" in argv else "true"], *more)

    monkeypatch.setattr(rootfs_sender, "_Rsync", Recorded)
    monkeypatch.setattr(Copy, "_begin", lambda self: Answering(there))
    if not whole:
        monkeypatch.setattr(rootfs_sender, "Listing", lambda blocks: Listing(blocks, most=0))
    copy = Copy("web", here, "node2", bandwidth=0)
    copy._since = time.time() + (3600 if whole else -3600)  # a minute ago nothing was there
    with copy.last_difference() as make:
        make()
    assert set(said.read_bytes().split(b"\0")[:-1]) == {b".", b"new"}
    assert ["--files-from=-" in argv for argv in began] == ([True] if whole else [True, False])
    assert "--recursive" in began[-1] or whole
    assert len(copy.passes) == 1
