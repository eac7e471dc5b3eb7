# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client that asks a guest many times a second and counts what comes back; :class:`probe.Probe` runs it.

    prober.py tcp|ping|udp HOST PORT RATE

It is a program of its own, without imports from its neighbours, because a thread that shares an interpreter
sleeps when others work, and would report that as the guest's silence. Where it may, it runs at real-time priority and
takes arrival times from the kernel; ``delay_ms`` tells how far it was held up all the same.

Once answers come steadily it says ``{"steady": true}`` and counts from there. It ends with a reading at the line
``stop`` on its input, and without one when its input ends: whoever started it is gone.

It has over 400 lines because all of it has to be in one file: it is started isolated (python3 -I, see probe.py), and
can import nothing that lies beside it.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, ClassVar

#: Seconds for the first answers; seconds after the end in which late answers still count.
_PATIENCE, _LINGER = 5.0, 1.0
#: A connection that takes longer is lost: TCP repeats its first packet after a second, and that would hide it.
_CONNECT = 0.95
_GREETING = b"drover\n"
_TIMESTAMPS = 35  # SO_TIMESTAMPNS and its control message, asm-generic/socket.h
_ANSWER = list[tuple[int, float]]


class Tally:
    """Which numbers were asked and which came back, when. Times are seconds of one clock."""

    def __init__(self, now: float) -> None:
        self.next = 0
        self.begin(now)

    def begin(self, now: float) -> None:
        """Count from here; what was asked before does not matter any more."""
        self.first = self.next
        self.begun = self.last = now
        self.silence = 0.0
        self.highest = -1
        self.row = self.received = self.duplicated = self.reordered = 0
        self._seen = bytearray()

    def asked(self) -> None:
        self.next += 1
        self._seen.append(0)

    def answered(self, number: int, when: float) -> None:
        place = number - self.first
        if not 0 <= place < len(self._seen):
            return
        self.silence = max(self.silence, when - self.last)
        self.last = max(self.last, when)
        if self._seen[place]:
            self.duplicated += 1
            return
        self._seen[place] = 1
        self.received += 1
        self.row = self.row + 1 if number == self.highest + 1 or self.highest < 0 else 0
        self.reordered += number < self.highest
        self.highest = max(self.highest, number)

    @property
    def sent(self) -> int:
        return self.next - self.first

    @property
    def lost(self) -> int:
        return self.sent - self.received


class Client:
    """One way of asking. ``broken`` says how it ended for good, ``trouble`` what the last error was."""

    measured: ClassVar[str]
    #: At most so many times a second.
    most: ClassVar[int] = 2000

    def __init__(self, host: str, port: int) -> None:
        self.broken: str | None = None
        self.trouble: str | None = None
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self.family, self.where = found[0], found[4]
        self.readers: list[socket.socket] = []
        self.writers: list[socket.socket] = []

    def ask(self, number: int, now: float) -> bool:
        """Send a number; False when there is no room for it now."""
        raise NotImplementedError

    def hear(self, ready: Iterable[Any], now: float) -> _ANSWER:
        """The numbers that came back on sockets that are ready, and when they arrived."""
        raise NotImplementedError

    def begin(self) -> None:
        """Counting begins."""

    def facts(self) -> dict[str, Any]:
        """What else there is to tell at the end."""
        return {}


