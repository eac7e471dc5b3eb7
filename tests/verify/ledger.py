# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's ledger while something is done to the guest, which runs on as it is and loses nothing it acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.drill.clients import LedgerClient, read_ledger
from ansible_collections.cspp.drover.plugins.module_utils.drill.records import Record, examine

from .lab import address, boot
from .sessions import session_to

__all__ = ["Ledger"]


class Ledger:
    """The records that one guest has acknowledged to a client, from the first to the last that was written here."""

    def __init__(self) -> None:
        self._acknowledged: list[Record] = []

    @contextmanager
    def undisturbed(self, guest: dict[str, Any]) -> Iterator[None]:
        """Meanwhile the guest writes, keeps a client's session, and neither restarts nor forgets anything."""
        before, client = boot(guest), LedgerClient(address(guest))
        client.start()
        try:
            with session_to(guest, rate=10):
                yield
        finally:
            self._acknowledged.extend(client.stop())
        assert not client.trouble
        assert boot(guest) == before
        self.check(guest)

    def check(self, guest: dict[str, Any]) -> None:
        """See that the guest has every record, in order, once."""
        assert len(self._acknowledged) > 5
        assert examine(self._acknowledged, read_ledger(address(guest))).complaints == []
