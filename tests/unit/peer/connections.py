# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A TLS connection with both its ends in this process."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

from ansible_collections.cspp.drover.plugins.module_utils.trust import pki

__all__ = ["Ends", "connected"]

Ends = tuple[ssl.SSLSocket, ssl.SSLSocket]


def connected(folder: Path) -> Ends:
    """Both ends of one, the server's first; its key and certificates are kept in this folder."""
    authority = pki.new_authority()
    key, certificate = pki.issue(authority, "localhost", ["localhost"], [], 10)
    (folder / "pair").write_text(key + certificate)
    (folder / "ca").write_text(authority[1])
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "pair")
    client = ssl.create_default_context(cafile=folder / "ca")
    one, other = socket.socketpair()
    accepted: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: accepted.append(server.wrap_socket(one, server_side=True)))
    thread.start()
    here = client.wrap_socket(other, server_hostname="localhost")
    thread.join()
    return accepted[0], here
