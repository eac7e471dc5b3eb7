# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client sees of a guest, measured from outside: silences, lost packets, the length of an outage.

Start a probe, do what is to be measured, stop it, read its result.
"""

from __future__ import annotations

import ipaddress
import json
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from ..core.errors import DroverError, InvalidValue
from ..peer.channel import Peer, PeerError

__all__ = [
    "AFTERWARDS",
    "Probe",
    "ProbeError",
    "Reading",
    "RemoteProbe",
    "Target",
    "parse",
    "service",
    "told",
]

_PROBER = Path(__file__).with_name("prober.py")
#: Seconds until a probe must have said whether it gets answers, and until it must have ended.
_PATIENCE = 15.0
#: Seconds to go on after what is measured: what was held up on the way is to be seen arriving.
AFTERWARDS = 1.0
_RATE, _HIGHEST_RATE = 100, 1000
_FORMS = "ping, ping://ADDRESS, tcp://ADDRESS:PORT or udp://ADDRESS:PORT"

#: What a probe saw: ``target``, what was ``measured``, ``rate`` a second, over ``seconds``; ``sent``, ``received``,
#: ``lost``, ``duplicated``, ``reordered``; ``silence_ms``, the longest time between two answers; ``broken``, how a
#: session ended; ``delay_ms``, how long the prober itself was held up at most; ``tcp``, the kernel's view of a session.
Reading = dict[str, Any]


class ProbeError(DroverError):
    """There is nothing to measure, or nobody to measure it. The text says why."""


class Target(NamedTuple):
    """What to ask, how often a second. An empty host is a guest's own address, once it is known."""

    kind: str
    host: str
    port: int
    rate: int = _RATE

    def at(self, addresses: Sequence[str]) -> Target:
        """With the first of these addresses where none was named. Raises ProbeError when there is none."""
        if self.host:
            return self
        if not addresses:
            raise ProbeError(f"the guest has no declared address to probe: name one, as in {self.kind}://10.0.0.20")
        return self._replace(host=addresses[0])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{self.kind}://{host}{port}" + (f"?rate={self.rate}" if self.rate != _RATE else "")


def parse(text: str) -> Target:
    """A probe as people write it. Raises InvalidValue with a remedy.

    ``ping``, ``ping://ADDRESS``, ``tcp://ADDRESS:PORT`` and ``udp://ADDRESS:PORT``, each with ``?rate=N`` packets a
    second if need be. Without ADDRESS (``tcp://:7``) it is the guest's first.
    """
    if text == "ping":
        return Target("ping", "", 0)
    try:
        parts = urlsplit(text)
        port = parts.port
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise InvalidValue(f"{text!r} is not a probe ({error}): write {_FORMS}") from None
    if parts.scheme not in ("ping", "tcp", "udp") or parts.path or parts.fragment or "@" in parts.netloc:
        raise InvalidValue(f"{text!r} is not a probe: write {_FORMS}")
    if (parts.scheme == "ping") != (port is None) or port == 0:
        remedy = "has no port" if parts.scheme == "ping" else f"needs a port: write {parts.scheme}://ADDRESS:PORT"
        raise InvalidValue(f"{text!r} is not a probe: {parts.scheme} {remedy}")
    try:
        host = parts.hostname or ""
        host = str(ipaddress.ip_address(host)) if ":" in host else host
    except ValueError as error:
        raise InvalidValue(str(error)) from None
    if set(query) - {"rate"}:
        raise InvalidValue(f"{text!r} is not a probe: of options it has rate alone, as in {parts.scheme}://…?rate=100")
    rate = query.get("rate", [str(_RATE)])[-1]
    if not rate.isdigit() or not 1 <= int(rate) <= _HIGHEST_RATE:
        raise InvalidValue(f"{text!r} is not a probe: its rate is a number from 1 to {_HIGHEST_RATE} a second")
    return Target(parts.scheme, host, port or 0, int(rate))


def told(reading: Reading | None, place: str = "") -> dict[str, Any]:
    """A reading as part of a module's result; all of it None without one. ``place`` is whence it was probed."""
    seen: Reading = {**reading, "from": place} if reading else {}
    return {
        "client_silence_ms": seen.get("silence_ms"),
        "packets_lost": seen.get("lost"),
        "packets_duplicated": seen.get("duplicated"),
        "probe": seen or None,
    }


class Probe:
    """Probes from this machine, by a process of its own (see prober.py)."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._prober: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return when answers come steadily; what is measured counts from here. Raises ProbeError."""
        target = self.target
        # Isolated: the directory of the script, where modules are called like some of Python's, is not searched.
        argv = [sys.executable, "-I", str(_PROBER), target.kind, target.host, str(target.port), str(target.rate)]
        self._prober = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._hear()

    def stop(self) -> Reading:
        """End it, and tell what it saw. Raises ProbeError."""
        if self._prober is None or self._prober.stdin is None:
            raise ProbeError("the probe was not started")
        try:
            self._prober.stdin.write("stop\n")
            self._prober.stdin.flush()
            return {"target": str(self.target), **self._hear()}
        except OSError as error:
            raise ProbeError(f"the probe died ({error})") from error
        finally:
            self.close()

    def close(self) -> None:
        """End it, whatever it saw."""
        if self._prober is not None:
            self._prober.kill()
            self._prober.communicate()
            self._prober = None

    def _hear(self) -> Reading:
        assert self._prober is not None and self._prober.stdout is not None
        ready, _, _ = select.select([self._prober.stdout], [], [], _PATIENCE)
        line = self._prober.stdout.readline() if ready else ""
        try:
            message: Reading = json.loads(line)
        except ValueError:
            message = {"error": "the prober died" if ready else "the prober hangs"}
        if "error" in message:
            self.close()
            raise ProbeError(f"the probe gets no answer at {self.target}: {message['error']}")
        return message


class RemoteProbe:
    """Probes from another node, or from this one, through its peer service."""

    def __init__(self, node: str, target: Target) -> None:
        self.node, self.target = node, target
        self._peer: Peer | None = None

    def start(self) -> None:
        """See Probe."""
        try:
            self._peer = Peer.connect(self.node, {"do": "probe", "target": list(self.target)}, _PATIENCE)
            self._peer.receive()
        except PeerError as error:
            self.close()
            raise ProbeError(f"from {self.node}: {error}") from error

    def stop(self) -> Reading:
        """See Probe."""
        if self._peer is None:
            raise ProbeError("the probe was not started")
        try:
            self._peer.send({"stop": True})
            reading: Reading = self._peer.receive()["reading"]
        except (PeerError, KeyError) as error:
            raise ProbeError(f"from {self.node}: {error}") from error
        finally:
            self.close()
        return reading

    def close(self) -> None:
        """See Probe."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None


def service(request: Mapping[str, Any], peer: Peer) -> None:
    """Probe for another node, until it says stop or goes away."""
    kind, host, port, rate = request["target"]
    probe = Probe(Target(str(kind), str(host), int(port), int(rate)))
    try:
        probe.start()
        peer.send({})
        # It may take as long as a move; that of a node that lost its power ends as well.
        peer.stream.settimeout(None)
        for option, seconds in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
            peer.stream.setsockopt(socket.IPPROTO_TCP, option, seconds)
        peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.receive()
        peer.send({"reading": probe.stop()})
    except ProbeError as error:
        raise PeerError(str(error)) from error
    finally:
        probe.close()
