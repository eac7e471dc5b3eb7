# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The flood of the lab's tests is one."""

from __future__ import annotations

import socket

from ansible_collections.cspp.drover.tests.flood import Flood


def test_it_comes_at_its_rate_and_ends() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        server.settimeout(5)
        with Flood([server.getsockname()[:2]], rate=200, hold=0.2) as flood:
            taken = [server.accept()[0] for _ in range(60)]
            assert flood.opened >= 60
        for one in taken:
            one.settimeout(5)
            assert one.recv(1) == b""
            one.close()
        over = flood.opened
    assert flood.opened == over
