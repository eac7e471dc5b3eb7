# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No packet is lost while a VM changes nodes.

From the moment the VM is stopped at the source until the switches know its new place, what is sent to it still
arrives at the source, where nobody reads it any more. The source therefore keeps a copy of what arrives for the VM,
and when the VM stops, sends on to the target what the VM has not read, and whatever comes after it. The target puts
that into the VM's new interface, where it waits until the VM runs.

What the VM has read is known exactly: the kernel counts a frame as transmitted by a tap device when the VM's
process takes it out. So nothing is lost, and at most two frames per interface come twice: QEMU may hold one that found
no room in the VM when the VM stopped, which it then throws away, and takes another one out after that.

Broadcasts reach the target's new interface by themselves, from the moment it exists. They would come twice, and a long
migration would fill the interface's queue with them. So the new interface hears none (its bridge port does not flood)
until QEMU announces the VM through it. From then on until libvirt takes the old one away, which is some hundredths of a
second, a broadcast can come twice; none is lost between the two.

All of it hangs on one connection between the nodes (peer/channel.py): when either end dies, nothing is left of it but
the flags of the bridge port, which the agent sets right again (:func:`tap.open_up`).
"""

from __future__ import annotations

import ctypes
import select
import socket
import ssl
import struct
import syslog
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ..hypervisor.tap import close, counters, number, open_up, speaks
from ..peer.channel import Peer, PeerError

__all__ = ["Forwarder", "Frame", "Ledger", "receive", "with_vlan_tag"]

_SOL_PACKET = 263
_PACKET_AUXDATA = 8
_PACKET_VNET_HDR = 15
_SO_ATTACH_FILTER = 26
_TP_STATUS_VLAN_VALID = 0x10
_TP_STATUS_VLAN_TPID_VALID = 0x40
_ETH_P_ALL = 0x0003
_ETH_P_8021Q = 0x8100
#: struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset.
_VNET_HDR = struct.Struct("<BBHHHH")
_NEEDS_CSUM = 1
#: struct tpacket_auxdata
_AUXDATA = struct.Struct("=IIIHHHH")
#: Keep only frames that leave through the interface, which are those for the VM: load the packet type, compare with
#: PACKET_OUTGOING, accept all or nothing (classic BPF).
_TO_THE_VM = ((0x28, 0, 0, 0xFFFFF004), (0x15, 0, 1, 4), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0))
_LARGEST = 70_000
#: Frames kept at the source of what the VM has most probably read, and at the target of what it cannot read yet.
_KEEP_FRAMES = 4096
_SOCKET_BUFFER = 8 << 20
#: Frames that QEMU can have taken out of the device without passing them on.
_IN_QEMU = 2
#: Header of a frame on the wire: length, number of the interface.
_HEADER = struct.Struct("!IB")
#: A frame of no length: what follows is a line of JSON, with which the source ends.
_END = _HEADER.pack(0, 0)
#: Frames that may wait in the target's interface. Its queue holds 500 to 1000, and drops the newest.
_MOST_WAITING = 400
#: Seconds that the target waits for the interface to appear, between two looks at it, and at the end for the VM to read
#: what it was sent.
_APPEARS_WITHIN = 60.0
_LOOK = 0.01
_READS_WITHIN = 5.0


class Frame(NamedTuple):
    """A frame as the kernel hands it over, virtio header first, and its number at its interface."""

    number: int
    data: bytes


class Ledger:
    """Which of the frames sent to one interface the VM has read.

    The device's counter of frames taken out of it says how many of them. Frames that waited in the device when the
    account was opened are taken out first: how many there were shows as soon as the queue has once been empty.
    """

    def __init__(self, taken: int, dropped: int) -> None:
        self._taken, self._dropped = taken, dropped
        self._before = 0
        self._count = 0
        self._kept: deque[Frame] = deque(maxlen=_KEEP_FRAMES)

    def add(self, data: bytes) -> Frame:
        """A frame that was sent to the interface."""
        self._count += 1
        frame = Frame(self._count, data)
        self._kept.append(frame)
        return frame

    def settle(self, taken: int) -> None:
        """Compare with the device's counter, read in a moment when every frame that had been sent was added."""
        self._before = max(self._before, taken - self._taken - self._count)

    def unread(self, taken: int, dropped: int) -> list[Frame]:
        """What the VM has not read, and the last two that QEMU took out, which it may not have passed on."""
        read = taken - self._taken - self._before + (dropped - self._dropped)
        return [frame for frame in self._kept if frame.number > read - _IN_QEMU]


