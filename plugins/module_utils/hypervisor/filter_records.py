# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this node's packet filter was told of each guest: a file below /run for each, to put all of it back from.

A record is ``{"guest": {name, nics, firewall}, "also": {MAC: addresses}, "since": unix time}``. ``also`` are addresses
that a guest runs with until it restarts, though its definition no longer has them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..guest.definition import Definition
from .filter_rules import Port, ports_of

__all__ = ["Also", "Record", "Records", "grown", "record_of", "recorded_ports"]

Record = dict[str, Any]
Also = Mapping[str, Iterable[str]]

#: What a record has of a guest's definition, and of its interfaces.
_OF_GUEST, _OF_NIC = ("name", "firewall"), ("mac", "bridge", "addresses", "trusted")


class Records:
    """The records in a folder, by the guest's name. Methods raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> Record | None:
        try:
            found: Record = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return found

    def all(self) -> list[Record]:
        found = [self.get(path.stem) for path in sorted(self._folder.glob("*.json"))]
        return [record for record in found if record is not None]

    def ports(self) -> list[Port]:
        """The interfaces of all guests."""
        return [port for record in self.all() for port in recorded_ports(record)]

    def put(self, record: Record) -> None:
        self.put_text(f"{record['guest']['name']}.json", json.dumps(record))

    def put_text(self, name: str, text: str) -> None:
        """Write a file beside the records."""
        from ..core.atomic import write  # not what a monitor needs that finds nothing to do

        write(self._folder / name, text)

    def text(self, name: str) -> str | None:
        """A file beside the records; None when it is not there."""
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def drop(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def make(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove all that is there."""
        for path in self._folder.iterdir():
            path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def record_of(definition: Definition, also: Also | None = None) -> Record:
    """What the filter is to be told of a guest."""
    guest = {key: definition[key] for key in _OF_GUEST if key in definition}
    guest["nics"] = [{key: nic[key] for key in _OF_NIC if key in nic} for nic in definition["nics"]]
    return {"guest": guest, "also": {mac: list(known) for mac, known in (also or {}).items()}, "since": time.time()}


def recorded_ports(record: Mapping[str, Any]) -> list[Port]:
    """The interfaces of the guest that a record tells of."""
    return ports_of(record["guest"], record["also"])


def grown(definition: Definition, before: Record | None, started: Definition, net: Path) -> Record:
    """The record of a guest that runs, by its definition and by what was known of it ``before``.

    Addresses stay, those that it was ``started`` from as well: a guest takes others when it restarts. So do interfaces
    that have left its definition and not yet the node (``net``, /sys/class/net).
    """
    nics = list(started.get("nics", ()))
    if before:
        nics += before["guest"]["nics"]
        nics += [{"mac": mac, "addresses": known} for mac, known in before["also"].items()]
    also: dict[str, list[str]] = {}
    for nic in nics:
        also.setdefault(nic["mac"], []).extend(nic["addresses"])
    record = record_of(definition, {mac: list(dict.fromkeys(known)) for mac, known in also.items()})
    macs = {nic["mac"] for nic in definition["nics"]}
    for nic in before["guest"]["nics"] if before else ():
        leaving = ports_of({"name": definition["name"], "nics": [nic]})
        if nic["mac"] not in macs and any((net / port.name).exists() for port in leaving):
            record["guest"]["nics"].append(nic)
    return record
