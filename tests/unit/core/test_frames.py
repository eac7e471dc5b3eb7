# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages on a stream of bytes."""

from __future__ import annotations

import io

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core import frames

MESSAGES = [(b"b", b"hello"), (b"c", b""), (b"b", bytes(range(256)) * 9)]
STREAM = b"".join(frames.pack(*message) for message in MESSAGES)


@pytest.mark.parametrize("size", [1, 7, len(STREAM)])
def test_messages_come_out_of_any_pieces(size: int) -> None:
    incoming = frames.Incoming()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [message for piece in pieces for message in incoming.feed(piece)] == MESSAGES


def test_a_stream_that_ends_within_one_has_those_before_it() -> None:
    assert list(frames.read(io.BytesIO(STREAM))) == MESSAGES
    assert list(frames.read(io.BytesIO(STREAM[:-1]))) == MESSAGES[:-1]


def test_one_that_is_too_long_is_refused_before_it_has_come() -> None:
    with pytest.raises(ValueError, match="longer than"):
        list(frames.Incoming(10).feed(frames.HEAD.pack(b"b", 11)))
