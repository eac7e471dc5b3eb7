# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one node asks of another, over TLS that both ends prove themselves with.

A connection carries one request: a line of JSON, ``{"do": NAME, ...}``; the answer is a line too, ``{}`` with
what was asked for, or ``{"error": TEXT}``. What follows is the request's own business, until either end
closes. So whatever one node does for another ends when either of them dies: nothing has to be cleaned up.

The certificates are those of the cluster's authority, which signs for nodes only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import ssl
import struct
import syslog
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ..core.errors import DroverError

__all__ = ["PKI", "PORT", "Peer", "PeerError", "Refusal", "ask", "serve"]

PORT = 16515
#: A node's certificate and key, and the authority that it believes.
PKI = Path("/etc/drover/pki")
#: Seconds for a connection and the proofs of identity.
_GREETING = 5.0
#: Bytes of a line: a definition with all its disks is a few thousand.
_LONGEST_LINE = 1 << 22
#: Bytes that are read at a time: as many as TLS carries in one piece.
_BLOCK = 1 << 14
_MOST_CONNECTIONS = 128
_LENGTH = struct.Struct("!I")


class PeerError(DroverError):
    """The other node can't be reached, is not what it should be, or refuses; the text says which."""


class Refusal(PeerError):
    """The other node's own word that it does not do it, or could not; the connection is well."""


class Peer:
    """One end of a connection.

    What the other end says is read by lines (:meth:`receive`), by bytes (:meth:`exactly`, :meth:`some`), or by both in
    turn. ``stream`` is the socket: to write bytes to, and to set its timeout; reading from it would miss what came in
    one block with the line before (:meth:`ahead`).
    """

    def __init__(self, stream: ssl.SSLSocket) -> None:
        self.stream = stream
        self._ahead = bytearray()

    @classmethod
    def connect(cls, node: str, request: Mapping[str, Any], timeout: float = 10.0, pki: Path | None = None) -> Peer:
        """Ask a node; :meth:`receive` has its answer. ``timeout`` in seconds holds for every later step too."""
        pki = pki or PKI
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=pki / "ca.crt")
            context.load_cert_chain(pki / "node.crt", pki / "node.key")
            plain = socket.create_connection((node, PORT), min(timeout, _GREETING))
            _be_lively(plain)
            peer = cls(context.wrap_socket(plain, server_hostname=node))
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


#: What a node does for another: it reads on from the peer as it needs, and answers.
Service = Callable[[Mapping[str, Any], Peer], None]


def serve(services: Mapping[str, Service], address: str, port: int = PORT, pki: Path = PKI) -> None:
    """Answer other nodes for ever, each request in a process of its own."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _answer(self.request, services, pki)

    class Server(socketserver.ForkingTCPServer):
        allow_reuse_address = True
        request_queue_size = 64
        max_children = _MOST_CONNECTIONS
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def finish_request(self, request: Any, client_address: Any) -> None:
            # Of the request's own process, which may live on when the service is started anew, and needs the port.
            self.socket.close()
            super().finish_request(request, client_address)

    syslog.openlog("drover-peer", syslog.LOG_PID, syslog.LOG_DAEMON)
    with Server((address, port), Handler) as server:
        server.serve_forever()


def _be_lively(plain: socket.socket) -> None:
    """Send at once; and notice within some 10 s that the other end is gone, however long it may rightly be silent."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 4)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000)


def _answer(plain: socket.socket, services: Mapping[str, Service], pki: Path) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        # Anew for every connection: certificates are renewed.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(pki / "node.crt", pki / "node.key")
        plain.settimeout(_GREETING)
        _be_lively(plain)
        peer = Peer(context.wrap_socket(plain, server_side=True))
        peer.stream.settimeout(60.0)
        request = peer.receive()
    except (OSError, ssl.SSLError, PeerError) as error:
        syslog.syslog(syslog.LOG_WARNING, f"a connection came to nothing: {error}")
        return
    with peer:
        service = services.get(str(request.get("do")))
        try:
            if service is None:
                raise PeerError(
                    f"this node knows no {request.get('do')!r}: its Drover is of another version; run site.yml"
                )
            service(request, peer)
        except Exception as error:  # whatever it is: who asked is told, for nobody else waits for it
            reason = _reason(error)
            syslog.syslog(syslog.LOG_WARNING, f"{request.get('do')} failed: {reason}")
            if not isinstance(error, DroverError | OSError):
                import traceback

                syslog.syslog(syslog.LOG_ERR, traceback.format_exc())
            try:
                peer.send({"error": reason})
            except PeerError:
                os._exit(1)


def _reason(error: Exception) -> str:
    """An error in words: its own, or its name too when it is a mistake in the code, whose words alone say little."""
    return str(error) if isinstance(error, DroverError | OSError) and str(error) else repr(error)