class _Tap:
    """A VM's interface on the source: a socket that hears what is sent to the VM, and the account of it."""

    def __init__(self, index: int, name: str) -> None:
        self.index, self.name = index, name
        self.ledger = Ledger(*counters(name))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            _attach_filter(self.socket)
            self.socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
            self.socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            # Forced, for a queue that holds out while this process waits for a processor.
            self.socket.setsockopt(socket.SOL_SOCKET, 33, _SOCKET_BUFFER)  # SO_RCVBUFFORCE
            self.socket.bind((name, _ETH_P_ALL))
            self.socket.setblocking(False)
        except OSError:
            self.socket.close()
            raise

    def read(self) -> list[Frame]:
        """What has arrived since. Raises OSError when the interface is gone."""
        frames, taken = [], None
        while True:
            try:
                data, ancillary, _flags, _address = self.socket.recvmsg(_LARGEST, 64)
            except BlockingIOError:
                if taken is not None:
                    # Nothing came between the two looks, so the counter and the frames belong together.
                    self.ledger.settle(taken)
                    return frames
                taken, _dropped = counters(self.name)
                continue
            frames.append(self.ledger.add(with_vlan_tag(data, ancillary)))
            taken = None

    def unread(self) -> list[Frame]:
        return self.ledger.unread(*counters(self.name))


class Forwarder(threading.Thread):
    """The source's end, for one migration: ``start()``, ``switch()`` when the VM has stopped, ``stop()``, ``finish()``.

    It hears the interfaces from the beginning, and connects to the target once it is started. Raises OSError when it
    can't hear them; later troubles are kept in ``trouble``, because the migration goes on without it.
    """

    def __init__(self, guest: str, taps: Sequence[str], target: str) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self.trouble = ""
        self._switched = threading.Event()
        self._back = threading.Event()
        self._ending = threading.Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._target, self._request = target, {"do": "forward", "guest": guest, "taps": list(taps)}
        self._peer: Peer | None = None
        missing = [name for name in taps if number(name) is None]
        if missing:
            self.trouble = f"packets for {', '.join(missing)} not forwarded (there is no such interface)"
        self._taps = [_Tap(index, name) for index, name in enumerate(taps) if name not in missing]

    def switch(self) -> None:
        """The VM has stopped here: from now on everything goes to the target."""
        self._switched.set()
        self._wake()

    def resume(self) -> None:
        """The VM goes on here after all."""
        self._back.set()
        self._wake()

    def stop(self) -> None:
        """Send what is left, and nothing more."""
        self._ending.set()
        self._wake()
        self.join(timeout=5)
        if self.is_alive():
            self.trouble = f"packets not forwarded ({self._target} did not answer in time)"

    def finish(self, report: Mapping[str, Any]) -> None:
        """Hand the target a report, and end."""
        if self._peer is None:
            return
        try:
            self._peer.stream.sendall(_END)
            self._peer.send(report)
            self._peer.receive()
        except (OSError, PeerError) as error:
            self.trouble = self.trouble or str(error)
        self._peer.close()

    def run(self) -> None:
        switched = False
        taps = {tap.socket: tap for tap in self._taps}
        try:
            self._connect()
            while taps or not self._ending.is_set():
                readable, _w, _x = select.select([*taps, self._wake_reader], [], [], 0.5)
                if self._wake_reader in readable:
                    self._wake_reader.recv(64)
                if self._back.is_set():
                    return
                gone = [one for one, tap in list(taps.items()) if not self._pass_on(tap, switched)]
                for one in gone:
                    del taps[one]
                if self._switched.is_set() and not switched:
                    switched = True
                    for tap in taps.values():
                        self._send(tap, tap.unread())
                if self._ending.is_set():
                    return
        except PeerError as error:
            self.trouble = f"packets not forwarded ({error})"
        except (OSError, ssl.SSLError) as error:
            self.trouble = f"forwarding broke off: {error}"
        finally:
            for tap in self._taps:
                tap.socket.close()

    def _connect(self) -> None:
        peer = Peer.connect(self._target, self._request)
        try:
            peer.receive()
        except PeerError:
            peer.close()
            raise
        self._peer = peer

    def _pass_on(self, tap: _Tap, switched: bool) -> bool:
        """Read what came, and pass it on if it is time. False when the interface is gone."""
        try:
            frames = tap.read()
        except OSError:
            return False
        if switched:
            self._send(tap, frames)
        return True

    def _send(self, tap: _Tap, frames: Sequence[Frame]) -> None:
        if frames and self._peer is not None:
            packed = b"".join(_HEADER.pack(len(frame.data), tap.index) + frame.data for frame in frames)
            self._peer.stream.sendall(packed)
            self.sent += len(frames)

    def _wake(self) -> None:
        with suppress(OSError):
            self._wake_writer.send(b"!")


