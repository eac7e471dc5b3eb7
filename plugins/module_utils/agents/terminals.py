# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Terminals that outlive those who look at them: a page that is loaded again, or a node of the console that dies, finds
what was shown and goes on typing.

Each is a process of its own on the guest's node, which holds the program's pseudo-terminal and listens at a Unix
socket. It ends when the program does, or when nobody has looked for a minute.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import selectors
import socket
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ..core import frames
from ..core.errors import DroverError
from ..core.installed import program
from ..core.lock import locked
from ..core.unix_socket import listen
from ..hypervisor.lxc_host import LxcHost
from . import glance
from .attach import RUNNING, inside

__all__ = ["FOLDER", "Begin", "Terminal", "connection", "main", "run", "start"]

FOLDER = Path("/run/drover/terminals")
#: Seconds that it lives on while nobody looks, that a farewell may take, and until what is typed goes to a program that
#: has not shown anything yet: lxc-attach throws away what came before it had its terminal set up.
_GRACE, _FAREWELL, _FIRST_WORD = 60.0, 2.0, 5.0
#: Bytes of what was shown that who comes anew is shown again; that may wait for somebody slow, who is then let go; that
#: are read at a time; and of input that the program has not read yet.
_KEPT, _SLOW, _CHUNK, _TYPED = 256 << 10, 4 << 20, 1 << 16, 1 << 20
#: Who may look at one at a time.
_MOST = 8
_SHELL = "export TERM=xterm-256color; command -v bash >/dev/null && exec bash -l; exec sh -l"

#: Begins with a terminal that answers at this socket, which has this name, in a process that outlives this one.
Begin = Callable[[socket.socket, Path, str, str], None]
#: Why a terminal is over: the close code, and words.
Over = Callable[[], tuple[int, str]]


def start(listener: socket.socket, path: Path, kind: str, what: str) -> None:
    """Begin with a terminal: the ``shell`` of a container, or a ``device``, the node's end of a serial port."""
    number = listener.fileno()
    argv = [program("terminal"), kind, what, str(path), str(number)]
    subprocess.Popen(argv, pass_fds=[number], start_new_session=True, stdin=subprocess.DEVNULL)


def connection(key: str, kind: str, what: str, *, folder: Path = FOLDER, begin: Begin = start) -> socket.socket:
    """A connection to the terminal of this key, begun with where there is none. Raises OSError, WaitTimeout."""
    path = folder / key
    with locked(_lock(path), 10.0, what="another start of the same terminal"):
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return _connected(path)
        with listen(path) as listener:
            begin(listener, path, kind, what)
        return _connected(path)


def main() -> int:
    """The process of one terminal: ``terminal KIND WHAT PATH DESCRIPTOR``, where it listens at the descriptor."""
    kind, what, path, number = sys.argv[1:5]
    over: Over
    if kind == "device":
        device, over = _opened(what), lambda: (frames.AGAIN, "its VM has ended here, or moved on")
        patience = 0.0
    else:
        patience = _FIRST_WORD
        device, over = run(inside(what, "root", _SHELL)), lambda: _why(what)
    Terminal(socket.socket(fileno=int(number)), Path(path), device, over, patience=patience).run()
    return 0


def _why(container: str) -> tuple[int, str]:
    """What the end of a container's shell means: the close code, and words."""
    # One that is being stopped, or leaves, ends its shells while it still counts as running. It has no mark any more.
    with suppress(DroverError):
        if glance.marked(container) and LxcHost().state(container) == RUNNING:
            return frames.ENDED, "The shell has ended."
    return frames.AGAIN, f"{container} has ended here, or moved on"


def _opened(path: str) -> int:
    device = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    # At once: what the VM has said already is not to be thrown away.
    tty.setraw(device, termios.TCSANOW)
    return device


def run(argv: Sequence[str]) -> int:
    """Run a program on a terminal of its own; the terminal's other end."""
    device, its = pty.openpty()
    _resize(device, 80, 24)
    subprocess.Popen(["setsid", "--ctty", *argv], stdin=its, stdout=its, stderr=its)
    os.close(its)
    return device


def _resize(device: int, columns: int, rows: int) -> None:
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class _Onlooker:
    """One of those who look: what came of them in part, and what is yet to be told them."""

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self.stream, self.incoming, self.untold = stream, frames.Incoming(), bytearray()


