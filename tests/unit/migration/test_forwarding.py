# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The account of frames, and frames as the kernel hands them over."""

from __future__ import annotations

import socket
import struct
import syslog
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.migration import forwarding
from ansible_collections.cspp.drover.plugins.module_utils.migration.forwarding import (
    Forwarder,
    Frame,
    Ledger,
    with_vlan_tag,
)
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError


class Device:
    """A tap device: frames wait in it until the VM takes them."""

    def __init__(self, waiting: int = 0, room: int = 500) -> None:
        self.queue = deque([b"old"] * waiting)
        self.taken, self.dropped, self.room = 1000, 7, room

    def send(self, data: bytes) -> None:
        if len(self.queue) < self.room:
            self.queue.append(data)
        else:
            self.dropped += 1

    def take(self, count: int) -> None:
        for _frame in range(min(count, len(self.queue))):
            self.queue.popleft()
            self.taken += 1


def number(frame: Frame) -> int:
    return int(frame.data)


@pytest.mark.parametrize("waiting", [0, 3])
@pytest.mark.parametrize("unread", [0, 1, 5])
def test_exactly_what_was_not_read_is_sent_and_the_last_two_before(waiting: int, unread: int) -> None:
    device = Device(waiting)
    ledger = Ledger(device.taken, device.dropped)
    for index in range(50):
        device.send(b"%d" % index)
        ledger.add(b"%d" % index)
        device.take(2)
        ledger.settle(device.taken)
    for index in range(50, 50 + unread):
        device.send(b"%d" % index)
        ledger.add(b"%d" % index)
    sent = [number(frame) for frame in ledger.unread(device.taken, device.dropped)]
    assert sent == list(range(48, 50 + unread))


def test_frames_that_waited_before_the_account_was_opened_cost_nothing_but_are_never_forgotten() -> None:
    """While the old ones have not been read, the new ones have not been either."""
    device = Device(waiting=3)
    ledger = Ledger(device.taken, device.dropped)
    for index in range(4):
        device.send(b"%d" % index)
        ledger.add(b"%d" % index)
    assert [number(frame) for frame in ledger.unread(device.taken, device.dropped)] == [0, 1, 2, 3]


def test_dropped_frames_are_not_taken_for_unread() -> None:
    device = Device(room=2)
    ledger = Ledger(device.taken, device.dropped)
    for index in range(10):
        device.send(b"%d" % index)
        ledger.add(b"%d" % index)
    device.take(10)
    assert [number(frame) for frame in ledger.unread(device.taken, device.dropped)] == [8, 9]


PLAIN = struct.pack("<BBHHHH", 0, 0, 0, 0, 0, 0)
CHECKSUMMED = struct.pack("<BBHHHH", 1, 0, 54, 0, 34, 16)


def auxdata(status: int, tci: int, tpid: int) -> list[tuple[int, int, bytes]]:
    return [(263, 8, struct.pack("=IIIHHHH", status, 60, 60, 0, 14, tci, tpid))]


@pytest.mark.parametrize(
    ("header", "ancillary", "expected"),
    [
        (PLAIN, [], PLAIN + b"A" * 12 + b"BB"),
        (PLAIN, auxdata(0, 0, 0), PLAIN + b"A" * 12 + b"BB"),
        (PLAIN, auxdata(0x50, 42, 0x88A8), PLAIN + b"A" * 12 + b"\x88\xa8\x00\x2aBB"),
        (PLAIN, auxdata(0x10, 42, 0), PLAIN + b"A" * 12 + b"\x81\x00\x00\x2aBB"),
        (
            CHECKSUMMED,
            auxdata(0x10, 42, 0),
            struct.pack("<BBHHHH", 1, 0, 58, 0, 38, 16) + b"A" * 12 + b"\x81\x00\x00\x2aBB",
        ),
    ],
)
def test_a_vlan_tag_is_put_back(header: bytes, ancillary: list[tuple[int, int, bytes]], expected: bytes) -> None:
    assert with_vlan_tag(header + b"A" * 12 + b"BB", ancillary) == expected


def test_interfaces_that_are_not_there_keep_none_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tap:
        def __init__(self, index: int, name: str) -> None:
            self.index, self.name = index, name

    monkeypatch.setattr(forwarding, "number", lambda name: None if name == "web-2" else 7)
    monkeypatch.setattr(forwarding, "_Tap", Tap)
    forwarder = Forwarder("web", ["web-1", "web-2", "web-3"], "n2")
    assert [(tap.index, tap.name) for tap in forwarder._taps] == [(0, "web-1"), (2, "web-3")]
    assert forwarder.trouble == "packets for web-2 not forwarded (there is no such interface)"


