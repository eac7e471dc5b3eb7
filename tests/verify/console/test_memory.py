# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a connection costs the console: the memory of a node is its guests'."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab
from .reaching import PORT, TOKEN, answers

pytestmark = pytest.mark.stage("console")

#: People who watch, and bytes of memory that one may cost; asyncio's own loop takes five times as much.
WATCHERS, EACH = 50, 128 << 10


def memory(lab: Lab, node: str) -> int:
    """Bytes that the console's own process has for itself."""
    runner = lab.ssh(node)
    pid = runner(["systemctl", "show", "-P", "MainPID", "drover-console"]).stdout.strip()
    said = runner(["grep", "^Anonymous:", f"/proc/{pid}/smaps_rollup"]).stdout
    return int(said.split()[1]) << 10


def watch(address: str) -> ssl.SSLSocket:
    """A stream of events, whose first has come."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    stream = context.wrap_socket(socket.create_connection((address, PORT), timeout=10))
    head = f"GET /api/v1/events HTTP/1.1\r\nHost: {address}:{PORT}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    stream.sendall(head.encode())
    said = b""
    while b"event: " not in said:
        more = stream.recv(1 << 16)
        assert more, said
        said += more
    return stream


def test_who_watches_costs_little(lab: Lab) -> None:
    node = next(iter(lab.nodes.values()))
    # What those before have left behind would do for these.
    lab.ssh(node.name)(["systemctl", "restart", "drover-console"])
    wait_for(answers(node.address), bool, what="the console's answer", timeout=30)
    with ExitStack() as streams:
        # What is loaded and made for the first is no matter of the others.
        streams.enter_context(watch(node.address))
        before = memory(lab, node.name)
        for _ in range(WATCHERS):
            streams.enter_context(watch(node.address))
        assert memory(lab, node.name) - before < WATCHERS * EACH
