# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's disks, watchdog and daemon of SBD: what is empty, what is written to, what runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.host.sbd import NotEmpty, SbdNode
from ansible_collections.cspp.drover.plugins.modules.sbd_device import lay_out

DISK = (Path(__file__).parents[1] / "data" / "sbd" / "disk").read_bytes()
EMPTY = bytes(4096)
UUID = "ab81b6ce-b0a7-42d3-bf7e-fe47a87cd54a"
EXT4 = '{"signatures": [{"device": "a", "type": "ext4"}, {"device": "a", "type": "gpt"}]}'


class Node(SbdNode):
    """A node whose disks are files, and whose programs say what a table tells them."""

    def __init__(self, disks: Mapping[str, bytes | OSError], root: Path, answers: Mapping[str, Any] = {}) -> None:
        self.disks, self.answers, self.ran = dict(disks), dict(answers), list[list[str]]()
        super().__init__(self.program, root)

    def program(self, argv: Sequence[str], **_how: Any) -> CommandResult:
        self.ran.append(list(argv))
        if argv[0] == "sbd":
            self.disks[argv[2]] = DISK
        answer = self.answers.get(argv[0], "")
        if isinstance(answer, CommandError):
            raise answer
        return CommandResult(tuple(argv), answer if isinstance(answer, int) else 0, str(answer), "")

    def read(self, path: str) -> tuple[bytes, int]:
        disk = self.disks[path]
        if isinstance(disk, OSError):
            raise disk
        return disk, 512


@pytest.fixture
def disk(tmp_path: Path) -> Callable[..., Node]:
    """A node with one disk, /dev/a of which is opened as a file here."""

    def make(data: bytes | OSError, **answers: Any) -> Node:
        path = tmp_path / "a"
        path.touch()
        return Node({str(path): data}, tmp_path, answers)

    return make


def only(node: Node) -> str:
    return next(iter(node.disks))


@pytest.mark.parametrize(
    ("data", "answers", "content"),
    [
        (EMPTY, {}, ""),
        (EMPTY, {"wipefs": EXT4}, "ext4, gpt"),
        (EMPTY, {"wipefs": "no JSON"}, "something that wipefs cannot tell"),
        (
            EMPTY,
            {"wipefs": CommandError("wipefs is not installed here")},
            "something that wipefs cannot tell (wipefs is",
        ),
        # Nothing that anybody knows, but something.
        (EMPTY[:-1] + b"x", {}, "data"),
        # A header of another version of SBD.
        (DISK[:8] + b"\x03" + DISK[9:], {}, "data"),
    ],
)
def test_what_is_on_a_disk_without_sbd(
    disk: Callable[..., Node], data: bytes, answers: dict[str, Any], content: str
) -> None:
    node = disk(data, **answers)
    seen = node.device(only(node))
    assert seen["header"] is None
    assert (seen["content"].startswith(content), bool(seen["content"])) == (True, bool(content))
    with pytest.raises(NotEmpty) if content else nullcontext():
        lay_out(node, [only(node)], 15, check=True)


def test_what_is_in_use_is_not_empty(disk: Callable[..., Node], monkeypatch: pytest.MonkeyPatch) -> None:
    node = disk(EMPTY)

    def busy(path: str, flags: int) -> int:
        assert flags & os.O_EXCL
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "open", busy)
    assert node.device(only(node))["content"] == "something that is in use"
    assert node.ran == []


def test_what_is_no_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    node = SbdNode(lambda *_a, **_k: pytest.fail("nothing is run"), tmp_path)
    assert node.device(str(tmp_path / "a"))["fault"] == "is no block device"
    assert node.device(str(tmp_path / "b"))["fault"] == "No such file or directory"


def test_an_empty_disk_is_laid_out_once_with_twice_the_timeout_for_delivery(disk: Callable[..., Node]) -> None:
    node = disk(EMPTY)
    path = only(node)
    assert lay_out(node, [path], 15, check=True) == [path]
    assert not [argv for argv in node.ran if argv[0] == "sbd"]
    assert lay_out(node, [path], 15, check=False) == [path]
    assert [argv for argv in node.ran if argv[0] == "sbd"] == [["sbd", "-d", path, "-1", "15", "-4", "30", "create"]]
    assert lay_out(node, [path], 20, check=False) == []
    assert len([argv for argv in node.ran if argv[0] == "sbd"]) == 1


def test_a_disk_that_sbd_has_is_never_laid_out_again(disk: Callable[..., Node]) -> None:
    node = disk(DISK)
    with pytest.raises(NotEmpty, match="an SBD header"):
        node.create(only(node), 15)
    assert node.ran == []


