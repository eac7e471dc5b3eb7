# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program on one node, its input, outputs and exit status on another."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import threading
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError
from ansible_collections.cspp.drover.plugins.module_utils.peer.session import follow, offer
from ansible_collections.cspp.drover.tests.unit.peer.connections import Ends


def run(both: Ends, command: str, given: bytes = b"") -> tuple[int, bytes, bytes]:
    there = threading.Thread(target=_offer, args=(Peer(both[0]), command), daemon=True)
    there.start()
    output, errors = io.BytesIO(), io.BytesIO()
    with tempfile.TemporaryFile() as source:
        source.write(given)
        source.seek(0)
        status = follow(Peer(both[1]), source, output, errors)
    return status, output.getvalue(), errors.getvalue()


def _offer(peer: Peer, command: str) -> None:
    with peer:
        offer(peer, ["sh", "-c", command])


@pytest.mark.parametrize(
    ("command", "given", "told"),
    [
        ("cat; echo no >&2; exit 7", b"in", (7, b"in", b"no\n")),
        ("true", b"nobody reads it" * 100_000, (0, b"", b"")),
        ("kill -9 $$", b"", (137, b"", b"")),
    ],
)
def test_streams_and_status(ends: Ends, command: str, given: bytes, told: tuple[int, bytes, bytes]) -> None:
    assert run(ends, command, given) == told


def test_who_offers_hears_input_out_so_that_the_exit_status_arrives(ends: Ends) -> None:
    there, here = ends
    serving = threading.Thread(target=_offer, args=(Peer(there), "exit 7"), daemon=True)
    serving.start()
    assert Peer(here).exactly(6) == struct.pack("!cI", b"x", 1) + b"7"
    serving.join(0.3)
    # Had it closed, this would fail, and with it whatever had not been read yet.
    here.send(struct.pack("!cI", b"i", 4) + b"more")
    assert serving.is_alive()
    here.close()
    serving.join(5)
    assert not serving.is_alive()


def test_much_goes_both_ways(ends: Ends) -> None:
    data = os.urandom(20_000_000)
    assert run(ends, "cat", data) == (0, data, b"")


def test_a_connection_that_breaks_off_is_no_exit_status(ends: Ends, tmp_path: Path) -> None:
    def cut() -> None:
        ends[0].recv(1)
        ends[0].close()

    threading.Thread(target=cut, daemon=True).start()
    (tmp_path / "in").write_bytes(b"x")
    with (tmp_path / "in").open("rb") as source, pytest.raises(PeerError, match="broke off"):
        follow(Peer(ends[1]), source, io.BytesIO(), io.BytesIO())
