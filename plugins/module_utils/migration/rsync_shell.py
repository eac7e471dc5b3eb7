# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""rsync's way to another node: what it starts instead of a remote shell."""

from __future__ import annotations

import sys

from ..core.errors import run_program
from ..peer.channel import Peer
from ..peer.splice import relay

__all__ = ["launch"]


def launch() -> int:
    """What rsync starts instead of a remote shell: ``copy GUEST PATH NODE rsync --server OPTION... . PLACE``."""
    return run_program(_relay, OSError)


def _relay() -> None:
    guest, path, node, _rsync, _server, *options = sys.argv[1:]
    request = {"do": "copy", "guest": guest, "path": path, "options": options[: options.index(".")]}
    with Peer.connect(node, request) as peer:
        peer.receive()
        relay(peer, sys.stdin.fileno(), sys.stdout.fileno())
