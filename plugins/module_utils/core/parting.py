# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a conversation over a socket, without the loss of one's own last words."""

from __future__ import annotations

import socket

__all__ = ["part"]

#: Seconds for the other end to go on, or to close.
_PATIENCE = 2.0
_BLOCK = 1 << 16


def part(connection: socket.socket, most: int = 4 << 20) -> None:
    """Say no more, then read and drop what the other end still says, at most so many bytes, until it closes.

    Whoever closes with something unread has the kernel reset the connection, and drop what the other end has not read
    yet. Raises OSError.
    """
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_PATIENCE)
    while most > 0 and (dropped := connection.recv(_BLOCK)):
        most -= len(dropped)
