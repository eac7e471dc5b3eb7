# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steward's programs: serving, one try to log in by PAM, one request to a provider, and carrying out one
operation."""

from __future__ import annotations

import sys
import syslog
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.errors import DroverError
from ..journal import book
from ..journal.book import Book

if TYPE_CHECKING:
    from .verbs import Steward

__all__ = ["main"]

#: Seconds between two looks for operations whose process or node was lost; and after which the other nodes are asked
#: what this one's journal lacks: it may have been away when they wrote it.
_EVERY, _ASKS_EVERY = 10.0, 60.0


def main() -> int:
    """Be what the command line says; without a word, serve until killed."""
    match sys.argv[1:]:
        case ["pam"]:
            from .pam import main as attempt

            return attempt()
        case ["fetch"]:
            from .fetching import main as fetch

            return fetch()
        case ["work"]:
            from .operations import main as work

            return work()
    from .identity import Identity
    from .numbers import KEPT
    from .records import Ledger
    from .server import serve
    from .verbs import Steward

    ledger = Ledger()
    steward = Steward(Identity(ledger=ledger), ledger)
    steward.numbers.keep(*KEPT)
    threading.Thread(target=_look_after, args=(steward,), daemon=True).start()
    serve(steward.answer)
    return 0


def _look_after(steward: Steward) -> None:
    """Have the journal whole, and carry on what was interrupted, for ever. The cluster is asked only while there is
    something."""
    from . import operations

    asked = time.monotonic() - _ASKS_EVERY
    while True:
        time.sleep(_EVERY)
        if time.monotonic() - asked >= _ASKS_EVERY and caught_up(steward.ledger.book):
            asked = time.monotonic()
        try:
            if operations.unfinished(steward.ledger):
                steward.desk.carry_on(steward.eyes.see().status)
        except (DroverError, OSError, ValueError) as error:
            syslog.syslog(syslog.LOG_WARNING, f"interrupted operations could not be looked after: {error}")


def caught_up(own: Book, members: Callable[[], list[str]] = book.members) -> bool:
    """Ask the other members what this node's journal lacks. False while there are none: it has only just booted."""
    others = members()
    if others:
        book.read(limit=1, book=own, others=others)
    return bool(others)
