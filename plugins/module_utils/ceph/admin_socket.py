# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A daemon of Ceph's on this node, asked by its own socket: for that no monitor has to answer, and no key is needed
but root."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

from ..core.errors import DroverError

__all__ = ["FOLDER", "SocketError", "ask", "mounts"]

FOLDER = Path("/run/ceph")
_MOST = 1 << 22


class SocketError(DroverError):
    """A daemon that does not answer."""


def ask(path: Path, command: str, *, timeout: float = 5.0) -> Any:
    """The answer to a command, from its JSON. Raises SocketError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(timeout)
            asked.connect(str(path))
            asked.sendall(json.dumps({"prefix": command, "format": "json"}).encode() + b"\0")
            (length,) = struct.unpack(">I", _read(asked, 4))
            return json.loads(_read(asked, min(length, _MOST)) or b"null")
    except (OSError, ValueError, struct.error) as error:
        raise SocketError(f"{path.name} does not answer to {command}: {error}") from error


def _read(asked: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length and (part := asked.recv(length - len(found))):
        found += part
    return found


def mounts(folder: Path = FOLDER, kernel: Path = Path("/sys/kernel/debug/ceph")) -> list[str]:
    """The addresses by which this node's mounts of Ceph's file systems are known to Ceph."""
    found = []
    for path in sorted(folder.glob("ceph-client.drover*.asok")):
        try:
            told = ask(path, "status")
        except SocketError:
            continue  # of a client that has ended
        if isinstance(told, dict) and "addr_str" in told:
            found.append(str(told["addr_str"]).removeprefix("v2:").removeprefix("v1:"))
    for status in sorted(kernel.glob("*/status")):
        # instance: client.4305 (2)192.0.2.11:0/3140524832
        words = [line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("instance:")]
        found += [word.split()[-1].partition(")")[2] for word in words]
    return found
