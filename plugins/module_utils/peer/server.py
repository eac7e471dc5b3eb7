# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The peer service: answers other nodes, each request in a process of its own, and nobody else.

Whoever asks from an address that is no member's is turned away before a process is spent on it. Until one of a member's
address has proved by its certificate that it is a member, it counts against what its address may have (Admission). The
process that listens waits for nothing but the next connection, so no flood keeps it from honest ones.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import ssl
import struct
import syslog
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from ..core.errors import DroverError
from .admission import Admission
from .channel import GREETING, PKI, PORT, Peer, PeerError, be_lively
from .members import Members

__all__ = ["Service", "serve"]

#: Connections that have not proved who they are: at a time of one address, of all, and in line of one address.
_EACH, _TOGETHER, _WAITING = 16, 96, 64
#: Connections that the kernel keeps until they are accepted, and that are accepted before anything else is looked at.
_BACKLOG, _IN_ONE_GO = 1024, 64
#: Seconds after which processes that have ended are looked for, at the latest, and between two lines about strangers.
_LOOK, _TELL = 5.0, 60.0
_RESET = struct.pack("ii", 1, 0)

#: What a node does for another: it reads on from the peer as it needs, and answers.
Service = Callable[[Mapping[str, Any], Peer], None]


def serve(
    services: Mapping[str, Service],
    address: str,
    port: int = PORT,
    pki: Path = PKI,
    members: Members | None = None,
) -> None:
    """Answer other nodes for ever."""
    syslog.openlog("drover-peer", syslog.LOG_PID, syslog.LOG_DAEMON)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=_BACKLOG) as listener:
        _Server(listener, services, pki, members or Members()).run()


class _Server:
    def __init__(self, listener: socket.socket, services: Mapping[str, Service], pki: Path, members: Members) -> None:
        self._listener, self._services, self._pki, self._members = listener, services, pki, members
        self._admission: Admission[socket.socket] = Admission(_EACH, _TOGETHER, _WAITING)
        self._selector = selectors.DefaultSelector()
        self._strangers = _Strangers()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)

    def run(self) -> NoReturn:
        while True:
            for key, _events in self._selector.select(_LOOK):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._proved(key)
            self._strangers.tell()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass

    def _accept(self) -> None:
        for _turn in range(_IN_ONE_GO):
            try:
                connection, (address, *_port) = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # it went away again; or there are too many files open
                syslog.syslog(syslog.LOG_WARNING, f"a connection could not be taken: {error}")
                return
            if not self._members.at(address):
                self._strangers.note(address)
                _turn_away(connection)
                continue
            match self._admission.arrive(address, connection):
                case "serve":
                    self._begin(address, connection)
                case "refuse":
                    self._strangers.note(address)
                    _turn_away(connection)

    def _begin(self, address: str, connection: socket.socket) -> None:
        """Give it a process, which holds one end of a pipe until it knows whom it talks to."""
        ours, theirs = os.pipe()
        self._selector.register(ours, selectors.EVENT_READ, address)
        try:
            child = os.fork()
        except OSError as error:
            syslog.syslog(syslog.LOG_ERR, f"there is no process for a request of {address}: {error}")
            child = -1
        if child == 0:
            self._be_child(connection, theirs)
        os.close(theirs)
        connection.close()

    def _proved(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fd)
        os.close(key.fd)
        for address, connection in self._admission.proved(key.data):
            self._begin(address, connection)

    def _be_child(self, connection: socket.socket, pipe: int) -> NoReturn:
        """Serve one request in this process, which may live on when the service is started anew."""
        status = 1
        try:
            # It holds nothing of others: neither the port nor connections whose end somebody waits for.
            for key in list(self._selector.get_map().values()):
                os.close(key.fd)
            self._selector.close()
            for other in self._admission.waiting:
                other.close()
            _answer(connection, self._services, self._pki, self._members, lambda: os.close(pipe))
            status = 0
        except BaseException:
            syslog.syslog(syslog.LOG_ERR, traceback.format_exc())
        finally:
            os._exit(status)


class _Strangers:
    """How many were turned away, told once a minute: a flood fills no journal."""

    def __init__(self) -> None:
        self._count, self._last, self._told = 0, "", time.monotonic() - _TELL

    def note(self, address: str) -> None:
        self._count, self._last = self._count + 1, address

    def tell(self) -> None:
        if self._count and time.monotonic() - self._told >= _TELL:
            text = f"turned away {self._count} connections of no member, or too many of one, lastly from {self._last}"
            syslog.syslog(syslog.LOG_WARNING, text)
            self._count, self._told = 0, time.monotonic()


def _turn_away(connection: socket.socket) -> None:
    """End it by a reset, which leaves nothing of it in the kernel either."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def _answer(
    plain: socket.socket,
    services: Mapping[str, Service],
    pki: Path,
    members: Members,
    proved: Callable[[], None],
) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        with _within(GREETING):
            peer = _greet(plain, pki)
        # Who a member is, is judged now: the list may have changed since the certificate was made.
        trusted = members.has(peer.node)
        proved()
        peer.stream.settimeout(60.0 if trusted else GREETING)
        request = peer.receive()
    except (OSError, ssl.SSLError, PeerError) as error:
        syslog.syslog(syslog.LOG_WARNING, f"a connection came to nothing: {error}")
        return
    what = f"{request.get('do')} for {peer.node}"
    with peer:
        service = services.get(str(request.get("do")))
        try:
            if not trusted:
                raise PeerError(
                    f"{peer.node} has a certificate, but is no member of the cluster (corosync.conf on this node does "
                    "not name it): run site.yml, if it is to be one"
                )
            if service is None:
                raise PeerError(
                    f"this node knows no {request.get('do')!r}: its Drover is of another version; run site.yml"
                )
            service(request, peer)
        except Exception as error:  # whatever it is: who asked is told, for nobody else waits for it
            reason = _reason(error)
            syslog.syslog(syslog.LOG_WARNING, f"{what} failed: {reason}")
            if not isinstance(error, DroverError | OSError):
                syslog.syslog(syslog.LOG_ERR, traceback.format_exc())
            with suppress(PeerError):
                peer.send({"error": reason})


def _greet(plain: socket.socket, pki: Path) -> Peer:
    """Prove who this node is, and have the other prove the same: ``node`` of the peer is its certificate's name."""
    # Anew for every connection: certificates are renewed.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pki / "node.crt", pki / "node.key")
    plain.settimeout(GREETING)
    be_lively(plain)
    stream = context.wrap_socket(plain, server_side=True)
    shown: Any = stream.getpeercert()
    names = [value for part in shown["subject"] for field, value in part if field == "commonName"]
    return Peer(stream, names[0] if names else "")


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds, also where every byte of a slow one would begin them anew."""

    def over(_signal: int, _frame: object) -> NoReturn:
        raise TimeoutError(f"no proof of who it is within {seconds:.0f} s")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _reason(error: Exception) -> str:
    """An error in words: its own, or its name too when it is a mistake in the code, whose words alone say little."""
    return str(error) if isinstance(error, DroverError | OSError) and str(error) else repr(error)