def test_an_interface_hears_no_broadcasts_until_the_vm_is_announced_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, said, enough = [0], list[str](), threading.Event()

    def close(name: str) -> bool:
        """There from the third look on."""
        looks[0] += name == "web-1"
        if looks[0] >= 3:
            said.append(f"close {name}")
        return looks[0] >= 3

    spoken = iter([False, False, True])

    def speaks(name: str) -> bool:
        if name == "web-2":
            return False
        if next(spoken):
            enough.set()
            return True
        return False

    monkeypatch.setattr(forwarding, "_LOOK", 0)
    monkeypatch.setattr(forwarding, "close", close)
    monkeypatch.setattr(forwarding, "speaks", speaks)
    monkeypatch.setattr(forwarding, "number", lambda _name: 7)
    monkeypatch.setattr(forwarding, "open_up", lambda names: said.extend(f"open {name}" for name in names))
    forwarding._keep_quiet(["web-1", "web-2"], enough)
    assert sorted(said[:2]) == ["close web-1", "close web-2"]
    assert said[2:] == ["open web-1"]


def test_an_interface_that_comes_a_second_time_is_kept_quiet_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said, enough = list[str](), threading.Event()
    numbers = iter([7, 9])

    def close(name: str) -> bool:
        said.append(f"close {name}")
        if len(said) == 2:
            enough.set()
        return True

    monkeypatch.setattr(forwarding, "_LOOK", 0)
    monkeypatch.setattr(forwarding, "close", close)
    monkeypatch.setattr(forwarding, "speaks", lambda _name: False)
    monkeypatch.setattr(forwarding, "number", lambda _name: next(numbers, 9))
    monkeypatch.setattr(forwarding, "open_up", lambda _names: None)
    forwarding._keep_quiet(["web-1"], enough)
    assert said == ["close web-1", "close web-1"]


class Flood:
    """A source that sends so many frames to a VM that reads none, and then its report."""

    def __init__(self, frames: int, length: int = 60, index: int = 0) -> None:
        self.data = (forwarding._HEADER.pack(length, index) + b"x" * length) * frames + forwarding._END
        self.stream = self
        self.place = 0

    def settimeout(self, _seconds: float | None) -> None:
        pass

    def send(self, _message: Mapping[str, Any]) -> None:
        pass

    def exactly(self, size: int) -> bytes:
        self.place += size
        return self.data[self.place - size : self.place]

    def receive(self) -> dict[str, Any]:
        return {"id": "1", "path": ["pre-copy"]}


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An interface whose VM reads nothing; what the system's log is told."""

    class Wire:
        def __init__(self, *_how: Any) -> None:
            pass

        def __getattr__(self, _name: str) -> Any:
            return lambda *_arguments: None

    told: list[str] = []
    monkeypatch.setattr(socket, "socket", Wire)
    monkeypatch.setattr(forwarding, "counters", lambda _name: (0, 0))
    monkeypatch.setattr(forwarding, "_keep_quiet", lambda _taps, _enough: None)
    monkeypatch.setattr(forwarding, "open_up", lambda _names: None)
    monkeypatch.setattr(forwarding, "_READS_WITHIN", 0.0)
    monkeypatch.setattr(syslog, "syslog", lambda _level, text: told.append(text))
    return told


def test_a_flood_is_not_kept_in_memory_and_it_is_said_how_much_was_dropped(unread: list[str]) -> None:
    kept: list[Mapping[str, Any]] = []
    request = {"guest": "web", "taps": ["web-123456"]}
    forwarding.receive(request, Flood(10_000), lambda _guest, report: kept.append(report))  # type: ignore[arg-type]
    room = forwarding._MOST_WAITING + forwarding._KEEP_FRAMES
    [report] = kept
    assert report["path"] == ["pre-copy", f"{10_000 - room} packets dropped (more came than it could read)"]
    # At the end what still waits is lost as well.
    assert unread == [f"web-123456: {10_000 - forwarding._MOST_WAITING} packets for a VM that came were dropped"]


@pytest.mark.parametrize("strange", [{"length": 1 << 31}, {"index": 7}])
def test_what_can_be_no_frame_ends_it(unread: list[str], strange: dict[str, int]) -> None:
    header = forwarding._HEADER.pack(strange.get("length", 60), strange.get("index", 0))
    source = Flood(0)
    source.data = header
    with pytest.raises(PeerError, match="is none"):
        forwarding.receive({"guest": "web", "taps": ["web-123456"]}, source, lambda *_: None)  # type: ignore[arg-type]
