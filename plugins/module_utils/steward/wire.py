# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steward's protocol: one request per connection, a line of JSON, answered by lines of JSON.

The request is ``{"verb", "arguments", "credential", "from"}``. The answer is any number of ``{"progress": TEXT}``, then
``{"result": {...}}`` or ``{"error": {"code", "message", "remedy", "status"}}``. After the result of a console its
messages (core/frames.py) go both ways.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .trouble import Trouble, invalid

__all__ = ["LONGEST", "Ongoing", "Request", "parse", "receive", "send"]

#: Bytes of a request.
LONGEST = 1 << 18
#: Seconds for a request to come whole.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Request:
    """What somebody asks. ``credential`` is theirs as they sent it, ``origin`` the address that they ask from."""

    verb: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    credential: str | None = field(default=None, repr=False)
    origin: str = ""


@dataclass(frozen=True)
class Ongoing:
    """An answer that goes on after its result: what ``carry`` does with the connection, to its end."""

    result: Mapping[str, Any]
    carry: Callable[[socket.socket], None]


def receive(connection: socket.socket, patience: float = _PATIENCE) -> Request | None:
    """The request of a connection; None when it was closed without one. Raises Trouble."""
    data = bytearray()
    until = time.monotonic() + patience
    while b"\n" not in data:
        if len(data) > LONGEST:
            raise Trouble("too_large", 413, f"the request has more than {LONGEST} bytes", remedy="Send less.")
        left = until - time.monotonic()
        if left <= 0:
            raise Trouble("too_slow", 408, f"the request did not come whole within {patience:.0f} s")
        connection.settimeout(left)
        try:
            part = connection.recv(1 << 16)
        except TimeoutError:
            continue
        if not part:
            if data:
                raise invalid("the request ended before its line did")
            return None
        data += part
    return parse(bytes(data.partition(b"\n")[0]))


def parse(line: bytes) -> Request:
    """A request from its line. Raises Trouble."""
    if len(line) > LONGEST:
        raise Trouble("too_large", 413, f"the request has more than {LONGEST} bytes", remedy="Send less.")
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise invalid("the request is no JSON") from error
    if not isinstance(said, dict):
        raise invalid("the request is no JSON object")
    verb, arguments, credential, origin = (said.get(key) for key in ("verb", "arguments", "credential", "from"))
    if not isinstance(verb, str):
        raise invalid("the request names no verb")
    if not isinstance(arguments or {}, dict):
        raise invalid("the request's arguments are no JSON object")
    if credential is not None and not isinstance(credential, str):
        raise invalid("the request's credential is no text")
    try:
        address = str(ipaddress.ip_address(origin)) if origin else ""
    except ValueError as error:
        raise invalid("the request's from is no IP address") from error
    return Request(verb, arguments or {}, credential or None, address)


def send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Say one line. Raises OSError when nobody listens any more."""
    connection.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")
