# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A terminal with a real shell on it, which outlives those who look at it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import terminals
from ansible_collections.cspp.drover.plugins.module_utils.core import frames
from ansible_collections.cspp.drover.plugins.module_utils.core.processes import born

PATIENCE = 30.0


def shell(grace: float = 60.0, argv: Sequence[str] = ("env", "PS1=", "sh"), patience: float = 0.0) -> terminals.Begin:
    """What begins with a real shell, in a thread of the tests."""

    def begin(listener: socket.socket, path: Path, _kind: str, _what: str) -> None:
        program = terminals.run(argv)
        ended = lambda: (frames.ENDED, "over")  # noqa: E731
        held = terminals.Terminal(listener.dup(), path, program, ended, grace=grace, patience=patience)
        threading.Thread(target=held.run, daemon=True).start()

    return begin


class Look:
    """Somebody who looks at the terminal ``web`` of a folder, where a shell is begun if there is none."""

    def __init__(
        self,
        folder: Path,
        grace: float = 60.0,
        begin: terminals.Begin | None = None,
        kind: str = "shell",
        what: str = "web",
    ) -> None:
        self.stream = terminals.connection("web", kind, what, folder=folder, begin=begin or shell(grace))
        self.stream.settimeout(PATIENCE)
        self._incoming, self.shown = frames.Incoming(), b""
        self.words: list[dict[str, object]] = []

    def type(self, text: str) -> None:
        self.stream.sendall(frames.pack(frames.BYTES, text.encode()))

    def hear(self) -> bool:
        data = self.stream.recv(1 << 16)
        for kind, body in self._incoming.feed(data):
            if kind == frames.BYTES:
                self.shown += body
            else:
                self.words.append(json.loads(body))
        return bool(data)

    def until(self, text: bytes) -> None:
        while text not in self.shown:
            assert self.hear(), (text, self.shown, self.words)


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Look]:
    look = Look(tmp_path)
    yield look
    with suppress(OSError):
        look.type("exit\n")


def test_what_is_typed_before_the_program_has_its_terminal_is_not_lost(tmp_path: Path) -> None:
    """As lxc-attach does: setting the terminal up throws away what has come by then; only then it says something."""
    slow = """
import sys, termios, time
time.sleep(0.5)
termios.tcflush(0, termios.TCIFLUSH)
print("ready")
print("read " + sys.stdin.readline())
"""
    look = Look(tmp_path, begin=shell(argv=[sys.executable, "-c", slow], patience=PATIENCE))
    look.type("early\n")
    look.until(b"read early")


def test_a_program_that_shows_nothing_is_heard_out_for_a_while_only(tmp_path: Path) -> None:
    look = Look(tmp_path, begin=shell(patience=0.1))
    look.type("echo $((40 + 2))\n")
    look.until(b"42")
    look.type("exit\n")


def test_it_outlives_who_looks_and_is_shown_again(first: Look, tmp_path: Path) -> None:
    first.stream.sendall(frames.pack(frames.CONTROL, b'{"resize": [91, 23]}'))
    first.type("stty size; kept=here\n")
    first.until(b"23 91")
    first.stream.close()
    second = Look(tmp_path)
    second.until(b"23 91")
    assert "replay" in second.words[0]
    # Two look at the same, and both may type.
    third = Look(tmp_path)
    third.type("echo still-$kept\n")
    for look in (second, third):
        look.until(b"still-here")
    # Nobody else is harmed by one who talks nonsense.
    third.stream.sendall(frames.pack(frames.CONTROL, b"[" * 100_000))
    while third.hear():
        pass
    second.type("exit\n")
    while second.hear():
        pass
    assert second.words[-1] == {"close": frames.ENDED, "reason": "over"}
    assert not (tmp_path / "web").exists()
    # Whoever comes then gets a new one.
    with Look(tmp_path).stream as stream:
        stream.sendall(frames.pack(frames.BYTES, b"exit\n"))


def test_a_serial_port_is_passed_on_as_it_is_until_its_vm_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vm, port = os.openpty()
    # As QEMU leaves it.
    tty.setraw(port)

    def begin(listener: socket.socket, path: Path, kind: str, what: str) -> None:
        words = ["terminal", kind, what, str(path), str(os.dup(listener.fileno()))]
        monkeypatch.setattr(sys, "argv", words)
        threading.Thread(target=terminals.main, daemon=True).start()

    look = Look(tmp_path, begin=begin, kind="device", what=os.ttyname(port))
    os.write(vm, b"login: \n")
    look.until(b"login: \n")
    look.type("root\r\x03")
    assert os.read(vm, 64) == b"root\r\x03"
    os.close(port)
    os.close(vm)
    while look.hear():
        pass
    assert look.words[-1] == {"close": frames.AGAIN, "reason": "its VM has ended here, or moved on"}


def test_it_ends_when_nobody_looks_any_more(tmp_path: Path) -> None:
    look = Look(tmp_path, grace=0.05)
    look.type("echo pid=$$ end=$((1 + 1))\n")
    look.until(b"end=2")
    shell = int(look.shown.rpartition(b"pid=")[2].split()[0])
    look.stream.close()
    until = time.monotonic() + PATIENCE
    while born(shell) is not None or (tmp_path / "web").exists():
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.01)
