# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program for guests and nodes: frames as they are, onto a wire and from it.

Reads one line of JSON, says one as its answer.

- ``send``: frames (hex) by name, each so many ``times`` or until its input ends, on an interface, as root in a guest
  can.
- ``watch``: counts how often the frames of each name come by on each of some interfaces, until its input ends. Says
  "ready" first.
- ``connect``: what becomes of TCP connections to [address, port]: "open", "refused" or "silent".
- ``ask``: whether a datagram to [address, port, hex] is answered.
"""

import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

_ALL = 0x0003
_LONGEST = 65536
_TAGS = (b"\x81\x00", b"\x88\xa8")


def send(interface: str, frames: Mapping[str, Iterable[str]], times: int = 3, gap: float = 0.002) -> dict[str, int]:
    """How many frames of each name went out. With 0 times, until the input ends; says "ready" first."""
    sent: Counter[str] = Counter()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.bind((interface, 0))
        for _ in range(times) if times else _until_the_end():
            for name, its in frames.items():
                for frame in its:
                    wire.send(bytes.fromhex(frame))
                    sent[name] += 1
                    time.sleep(gap)
    return dict(sent)


def _until_the_end() -> Iterator[int]:
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        yield 0


def watch(interfaces: Iterable[str], frames: Mapping[str, Iterable[str]]) -> dict[str, dict[str, int]]:
    """How often the frames of each name came by, by interface."""
    known: dict[bytes, str] = {}
    for name, its in frames.items():
        for frame in map(bytes.fromhex, its):
            known[frame] = name
            # The kernel takes an outer VLAN tag off.
            if frame[12:14] in _TAGS:
                known[frame[:12] + frame[16:]] = name
    seen: dict[str, Counter[str]] = {}
    wires: dict[Any, str] = {}
    for interface in interfaces:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        wire.bind((interface, _ALL))
        wires[wire], seen[interface] = interface, Counter()
    print("ready", flush=True)
    while True:
        ready = select.select([*wires, sys.stdin], [], [], 10)[0]
        for wire in ready:
            if wire is sys.stdin:
                # What came before the end is still to be counted.
                for other, interface in wires.items():
                    other.setblocking(False)
                    while frame := _next(other):
                        _count(seen[interface], known, frame)
                return {interface: dict(its) for interface, its in seen.items()}
            _count(seen[wires[wire]], known, wire.recv(_LONGEST))


def _next(wire: socket.socket) -> bytes:
    try:
        return wire.recv(_LONGEST)
    except BlockingIOError:
        return b""


def _count(seen: "Counter[str]", known: Mapping[bytes, str], frame: bytes) -> None:
    if name := known.get(frame):
        seen[name] += 1


def connect(targets: Iterable[tuple[str, int]], patience: float = 1.5) -> dict[str, str]:
    """What became of a connection to each."""
    found: dict[str, str] = {}
    for address, port in targets:
        try:
            socket.create_connection((address, port), patience).close()
            word = "open"
        # Or taken and closed at once, by a server that knows who may call.
        except ConnectionError:
            word = "refused"
        except OSError:
            word = "silent"
        found[f"{address} {port}"] = word
    return found


def ask(targets: Iterable[tuple[str, int, str]], patience: float = 1.5) -> dict[str, bool]:
    """Whether each answered."""
    found: dict[str, bool] = {}
    for address, port, question in targets:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(patience)
            try:
                line.connect((address, port))
                line.send(bytes.fromhex(question))
                line.recv(_LONGEST)
                found[f"{address} {port}"] = True
            except OSError:
                found[f"{address} {port}"] = False
    return found


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    does: dict[str, Callable[..., Any]] = {"send": send, "watch": watch, "connect": connect, "ask": ask}
    print(json.dumps(does[asked.pop("do")](**asked)), flush=True)


if __name__ == "__main__":
    main()
