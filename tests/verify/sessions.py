# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions of clients, which have to outlive what happens to a guest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.cspp.drover.tests.clients import SessionProbe

from .lab import address

#: Seconds that an open session may hear nothing. Far above what is measured, far below what a client gives up after.
SILENCE = 3.0


@contextmanager
def session_to(guest: dict[str, Any], *, rate: int = 100) -> Iterator[None]:
    """A client's open TCP session, which has to outlive what is done meanwhile; so many lines a second are echoed."""
    probe = SessionProbe(address(guest), rate=rate)
    probe.start()
    yield
    session = probe.stop()
    assert session.alive, session.broken
    assert session.received > 0, "no line came back"
    assert session.silence < SILENCE, f"silent for {session.silence:.1f} s"