class Terminal:
    """What a program or a serial port shows, told to all who look, and what they type.

    ``listener`` has the name ``path``, ``device`` is a pseudo-terminal's descriptor, ``over`` says why it has ended.
    What is typed waits until the program has shown something, for so many seconds of ``patience``.
    """

    def __init__(
        self,
        listener: socket.socket,
        path: Path,
        device: int,
        over: Over,
        *,
        grace: float = _GRACE,
        patience: float = _FIRST_WORD,
    ) -> None:
        self._listener, self._path = listener, path
        self._device, self._over, self._grace = device, over, grace
        self._shown, self._typed = bytearray(), bytearray()
        self._listens_at = time.monotonic() + patience
        self._onlookers: list[_Onlooker] = []
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        os.set_blocking(device, False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(device, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the program ends, or until nobody has looked for a while, which ends the program."""
        alone = time.monotonic()
        while self._onlookers or time.monotonic() - alone < self._grace:
            if not self._turn():
                break
            if self._onlookers:
                alone = time.monotonic()
        self._end()

    def _turn(self) -> bool:
        """Do what is to be done now; False once the program has ended."""
        waits = self._onlookers and (not self._typed or self._listens)
        for key, events in self._selector.select(None if waits else min(1.0, self._grace)):
            if key.fileobj is self._listener:
                self._welcome()
            elif key.fd == self._device:
                if not self._of_device(events):
                    return False
            elif key.data in self._onlookers:
                self._of(key.data, events)
        self._watch_device()
        return True

    @property
    def _listens(self) -> bool:
        """Whether the program has its terminal by now."""
        return bool(self._shown) or time.monotonic() >= self._listens_at

    def _welcome(self) -> None:
        with suppress(BlockingIOError):
            stream = self._listener.accept()[0]
            if len(self._onlookers) >= _MOST:
                with stream:
                    stream.send(frames.closing(4429, f"{_MOST} pages have this terminal open: close one"))
                return
            one = _Onlooker(stream)
            self._onlookers.append(one)
            self._selector.register(stream, selectors.EVENT_READ, one)
            if self._shown:
                self._tell(one, frames.pack(frames.CONTROL, json.dumps({"replay": len(self._shown)}).encode()))
                self._tell(one, frames.pack(frames.BYTES, bytes(self._shown)))

    def _of_device(self, events: int) -> bool:
        if events & selectors.EVENT_WRITE:
            with suppress(OSError):
                del self._typed[: os.write(self._device, self._typed)]
        if not events & selectors.EVENT_READ:
            return True
        try:
            data = os.read(self._device, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # what Linux says when the last program at the other end is gone
            return False
        self._shown += data
        del self._shown[:-_KEPT]
        for one in list(self._onlookers):
            self._tell(one, frames.pack(frames.BYTES, data))
        return bool(data)

    def _of(self, one: _Onlooker, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                del one.untold[: one.stream.send(one.untold)]
                self._watch(one)
            if events & selectors.EVENT_READ:
                data = one.stream.recv(_CHUNK)
                if not data:
                    raise OSError("they went away")
                for kind, body in one.incoming.feed(data):
                    self._hear(kind, body)
        except BlockingIOError:
            pass
        except (OSError, ValueError, RecursionError):
            self._leave(one)

    def _hear(self, kind: bytes, body: bytes) -> None:
        if kind == frames.BYTES:
            # Who types faster than the program reads is not heard out.
            self._typed += body[: max(0, _TYPED - len(self._typed))]
        elif kind == frames.CONTROL:
            match json.loads(body):
                case {"resize": [int(columns), int(rows)]} if 0 < columns < 1000 and 0 < rows < 1000:
                    with suppress(OSError):
                        _resize(self._device, columns, rows)

    def _tell(self, one: _Onlooker, message: bytes) -> None:
        one.untold += message
        if len(one.untold) > _SLOW:
            self._leave(one)
        else:
            self._watch(one)

    def _watch(self, one: _Onlooker) -> None:
        wish = selectors.EVENT_READ | (selectors.EVENT_WRITE if one.untold else 0)
        self._selector.modify(one.stream, wish, one)

    def _watch_device(self) -> None:
        ready = self._typed and self._listens
        self._selector.modify(self._device, selectors.EVENT_READ | (selectors.EVENT_WRITE if ready else 0))

    def _leave(self, one: _Onlooker) -> None:
        self._onlookers.remove(one)
        self._selector.unregister(one.stream)
        one.stream.close()

    def _end(self) -> None:
        """Nobody finds it any more; then it says why, and the program, if it still runs, loses its terminal."""
        with suppress(DroverError), locked(_lock(self._path), _FAREWELL, what="somebody who looks for it"):
            self._path.unlink(missing_ok=True)
        self._listener.close()
        farewell = frames.closing(*self._over()) if self._onlookers else b""
        for one in self._onlookers:
            one.stream.settimeout(_FAREWELL)
            with one.stream, suppress(OSError):
                one.stream.sendall(bytes(one.untold) + farewell)
        self._selector.close()
        os.close(self._device)


def _lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _connected(path: Path) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.connect(str(path))
    except OSError:
        stream.close()
        raise
    return stream
