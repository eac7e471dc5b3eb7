# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packets of one migration, at its source: whether and when they are forwarded. forwarding.py does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..guest.definition import host_interface
from .forwarding import Forwarder

__all__ = ["Packets"]


class Packets:
    """What is sent to the VM goes after it, if the node lets that be. ``say`` takes a word for the record."""

    def __init__(self, definition: Mapping[str, Any], target: str, say: Callable[[str], None]) -> None:
        self._definition, self._target, self._say = definition, target, say
        self._forwarder: Forwarder | None = None

    def listen(self) -> None:
        """Begin to hear what is sent to the VM."""
        name = str(self._definition["name"])
        # One without interfaces has nothing to send on, but the target is told of the move the same way.
        taps = [host_interface(name, nic["mac"]) for nic in self._definition["nics"]]
        try:
            self._forwarder = Forwarder(name, taps, self._target)
            self._forwarder.start()
        except OSError as error:
            self._say(f"packets not forwarded ({error})")

    def stopped(self) -> None:
        """The VM has stopped here: what comes goes to the target."""
        if self._forwarder is not None:
            self._forwarder.switch()

    def resumed(self) -> None:
        """The VM goes on here after all."""
        if self._forwarder is not None:
            self._forwarder.resume()

    def end(self, record: dict[str, Any], *, moved: bool) -> None:
        """Send what is left, put it on record, and hand the target the record of a VM that has moved."""
        if self._forwarder is None:
            return
        self._forwarder.stop()
        record["forwarded"] = self._forwarder.sent
        if self._forwarder.trouble:
            self._say(self._forwarder.trouble)
        self._forwarder.finish(record if moved else {})
