# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's side of the packet filter: changed in transactions, and watched for what others do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from ..core.command import CommandError, Runner
from . import ruleset_generation
from .filter_records import Records
from .filter_rules import HOOKS, TABLE

__all__ = ["FilterTable"]

#: The file beside the records with the generation that the table was in order at.
_GENERATION = PurePath(ruleset_generation.KNOWN).name
_TRIED = "table bridge drover_tried { chain tried { meta ibrname x accept\n } }\n"


class FilterTable:
    """``table bridge drover``. Methods raise CommandError when nft fails."""

    def __init__(self, runner: Runner, records: Records, generation: Callable[[], int | None]) -> None:
        self._runner, self._records, self._generation = runner, records, generation

    def undisturbed(self) -> bool:
        """Whether nobody has changed any of the kernel's rules since the table was in order."""
        known = self._known()
        return known is not None and self._generation() == known

    def settled(self) -> bool:
        """Whether the table is in order. That of others' changes none has touched it is remembered."""
        if self.undisturbed():
            return True
        seen = self._generation()
        if not self._intact():
            return False
        self._note(seen)
        return True

    def apply(self, text: str) -> None:
        """Make a change in one transaction."""
        before, known = self._generation(), self._known()
        self._nft(["--file", "-"], text)
        after = self._generation()
        # Who else changed something meanwhile may have changed this: the next who looks sees to it.
        if before is not None and before == known and after == before + 1:
            self._note(after)

    def load(self, text: str) -> None:
        """Make the table anew in one transaction."""
        before = self._generation()
        self._nft(["--file", "-"], text)
        self._note(None if before is None else before + 1)

    def remove(self) -> None:
        self._nft(["--file", "-"], f"add table {TABLE}\ndelete table {TABLE}\n")

    def counters(self) -> dict[str, int]:
        """The packets of every counter, by its name; none where there is no table."""
        try:
            listed = self._listed("counter", "counters", "table", *TABLE.split())
        except CommandError:
            return {}
        return {one["name"]: int(one["packets"]) for one in listed}

    def tells_bridges(self) -> bool:
        """Whether this kernel can tell which bridge a port is of."""
        try:
            self._nft(["--check", "--file", "-"], _TRIED)
        except CommandError:
            return False
        return True

    def _intact(self) -> bool:
        """Whether the table has its hooks and knows every guest; the rest of it nobody takes away by mistake.

        All of it would be a long list on a node with many guests.
        """
        family, table = TABLE.split()
        ports = {port.name for port in self._records.ports()}
        try:
            for way in ("out", "in"):
                [known] = self._listed("map", "map", family, table, way)
                if {element[0] for element in known.get("elem", ())} != ports:
                    return False
            chains = self._listed("chain", "chains", family)
        except CommandError:
            return False
        hooked = {one["name"] for one in chains if one["table"] == table and "hook" in one}
        return hooked == set(HOOKS)

    def _listed(self, kind: str, *what: str) -> list[dict[str, Any]]:
        answer = json.loads(self._nft(["--json", "list", *what]))["nftables"]
        return [entry[kind] for entry in answer if kind in entry]

    def _known(self) -> int | None:
        text = self._records.text(_GENERATION)
        return int(text) if text and text.isdigit() else None

    def _note(self, generation: int | None) -> None:
        self._records.put_text(_GENERATION, "0" if generation is None else str(generation))

    def _nft(self, arguments: list[str], text: str | None = None) -> str:
        return str(self._runner(["nft", *arguments], stdin=text, timeout=10).stdout)