def receive(request: Mapping[str, Any], peer: Peer, keep: Callable[[str, Mapping[str, Any]], None]) -> None:
    """The target's end: put what arrives into the VM's new interfaces. ``keep`` stores the source's report.

    Raises PeerError when the source goes away; the interfaces hear everything again in any case.
    """
    guest, taps = str(request["guest"]), [str(name) for name in request["taps"]]
    peer.send({})
    # The source has nothing to say until the VM stops, and may have a long way to that.
    peer.stream.settimeout(None)
    enough = threading.Event()
    quiet = threading.Thread(target=_keep_quiet, args=(taps, enough), daemon=True)
    quiet.start()
    inlets: dict[int, _Inlet] = {}
    try:
        while True:
            length, index = _HEADER.unpack(peer.exactly(_HEADER.size))
            if length == 0:
                break
            if length > _LARGEST or index >= len(taps):
                raise PeerError(f"a frame of {length} bytes for interface {index} is none")
            data = peer.exactly(length)
            if index not in inlets:
                inlets[index] = _Inlet(taps[index])
            inlets[index].put(data)
        report = peer.receive()
        if report:
            dropped = sum(inlet.dropped for inlet in inlets.values())
            if dropped:
                report["path"] = [*report.get("path", ()), f"{dropped} packets dropped (more came than it could read)"]
            keep(guest, report)
        peer.send({})
    finally:
        enough.set()
        quiet.join(timeout=2)
        open_up(taps)
        for inlet in inlets.values():
            inlet.drain()


class _Inlet:
    """A VM's new interface: frames are put in no faster than it can hold them.

    Of those that wait for that, the newest are ``dropped`` when they become too many, as the interface itself would.
    """

    def __init__(self, name: str) -> None:
        self.dropped = 0
        self._name = name
        self._waiting: deque[bytes] = deque()
        self._put = 0
        self._taken = counters(name)[0]
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        self._socket.bind((name, 0))

    def put(self, data: bytes) -> None:
        if len(self._waiting) < _KEEP_FRAMES:
            self._waiting.append(data)
        else:
            self.dropped += 1
        self._flush()

    def drain(self) -> None:
        """Put in what still waits, as the VM reads on."""
        until = time.monotonic() + _READS_WITHIN
        while self._waiting and time.monotonic() < until:
            self._flush()
            time.sleep(0.001)
        self.dropped += len(self._waiting)
        if self.dropped:
            syslog.syslog(syslog.LOG_WARNING, f"{self._name}: {self.dropped} packets for a VM that came were dropped")
        self._socket.close()

    def _flush(self) -> None:
        try:
            while self._waiting and self._put - (counters(self._name)[0] - self._taken) < _MOST_WAITING:
                self._socket.send(self._waiting.popleft())
                self._put += 1
        except OSError:
            self._waiting.clear()  # the interface is gone, and the VM with it


def _keep_quiet(taps: Sequence[str], enough: threading.Event) -> None:
    """Stop the bridge from flooding to the interfaces as soon as they are there, until QEMU speaks through them."""
    awaited, quiet = set(taps), dict[str, int | None]()
    until = time.monotonic() + _APPEARS_WITHIN
    while (awaited or quiet) and not enough.wait(_LOOK):
        if time.monotonic() > until:
            awaited.clear()
        # A VM whose migration has to begin once more comes again.
        for name in [name for name, known in quiet.items() if number(name) != known]:
            del quiet[name]
            awaited.add(name)
            until = time.monotonic() + _APPEARS_WITHIN
        for name in filter(close, sorted(awaited)):
            awaited.remove(name)
            quiet[name] = number(name)
        for name in filter(speaks, list(quiet)):
            open_up([name])
            del quiet[name]


def with_vlan_tag(data: bytes, ancillary: Sequence[tuple[int, int, bytes]]) -> bytes:
    """A captured frame with the VLAN tag that the kernel has put aside, at its place again."""
    for level, kind, raw in ancillary:
        if (level, kind) != (_SOL_PACKET, _PACKET_AUXDATA) or len(raw) < _AUXDATA.size:
            continue
        status, _length, _snap, _mac, _net, tci, tpid = _AUXDATA.unpack(raw[: _AUXDATA.size])
        if not status & _TP_STATUS_VLAN_VALID:
            continue
        ethertype = tpid if status & _TP_STATUS_VLAN_TPID_VALID else _ETH_P_8021Q
        flags, gso, hdr_len, gso_size, start, offset = _VNET_HDR.unpack(data[: _VNET_HDR.size])
        if flags & _NEEDS_CSUM:
            start += 4
        if hdr_len:
            hdr_len += 4
        header, frame = _VNET_HDR.pack(flags, gso, hdr_len, gso_size, start, offset), data[_VNET_HDR.size :]
        return header + frame[:12] + struct.pack("!HH", ethertype, tci) + frame[12:]
    return data


def _attach_filter(outlet: socket.socket) -> None:
    code = b"".join(struct.pack("=HBBI", *line) for line in _TO_THE_VM)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(_TO_THE_VM), ctypes.addressof(buffer))
    outlet.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