def test_of_several_disks_none_is_written_when_one_is_not_empty(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        Path(path).touch()
    node = Node({paths[0]: EMPTY, paths[1]: b"x" + EMPTY}, tmp_path)
    with pytest.raises(NotEmpty, match=f"{paths[1]} cannot be laid out for SBD: data"):
        lay_out(node, paths, 15, check=False)
    assert not [argv for argv in node.ran if argv[0] == "sbd"]


def test_a_disk_that_cannot_be_read_is_not_written(disk: Callable[..., Node]) -> None:
    node = disk(OSError(errno.EIO, "Input/output error"))
    for check in (True, False):
        with pytest.raises(NotEmpty, match="cannot be laid out for SBD: Input/output error"):
            lay_out(node, [only(node)], 15, check=check)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with a chipset's watchdog, on which corosync runs and sbd watches a disk."""
    files = {
        "dev/watchdog": "",
        "dev/watchdog0": "",
        "sys/class/watchdog/watchdog0/identity": "iTCO_wdt\n",
        "sys/class/watchdog/watchdog0/state": "active\n",
        "sys/class/watchdog/watchdog0/max_timeout": "613\n",
        "proc/12/comm": "sbd\n",
        "proc/12/cmdline": f"sbd: watcher: /dev/a - slot: 0 - uuid: {UUID}\0",
        "proc/13/comm": "corosync\n",
        "proc/13/cmdline": "/usr/sbin/corosync\0-f\0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("wanted", ["/dev/watchdog", "/dev/watchdog0"])
def test_the_watchdog_is_told_by_the_kernel_and_never_opened(
    root: Path, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = Path.read_text

    def read_text(self: Path, *how: Any, **more: Any) -> str:
        opened.append(self.name)
        return real(self, *how, **more)

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    assert Node({}, root).watchdog(wanted) == {
        "device": wanted,
        "present": True,
        "module": True,
        "identity": "iTCO_wdt",
        "software": False,
        "active": True,
        "longest": 613,
    }
    assert "identity" in opened
    assert not [name for name in opened if name.startswith("watchdog")]


@pytest.mark.parametrize(("rc", "there"), [(0, True), (1, False), (CommandError("modprobe is not installed"), False)])
def test_whether_there_is_a_softdog_to_be_loaded(tmp_path: Path, rc: Any, there: bool) -> None:
    node = Node({}, tmp_path, {"modprobe": rc})
    told = node.watchdog("softdog")
    assert (told["device"], told["present"], told["module"]) == ("/dev/watchdog", False, there)
    # Never loaded here: it is the role that does.
    assert node.ran == [["modprobe", "--dry-run", "--quiet", "softdog"]]


def test_what_runs(root: Path) -> None:
    told = Node({}, root).look([], "/dev/watchdog")
    assert (told["running"], told["watches"], told["cluster"]) == (True, [UUID], True)
    for number in (12, 13):
        (root / f"proc/{number}/comm").unlink()
        (root / f"proc/{number}/cmdline").unlink()
    told = Node({}, root).look([], "/dev/watchdog")
    assert (told["running"], told["watches"], told["cluster"]) == (False, [], False)


def test_disks_that_are_declared_and_not_watched(root: Path) -> None:
    node = Node({"/dev/a": DISK, "/dev/b": DISK.replace(b"\xab\x81", b"\0\0"), "/dev/c": OSError(5, "gone")}, root)
    for name in ("etc/default/sbd", "etc/systemd/system/sbd.service.d/drover.conf"):
        assert node.unwatched() == []
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text('SBD_DEVICE="/dev/a;/dev/b;/dev/c"\nSBD_PACEMAKER=yes\n')
    assert node.unwatched() == ["/dev/b", "/dev/c"]
    (root / "proc/12/cmdline").unlink()
    assert node.unwatched() == ["/dev/a", "/dev/b", "/dev/c"]
    # Its cluster starts it.
    (root / "proc/13/comm").unlink()
    assert node.unwatched() == []


def test_the_files_of_the_role_are_what_is_looked_at(root: Path) -> None:
    role = Path(__file__).resolve().parents[3] / "roles/fencing"
    paths = (role / "vars/main.yml").read_text()
    assert "path: /etc/default/sbd," in paths and "path: /etc/systemd/system/sbd.service.d/drover.conf," in paths
    assert "SBD_DEVICE=\"{{ __fencing_sbd.devices | join(';') }}\"\n" in (role / "templates/sbd.j2").read_text()
