# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program joined to a connection, both ways at once."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer
from ansible_collections.cspp.drover.plugins.module_utils.peer.splice import relay
from ansible_collections.cspp.drover.tests.unit.peer.connections import Ends


def test_what_goes_in_comes_out_and_back(ends: Ends, tmp_path: Path) -> None:
    data = os.urandom(5_000_000)
    away, here = ends
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None and cat.stdout is not None
        there = threading.Thread(target=relay, args=(Peer(away), cat.stdout.fileno(), cat.stdin.fileno()))
        there.start()
        back, out = os.pipe()
        into, source = os.pipe()
        carrying = threading.Thread(target=relay, args=(Peer(here), into, out))
        carrying.start()
        writing = threading.Thread(
            target=lambda: [os.write(source, data[at : at + 9999]) for at in range(0, len(data), 9999)]
        )
        writing.start()
        echoed = b""
        while len(echoed) < len(data):
            echoed += os.read(back, 1 << 16)
        assert echoed == data
        writing.join()
        os.close(source)  # the sender is done
        carrying.join(5)
        here.close()
        there.join(5)
        assert not carrying.is_alive() and not there.is_alive()


def test_a_lost_connection_ends_it(ends: Ends) -> None:
    away, here = ends
    into, _source = os.pipe()
    _back, out = os.pipe()
    carrying = threading.Thread(target=relay, args=(Peer(here), into, out))
    carrying.start()
    away.close()
    carrying.join(5)
    assert not carrying.is_alive()


def test_last_words_of_a_program_that_no_longer_listens_are_heard(ends: Ends) -> None:
    away, here = ends
    script = "exec 0<&-; sleep 0.2; echo sorry"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None and program.stdout is not None
        there = threading.Thread(target=relay, args=(Peer(away), program.stdout.fileno(), program.stdin.fileno()))
        there.start()
        here.sendall(b"data for nobody")
        assert here.recv(100) == b"sorry\n"
        there.join(5)
        assert not there.is_alive()


def test_what_came_with_the_line_before_is_carried_too(ends: Ends) -> None:
    away, here = ends
    away.sendall(b'{"ready": true}\nfirst words')
    peer = Peer(here)
    assert peer.receive() == {"ready": True}
    into, source = os.pipe()
    back, out = os.pipe()
    carrying = threading.Thread(target=relay, args=(peer, into, out))
    carrying.start()
    away.sendall(b", and more")
    heard = b""
    while len(heard) < 21:
        heard += os.read(back, 100)
    assert heard == b"first words, and more"
    os.close(source)
    carrying.join(5)
    assert not carrying.is_alive()


@pytest.mark.parametrize("size", [500_000, 3_000_000])
def test_a_slow_reader_costs_no_processor_once_the_connection_is_closed(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    away, here = ends
    into, _source = os.pipe()
    back, out = os.pipe()  # holds 64 KiB
    looks, poll = [0], select.poll

    def look() -> select.poll:
        looks[0] += 1
        return poll()

    def send() -> None:
        away.sendall(b"x" * size)
        away.shutdown(socket.SHUT_RDWR)
        away.close()

    monkeypatch.setattr(select, "poll", look)
    carrying, sending = threading.Thread(target=relay, args=(Peer(here), into, out)), threading.Thread(target=send)
    carrying.start()
    sending.start()
    time.sleep(0.5)
    heard = 0
    while heard < size:
        heard += len(os.read(back, 1 << 20))
    carrying.join(5)
    sending.join(5)
    assert heard == size
    assert looks[0] < 1500
