# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one node asks of another, over TLS that both ends prove themselves with.

A connection carries one request: a line of JSON, ``{"do": NAME, ...}``; the answer is a line too, ``{}`` with
what was asked for, or ``{"error": TEXT}``. What follows is the request's own business, until either end
closes. So whatever one node does for another ends when either of them dies: nothing has to be cleaned up.

The certificates are those of the cluster's authority, which signs for nodes only; who of them is a member is asked
at the other end (server.py).
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ..core.errors import DroverError
from ..core.node_name import node_name
from .members import HOSTS, addresses

__all__ = ["GREETING", "PKI", "PORT", "Peer", "PeerError", "Refusal", "ask", "be_lively"]

PORT = 16515
#: A node's certificate and key, and the authority that it believes.
PKI = Path("/etc/drover/pki")
#: Seconds for a connection and the proofs of identity.
GREETING = 5.0
#: Bytes of a line: a definition with all its disks is a few thousand.
_LONGEST_LINE = 1 << 22
#: Bytes that are read at a time: as many as TLS carries in one piece.
_BLOCK = 1 << 14
_LENGTH = struct.Struct("!I")


class PeerError(DroverError):
    """The other node can't be reached, is not what it should be, or refuses; the text says which."""


class Refusal(PeerError):
    """The other node's own word that it does not do it, or could not; the connection is well."""


class Peer:
    """One end of a connection.

    What the other end says is read by lines (:meth:`receive`), by bytes (:meth:`exactly`, :meth:`some`), or by both in
    turn. ``stream`` is the socket: to write bytes to, and to set its timeout; reading from it would miss what came in
    one block with the line before (:meth:`ahead`). ``node`` is the name of the node at the other end, proved.
    """

    def __init__(self, stream: ssl.SSLSocket, node: str = "") -> None:
        self.stream = stream
        self.node = node
        self._ahead = bytearray()

    @classmethod
    def connect(cls, node: str, request: Mapping[str, Any], timeout: float = 10.0, pki: Path | None = None) -> Peer:
        """Ask a node; :meth:`receive` has its answer. ``timeout`` in seconds holds for every later step too."""
        pki = pki or PKI
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=pki / "ca.crt")
            context.load_cert_chain(pki / "node.crt", pki / "node.key")
            plain = socket.create_connection((node, PORT), min(timeout, GREETING), _own_end(node))
            be_lively(plain)
            peer = cls(context.wrap_socket(plain, server_hostname=node), node)
            peer.stream.settimeout(timeout)
            peer.send(request)
        except (OSError, ssl.SSLError) as error:
            raise PeerError(f"{node} cannot be asked (port {PORT}): {error}") from error
        return peer

    def send(self, message: Mapping[str, Any]) -> None:
        """Say one line. Raises PeerError."""
        try:
            self.stream.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise PeerError(f"the other node went away: {error}") from error

    def receive(self) -> dict[str, Any]:
        """Hear one line. Raises PeerError, also with the reason when the other end refuses."""
        try:
            message = json.loads(self._line())
        except (OSError, ValueError, RecursionError) as error:
            raise PeerError(f"the other node does not answer: {error}") from error
        if not isinstance(message, dict):
            raise PeerError("the other node speaks another language")
        if "error" in message:
            raise Refusal(str(message["error"]))
        return message

    def exactly(self, size: int) -> bytes:
        """The next ``size`` bytes. Raises PeerError when the other end goes away before."""
        data = bytearray()
        while len(data) < size:
            part = self.some(size - len(data))
            if not part:
                raise PeerError("the other node went away in the middle of it")
            data += part
        return bytes(data)

    def some(self, most: int) -> bytes:
        """The next bytes, at least one and at most so many; none when the other end has closed. Raises PeerError."""
        if self._ahead:
            return self.ahead(most)
        try:
            return self.stream.recv(min(most, _BLOCK))
        except OSError as error:
            raise PeerError(f"the other node went away: {error}") from error

    def send_block(self, data: bytes) -> None:
        """Say more than a line holds: its length in bytes first, as a number of four bytes. Raises PeerError."""
        try:
            self.stream.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise PeerError(f"the other node went away: {error}") from error

    def receive_block(self, longest: int) -> bytes:
        """Hear a block of at most so many bytes. Raises PeerError."""
        [size] = _LENGTH.unpack(self.exactly(_LENGTH.size))
        if size > longest:
            raise PeerError(f"the other node wants to say {size} bytes")
        return self.exactly(size)

    def ahead(self, most: int | None = None) -> bytes:
        """What has been read already and not been asked for: who reads the stream itself begins with it."""
        data = bytes(self._ahead[:most])
        del self._ahead[:most]
        return data

    def _line(self) -> bytes:
        looked = 0
        while (end := self._ahead.find(b"\n", looked)) < 0:
            looked = len(self._ahead)
            if looked > _LONGEST_LINE:
                raise PeerError(f"the other node says more than {_LONGEST_LINE} bytes in one go")
            block = self.stream.recv(_BLOCK)
            if not block:
                raise PeerError("the other node went away without an answer")
            self._ahead += block
        return self.ahead(end + 1)

    def close(self) -> None:
        """End it."""
        self.stream.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ask(node: str, request: Mapping[str, Any], timeout: float = 10.0) -> dict[str, Any]:
    """Ask a node something that a line can answer. Raises PeerError."""
    with Peer.connect(node, request, timeout) as peer:
        try:
            return peer.receive()
        except PeerError as error:
            raise PeerError(f"{node}: {error}") from error


def be_lively(plain: socket.socket) -> None:
    """Send at once; and notice within some 10 s that the other end is gone, however long it may rightly be silent."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000)


def _own_end(node: str) -> tuple[str, int] | None:
    """The address from which the other node expects this one; None when /etc/hosts does not have both.

    With several addresses in one network, the kernel might choose another.
    """
    try:
        known = addresses(HOSTS.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    own, other = known.get(node_name()), known.get(node)
    return (own, 0) if own and other and (":" in own) == (":" in other) else None