class Echo(Client):
    """Numbered lines through one TCP session; whatever comes back has to be what was sent."""

    measured = "lines echoed in one TCP session"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.socket = socket.create_connection((host, port), _PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _timestamped(self.socket)
        self.readers = [self.socket]
        self._waiting = b""
        self._half = b""
        self._expected = 0
        self._before = (0, 0, 0)

    def echoes(self) -> bool:
        """Whether that is an echo service; one that is not is left alone from here on."""
        self._send(_GREETING)
        heard = b""
        with suppress(OSError):
            while len(heard) < len(_GREETING) and select.select([self.socket], [], [], 2.0)[0]:
                data = self.socket.recv(len(_GREETING) - len(heard))
                if not data:
                    break
                heard += data
        if heard != _GREETING:
            self.socket.close()
        return heard == _GREETING

    def ask(self, number: int, now: float) -> bool:
        if self.broken or self._waiting:
            self._send(b"")
            return False
        self._send(b"%d\n" % number)
        return self.broken is None

    def _send(self, line: bytes) -> None:
        self._waiting += line
        with suppress(BlockingIOError):  # a full buffer is silence, not an error
            try:
                self._waiting = self._waiting[self.socket.send(self._waiting) :]
            except BlockingIOError:
                raise
            except OSError as error:
                self._end(error.strerror or str(error))

    def hear(self, ready: Iterable[Any], now: float) -> _ANSWER:
        if self.socket not in ready or self.broken:
            return []
        try:
            data, when = _receive(self.socket, now)
        except BlockingIOError:
            return []
        except OSError as error:
            self._end(error.strerror or str(error))
            return []
        if not data:
            self._end("closed by the guest")
            return []
        *lines, self._half = (self._half + data).split(b"\n")
        answers = []
        for line in lines:
            if line != b"%d" % self._expected:
                self._end(f"the guest echoed {line[:20]!r} instead of {self._expected}")
                break
            answers.append((self._expected, when))
            self._expected += 1
        return answers

    def _end(self, why: str) -> None:
        self.broken = why
        self.readers = []

    def begin(self) -> None:
        self._before = self._counters()

    def facts(self) -> dict[str, Any]:
        """What the kernel knows of the way out and the way back (struct tcp_info, linux/tcp.h).

        ``retransmitted`` packets were sent again. ``received_twice`` are those of which the guest said that it had them
        already (D-SACK, RFC 2883), resent without need or delivered twice: what was retransmitted beyond them was lost
        on the way out. ``gaps_back`` are packets that came before one sent earlier: there was a loss, or an overtaking,
        on the way back.
        """
        again, twice, gaps = (now - before for now, before in zip(self._counters(), self._before, strict=True))
        return {"tcp": {"retransmitted": again, "received_twice": twice, "gaps_back": gaps}}

    def _counters(self) -> tuple[int, int, int]:
        info = b""
        with suppress(OSError):
            info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        again, twice, gaps = (_uint32(info, offset) for offset in (100, 216, 224))
        return again, twice, gaps


class Connect(Client):
    """Fresh TCP connections, closed as soon as they are taken."""

    measured = "new TCP connections"
    most = 20

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._open: dict[socket.socket, tuple[int, float]] = {}

    def ask(self, number: int, now: float) -> bool:
        for connection, (_number, begun) in list(self._open.items()):
            if now - begun > _CONNECT:
                self._close(connection)
        connection = socket.socket(self.family, socket.SOCK_STREAM)
        connection.setblocking(False)
        # Closed by a reset: nothing of it stays, on either side.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        error = connection.connect_ex(self.where)
        if error not in (0, errno.EINPROGRESS):
            self.trouble = os.strerror(error)
            connection.close()
            return True
        self._open[connection] = (number, now)
        self.writers = list(self._open)
        return True

    def hear(self, ready: Iterable[Any], now: float) -> _ANSWER:
        answers = []
        for connection in ready:
            if connection in self._open:
                error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    self.trouble = os.strerror(error)
                else:
                    answers.append((self._open[connection][0], now))
                self._close(connection)
        return answers

    def _close(self, connection: socket.socket) -> None:
        connection.close()
        del self._open[connection]
        self.writers = list(self._open)


class Datagrams(Client):
    """Numbered packets, each with an answer of its own. What is not ours is told by a random word."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._word = os.urandom(8)
        self.socket = self._opened()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(self.where)
        _timestamped(self.socket)
        self.readers = [self.socket]

    def _opened(self) -> socket.socket:
        return socket.socket(self.family, socket.SOCK_DGRAM)

    def ask(self, number: int, now: float) -> bool:
        try:
            self.socket.send(self._packed(number, self._word + struct.pack("!Q", number)))
        except BlockingIOError:
            return False
        except OSError as error:  # also what an earlier packet met with
            self.trouble = error.strerror or str(error)
        return True

    def hear(self, ready: Iterable[Any], now: float) -> _ANSWER:
        answers: _ANSWER = []
        while self.socket in ready:
            try:
                data, when = _receive(self.socket, now)
            except BlockingIOError:
                break
            except OSError as error:
                self.trouble = error.strerror or str(error)
                break
            content = self._content(data)
            if content[:8] == self._word and len(content) >= 16:
                answers.append((struct.unpack_from("!Q", content, 8)[0], when))
        return answers

    def _packed(self, number: int, content: bytes) -> bytes:
        raise NotImplementedError

    def _content(self, packet: bytes) -> bytes:
        raise NotImplementedError


class Udp(Datagrams):
    """Datagrams to an echo service."""

    measured = "UDP datagrams echoed"

    def _packed(self, number: int, content: bytes) -> bytes:
        return content

    def _content(self, packet: bytes) -> bytes:
        return packet


class Ping(Datagrams):
    """ICMP echo, through the kernel's ping socket or, where that is not permitted, a raw one."""

    measured = "pings answered"

    def _opened(self) -> socket.socket:
        six = self.family == socket.AF_INET6
        protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
        self._request, self._reply = (128, 129) if six else (8, 0)
        self._raw = False
        with suppress(PermissionError):
            return socket.socket(self.family, socket.SOCK_DGRAM, protocol)
        self._raw = True
        raw = socket.socket(self.family, socket.SOCK_RAW, protocol)
        if six:
            blocked = [0xFFFFFFFF] * 8
            blocked[self._reply // 32] ^= 1 << self._reply % 32
            raw.setsockopt(protocol, 1, struct.pack("8I", *blocked))  # ICMPV6_FILTER
        else:
            raw.setsockopt(255, 1, struct.pack("I", 0xFFFFFFFF ^ 1 << self._reply))  # SOL_RAW, ICMP_FILTER
        return raw

    def _packed(self, number: int, content: bytes) -> bytes:
        # A ping socket replaces identity and checksum; IPv6 has the kernel do the latter in any case.
        body = struct.pack("!HH", os.getpid() & 0xFFFF, number & 0xFFFF) + content.ljust(56, b"\0")
        zero = struct.pack("!BBH", self._request, 0, 0) + body
        return struct.pack("!BBH", self._request, 0, checksum(zero)) + body

    def _content(self, packet: bytes) -> bytes:
        if self._raw and self.family == socket.AF_INET and packet:
            packet = packet[(packet[0] & 15) * 4 :]
        return packet[8:] if packet[:1] == bytes([self._reply]) else b""


def tcp(host: str, port: int) -> Client:
    """A session where the service echoes, fresh connections where it does not."""
    session = Echo(host, port)
    return session if session.echoes() else Connect(host, port)


CLIENTS: dict[str, Callable[[str, int], Client]] = {"tcp": tcp, "ping": Ping, "udp": Udp}


def checksum(data: bytes) -> int:
    """The internet checksum of RFC 1071, of an even number of bytes."""
    total = int(sum(word for (word,) in struct.iter_unpack("!H", data)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def probe(client: Client, rate: int, control: int, say: Callable[[dict[str, Any]], None]) -> None:
    """Ask until told to stop by ``control``, a file descriptor; ``say`` takes what there is to tell."""
    rate = min(rate, client.most)
    interval = 1 / rate
    enough = max(5, min(20, rate // 5))
    begun = due = time.monotonic()
    tally = Tally(begun)
    steady, ending, delay = False, 0.0, 0.0
    while True:
        now = time.monotonic()
        if ending and (now >= ending or not tally.lost or client.broken):
            break
        left = (ending or due) - now
        sockets: list[Any] = [*client.readers] if ending else [*client.readers, control]
        readable, writable, _failed = select.select(sockets, client.writers, [], max(0.0, min(left, 1.0)))
        now = time.monotonic()
        for number, when in client.hear([*readable, *writable], now):
            tally.answered(number, when)
        if control in readable:
            if not os.read(control, 4096):
                return
            ending = now + _LINGER
            tally.silence = max(tally.silence, now - tally.last)
        if not steady and (tally.row >= enough or now - begun > _PATIENCE or client.broken):
            if tally.row < enough:
                why = client.broken or client.trouble
                say({"error": f"{tally.received} of {tally.sent} answered" + (f" ({why})" if why else "")})
                return
            steady = True
            tally.begin(now)
            client.begin()
            delay = 0.0
            say({"steady": True})
        if not ending and now >= due:
            delay = max(delay, now - due)
            # Late numbers are left out rather than sent in a burst, which no client would send.
            due = max(due + interval, now + interval / 2)
            if client.ask(tally.next, now):
                tally.asked()
    say(
        {
            "measured": client.measured,
            "rate": rate,
            "seconds": round(time.monotonic() - tally.begun, 2),
            "sent": tally.sent,
            "received": tally.received,
            "lost": tally.lost,
            "duplicated": tally.duplicated,
            "reordered": tally.reordered,
            "silence_ms": round(tally.silence * 1000, 1),
            "broken": client.broken,
            "delay_ms": round(delay * 1000, 1),
            **client.facts(),
        }
    )


def _timestamped(sock: socket.socket) -> None:
    sock.setblocking(False)
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)


def _receive(sock: socket.socket, now: float) -> tuple[bytes, float]:
    """What arrived, and when by the kernel's clock, else ``now``."""
    data, control, _flags, _source = sock.recvmsg(65536, 64)
    for level, kind, stamp in control:
        if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMPS) and len(stamp) >= 16:
            seconds, nanoseconds = struct.unpack_from("qq", stamp)
            age = time.time() - (seconds + nanoseconds / 1e9)
            if 0 <= age < 60:  # else the clock was set meanwhile
                return data, time.monotonic() - age
    return data, now


def _uint32(data: bytes, offset: int) -> int:
    return int(struct.unpack_from("=I", data, offset)[0]) if len(data) >= offset + 4 else 0


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(kind: str, host: str, port: str, rate: str) -> None:
    gc.disable()
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        client = CLIENTS[kind](host, int(port))
    except OSError as error:
        _say({"error": error.strerror or str(error)})
        return
    probe(client, int(rate), sys.stdin.fileno(), _say)


if __name__ == "__main__":
    main(*sys.argv[1:])
