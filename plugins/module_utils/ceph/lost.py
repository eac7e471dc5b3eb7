# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling Ceph that a node is gone, so that it need not find out for itself.

Ceph gives an OSD up after 20 s, and its successors then wait for its lease; a monitor that died holds up every order
until the others have elected anew; a metadata server and the clients of the lost node are waited for as long as two
minutes. All of these waits guard against a node that may still live. One whose power is off does not.

"osd down --definitely-dead" is a promise: were it broken, a client of the dead node's could read what is no longer so.
So :func:`verified` believes nothing but the fencer's own record that a power controller has confirmed it. What a person
has confirmed does not count.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from xml.etree import ElementTree as ET

from ..core.errors import DroverError
from ..core.parallel import side_by_side

__all__ = ["Doings", "Lost", "LostError", "SwitchedOnError", "doings", "turn", "verified"]

#: Of the fencer's record, what a person's word stands for a node's power in (pacemaker, stonith_admin --confirm).
_HUMAN = "a human"
#: What cuts the power. A node that was only asked to go on is none that is gone.
_CUTS = ("off", "reboot")
#: Seconds for which a record is fresh: an alert comes within a second of what it tells.
_FRESH = 120.0
#: Seconds that each monitor's node leaves to the one before it.
TURN = 3.0
#: Seconds for which clients of a lost node stay out: a node may come back to life for as long.
_LOCKED_OUT = 86_400.0


class LostError(DroverError):
    """Nobody may say that the node is gone."""


class SwitchedOnError(LostError):
    """The last that was done about the node's power is to switch it on, as after each fencing that went well."""


def verified(history: str, node: str, members: Sequence[str], now: float) -> str:
    """The node that saw to it that the power of this one is off, by the XML of ``stonith_admin --history``.

    Raises LostError when the last word of it is not that a power controller has just confirmed it; SwitchedOnError when
    it is that the node goes on again.
    """
    events = [event for event in ET.fromstring(history).iter("fence_event") if event.get("target") == node]
    events = [event for event in events if event.get("completed")]
    if not events:
        raise LostError(f"nobody has fenced {node}, as far as Pacemaker knows")
    last = max(events, key=_when)
    by = last.get("delegate", "")
    if last.get("status") == "success" and last.get("action") == "on":
        raise SwitchedOnError(f"what was done last about the power of {node} is to switch it on")
    if last.get("status") != "success" or last.get("action") not in _CUTS:
        raise LostError(f"what was done last about the power of {node} is: {last.get('action')}, {last.get('status')}")
    if by not in members or by == _HUMAN:
        raise LostError(f"that {node} is off was confirmed by {by or 'nobody'}, and by no power controller")
    age = now - _when(last)
    if not -5 <= age <= _FRESH:
        raise LostError(f"{node} was fenced {age:.0f} s ago: it may be on again")
    return by


def _when(event: ET.Element) -> float:
    text = event.get("completed", "")
    try:
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def turn(here: str, monitors: Sequence[str], lost: str) -> int | None:
    """Which of the monitors' nodes that are left this one is, in the order in which they see to it; None for no such
    node."""
    left = sorted(name for name in monitors if name != lost)
    return left.index(here) if here in left else None


@dataclass(frozen=True)
class Doings:
    """What Ceph is to be told: numbers of OSDs, addresses of clients, and whether a metadata server of a file system is
    gone. One that stood by is nobody's loss, and none that the key may give up.

    ``news`` says that it takes one of the OSDs for one that is up. Those that it has found to be down for itself
    are told as well: it would still wait for what they may have promised (osd_pool_default_read_lease_ratio).
    """

    osds: tuple[int, ...]
    clients: tuple[str, ...]
    metadata_server: bool
    news: bool = True

    def commands(self, node: str) -> list[dict[str, Any]]:
        """As monitors take them, all at the same time."""
        found: list[dict[str, Any]] = []
        if self.osds:
            found.append({"prefix": "osd down", "ids": [str(number) for number in self.osds], "definitely_dead": True})
        found += [
            {"prefix": "osd blocklist", "blocklistop": "add", "addr": address, "expire": _LOCKED_OUT}
            for address in self.clients
        ]
        if self.metadata_server:
            found.append({"prefix": "mds fail", "role_or_gid": node})
        return found


def doings(node: str, tree: Mapping[str, Any], filesystems: Mapping[str, Any], clients: Sequence[str]) -> Doings:
    """What is to be told of a node, from ``osd tree``, ``fs dump`` and the addresses by which its file systems were
    mounted."""
    by_id = {entry["id"]: entry for entry in tree["nodes"]}
    host = next((entry for entry in tree["nodes"] if entry["type"] == "host" and entry["name"] == node), None)
    own = [by_id[number] for number in (host or {}).get("children", ()) if number in by_id]
    osds = {entry["id"]: entry.get("status") == "up" for entry in own if entry["type"] == "osd"}
    maps = [system["mdsmap"]["info"].values() for system in filesystems.get("filesystems", ())]
    names = {info["name"] for infos in maps for info in infos}
    return Doings(tuple(sorted(osds)), tuple(clients), node in names, any(osds.values()))


class Monitors(Protocol):
    """The monitors, as a client of Ceph's asks them."""

    def ask(self, command: Mapping[str, Any]) -> str:
        """The answer. Raises LostError."""


class Lost:
    """One node that is gone, and the telling of it."""

    def __init__(self, node: str, monitors: Monitors, *, say: Callable[[str], None]) -> None:
        self.node, self._monitors, self._say = node, monitors, say

    def look(self, clients: Sequence[str]) -> Doings:
        """What there is to tell. Raises LostError."""
        tree = json.loads(self._monitors.ask({"prefix": "osd tree", "format": "json"}))
        systems = json.loads(self._monitors.ask({"prefix": "fs dump", "format": "json"}))
        return doings(self.node, tree, systems, clients)

    def tell(self, told: Doings) -> None:
        """Tell it, all at once: each order waits for the monitors' next round. Raises LostError, with what was not
        done, when the rest is."""
        commands = told.commands(self.node)
        troubles = side_by_side(lambda number: self._trouble(commands[number]), range(len(commands)))
        for number, command in enumerate(commands):
            if troubles[number] is None:
                rest = " ".join(str(value) for key, value in command.items() if key != "prefix")
                self._say(f"told Ceph that {self.node} is gone: {command['prefix']} {rest}")
        if left := [str(trouble) for trouble in troubles.values() if trouble is not None]:
            raise LostError("; ".join(left))

    def _trouble(self, command: Mapping[str, Any]) -> LostError | None:
        """What keeps the monitors from carrying out an order."""
        try:
            self._monitors.ask(command)
        except LostError as trouble:
            return trouble
        return None
