# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's console for another node's steward: opened here, and carried over TLS."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import guest_console
from ansible_collections.cspp.drover.plugins.module_utils.core import frames
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_console import NoScreen
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError
from ansible_collections.cspp.drover.tests.unit.peer.connections import Ends

ASKED = {"do": "console", "guest": "mail", "kind": "vnc", "who": "alice"}


def test_a_screen_goes_through_as_messages_and_says_when_it_is_over(ends: Ends) -> None:
    screen, vm = socket.socketpair()
    there, here = Peer(ends[0]), Peer(ends[1])
    kinds: dict[str, guest_console.Open] = {"vnc": lambda guest, who: guest_console.framed(screen)}

    def serve() -> None:
        with there:
            guest_console.service(ASKED, there, kinds)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    assert here.receive() == {}
    vm.sendall(b"RFB 003.008\n")
    assert here.exactly(frames.HEAD.size + 12) == frames.pack(frames.BYTES, b"RFB 003.008\n")
    # Words about a screen are none of its business.
    here.stream.sendall(frames.pack(frames.CONTROL, b"{}") + frames.pack(frames.BYTES, b"RFB 003.003\n"))
    assert vm.recv(64) == b"RFB 003.003\n"
    vm.close()
    last = frames.closing(frames.AGAIN, "the VM has ended here, or moved on")
    assert here.exactly(len(last)) == last
    here.close()
    serving.join(10)
    assert not serving.is_alive()


def test_a_vm_without_a_screen_says_so_for_good(ends: Ends) -> None:
    def none(_guest: str, _who: str) -> socket.socket:
        raise NoScreen("mail was started without a screen", remedy="Declare one.")

    guest_console.service(ASKED, Peer(ends[0]), {"vnc": none})
    assert Peer(ends[1]).receive() == {"none": "mail was started without a screen", "remedy": "Declare one."}


def test_a_console_that_is_not_known_is_refused(ends: Ends, tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="another version"):
        guest_console.service({**ASKED, "kind": "smell"}, Peer(ends[0]))
