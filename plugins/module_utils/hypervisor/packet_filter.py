# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""This node's packet filter: told of a guest before its interfaces join a bridge, and that it is gone after they left.

A node that nobody has given facts to (/etc/drover/filter.json, by site.yml) has no filter, and nothing here does
anything. Where there is one, what it was told is on record (filter_records.py), and whoever finds rules missing puts
all of them back. Guests that were started before there was a filter are taken in when it is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError
from ..core.lock import LOCKS, locked
from ..guest.definition import Definition
from . import ruleset_generation
from .filter_records import Also, Record, Records, grown, record_of, recorded_ports
from .filter_rules import REASONS, STRAYS, Facts, admitted, base, expelled, identifier
from .filter_table import FilterTable
from .running_guests import running_guests

__all__ = ["FACTS", "FilterError", "PacketFilter"]

FACTS = Path("/etc/drover/filter.json")
_STATE = Path(ruleset_generation.KNOWN).parent
_NET = Path("/sys/class/net")
#: The file beside the records with the text that the table was last made from as a whole.
_LOADED = "loaded"
#: Seconds to wait for another process that tells the filter something.
_PATIENCE = 15.0
#: Seconds within which the interfaces of a guest that has ended are gone, and within which those of one that comes from
#: another node are there.
_GOES_WITHIN = 1.0
_COMES_WITHIN = 60.0

Running = Callable[..., Iterable[tuple[Definition, Definition]]]


class FilterError(DroverError):
    """The packet filter could not be told of a guest, which would be cut off on this node."""


class PacketFilter:
    """What this node lets its guests send and receive. Methods raise FilterError when nftables fails them."""

    def __init__(
        self,
        runner: Runner = run,
        *,
        facts: Path = FACTS,
        state: Path = _STATE,
        net: Path = _NET,
        locks: Path = LOCKS,
        generation: Callable[[], int | None] = ruleset_generation.generation,
        running: Running = running_guests,
    ) -> None:
        self._facts, self._net, self._lock, self._running = facts, net, locks / "filter", running
        self._records = Records(state)
        self._table = FilterTable(runner, self._records, generation)

    @property
    def wanted(self) -> bool:
        """Whether this node has a filter at all."""
        try:
            return Facts.parse(self._facts.read_text(encoding="utf-8")).enabled
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise FilterError(f"{self._facts} is unreadable: {error}", remedy="Run site.yml for this node.") from error

    def admit(self, definition: Definition, also: Also | None = None) -> None:
        """Let a guest that is about to start, or to come from another node, use its interfaces.

        ``also`` are further addresses by MAC, which it runs with until it restarts.
        """
        if self.wanted:
            with self._changing():
                self._settle()
                self._change(record_of(definition, also))

    def keep(self, definition: Definition, started: Callable[[], Definition] = dict) -> str:
        """See that a guest that runs is known as its definition says, and return what had to be put right, in words.

        What it was ``started`` from is asked for when the filter was told nothing of it before.
        """
        name = definition["name"]
        if not self.wanted:
            return ""
        before = self._records.get(name)
        if before and before["guest"] == record_of(definition)["guest"] and self._table.undisturbed():
            return ""
        with self._changing():
            what = self._settle()
            before = self._records.get(name)
            self._change(grown(definition, before, {} if before else started(), self._net))
            return what or ("" if before else f"the packet filter did not know {name}: it was told")

    def expel(self, name: str, *, on_its_way: bool = False) -> None:
        """Forget a guest that has ended here, once its interfaces are gone or after a second: what is left of them then
        is shut. One that may be ``on_its_way`` here has a while to come, and stays where its interfaces are there."""
        record = self._records.get(name) if self.wanted else None
        if record is None or (on_its_way and time.time() - record["since"] < _COMES_WITHIN):
            return
        ports = [port.name for port in recorded_ports(record)]
        until = time.monotonic() + (0 if on_its_way else _GOES_WITHIN)
        while any((self._net / port).exists() for port in ports):
            if time.monotonic() > until:
                if on_its_way:
                    return
                break  # the kernel takes its time over them
            time.sleep(0.02)
        with self._changing():
            self._settle()
            self._table.apply("".join(map(expelled, ports)))
            self._records.drop(name)

    def knows(self, name: str) -> bool:
        """Whether the filter was told of a guest, or there is no filter to tell."""
        return not self.wanted or self._records.get(name) is not None

    def known(self, name: str) -> dict[str, list[str]]:
        """What another node has to know of a guest besides its definition, to let it in as it is let in here."""
        record = self._records.get(name)
        return {} if record is None else dict(record["also"])

    def restore(self) -> bool:
        """Make the filter what the node's facts and its guests say, in one step; True if it was not."""
        wanted = self.wanted
        with self._changing():
            if not wanted:
                return self._remove()
            self._adopt()
            if self._records.text(_LOADED) == self._whole() and self._table.settled():
                return False
            self._load()
            return True

    def dropped(self) -> dict[str, dict[str, int]]:
        """How many packets were dropped of each guest, by reason, since the filter was told of it."""
        packets = self._table.counters()
        found: dict[str, dict[str, int]] = {}
        for record in self._records.all():
            for port in recorded_ports(record):
                for reason in REASONS:
                    if count := packets.get(f"{reason}_{identifier(port.name)}", 0):
                        its = found.setdefault(record["guest"]["name"], {})
                        its[reason] = its.get(reason, 0) + count
        return found

    def strays(self) -> int:
        """How many packets were dropped at ports of bridges that nobody told the filter of."""
        return self._table.counters().get(STRAYS, 0)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            self._records.make()
            with locked(self._lock, _PATIENCE, what="the end of another change of the packet filter", interval=0.01):
                yield
        except (CommandError, OSError, ValueError) as error:
            raise FilterError(
                f"this node's packet filter could not be changed: {error}",
                remedy="`systemctl restart drover-filter` on it makes it anew.",
            ) from error

    def _settle(self) -> str:
        """Put the filter back if it is not as it was left; returns that, in words."""
        if self._table.settled():
            return ""
        made = self._records.text(_LOADED) is not None
        self._adopt()
        self._load()
        return "the packet filter was not as Drover had left it (nft flush ruleset?): it was put back" if made else ""

    def _change(self, record: Record) -> None:
        """Tell the filter what a record says of a guest."""
        before = self._records.get(record["guest"]["name"])
        told = {port.name: port for port in recorded_ports(before)} if before else {}
        ports = {port.name: port for port in recorded_ports(record)}
        text = "".join(admitted(port) for port in ports.values() if told.get(port.name) != port)
        text += "".join(expelled(port) for port in told if port not in ports)
        if text:
            self._table.apply(text)
        self._records.put(record)

    def _adopt(self) -> None:
        """Write records of guests that run here and have none."""
        known = {record["guest"]["name"] for record in self._records.all()}
        for definition, started in self._running(known):
            self._records.put(grown(definition, None, started, self._net))

    def _load(self) -> None:
        text = self._whole()
        self._table.load(text)
        self._records.put_text(_LOADED, text)

    def _whole(self) -> str:
        facts = Facts.parse(self._facts.read_text(encoding="utf-8"))
        return base(facts, self._table.tells_bridges()) + "".join(map(admitted, self._records.ports()))

    def _remove(self) -> bool:
        if self._records.text(_LOADED) is None:
            return False
        self._table.remove()
        self._records.clear()
        return True
