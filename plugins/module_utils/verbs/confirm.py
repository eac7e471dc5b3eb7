# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "confirm": somebody has seen that a lost node has no power, and its guests may start elsewhere.

Nobody has only to say so. All members look twice for signs of life of the node first, for if it still ran, its guests
would run twice and destroy their disks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from ..cluster import paused
from ..cluster.cib import Configuration, read
from ..cluster.fencing import device_id
from ..cluster.guests import guest_of
from ..cluster.objects import Primitive
from ..cluster.pacemaker import Pacemaker, Snapshot
from ..cluster.unconfirmed import guests_on
from ..core.errors import InvalidValue
from ..core.wait import or_last
from ..guest.definition import Definition
from ..guest.definition import read as read_definition
from ..journal import book, power
from ..planning.move import Refused
from ..reporting.job_log import JobLog
from ..storage import beats
from ..storage.beats import Beats

__all__ = ["Confirmation", "Senses"]

#: Seconds between the two looks. A container's lease is renewed every ten seconds.
_BETWEEN = 25.0
#: Seconds for the guests to start.
_STARTS = 120.0


class Senses(Protocol):
    """How members look at a node and at its power controller."""

    def signs(self, node: str, members: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """What each of the members sees of a node; raises nothing for one that does not tell."""

    def power(self, device: Primitive) -> str | None:
        """What a power controller says of its node, "on" or "off"; None when it does not answer."""


class _Look(NamedTuple):
    signs: list[str]
    beats: Beats


class Confirmation:
    """One run, by a member ``here``."""

    def __init__(
        self,
        cluster: Pacemaker,
        node: str,
        here: str,
        senses: Senses,
        *,
        check: bool,
        log: JobLog,
        record: Callable[[book.Entry], None] = book.record,
    ) -> None:
        self.cluster, self.node, self.here, self.senses = cluster, node, here, senses
        self.check, self.log, self._record = check, log, record

    def run(self) -> dict[str, Any]:
        """Release the guests of the node. Raises Refused when anything of it still lives, InvalidValue for no node."""
        started, began = self.cluster.clock(), time.time()
        seen = self.cluster.look()
        waiting = self._waiting(seen)
        if waiting is None:
            told = f"the cluster knows already that {self.node} is off"
            return {"changed": False, "node": self.node, "guests": [], "notes": [told], "seconds": 0.0}
        live = read(seen.cib)
        # Nothing is looked at then, so no lease is renewed, and the network may be down on purpose.
        paused.refuse(live.properties)
        definitions = _definitions(live, waiting)
        members = [node.name for node in seen.status.nodes if node.online]
        self.log.say(f"looking for signs of life of {self.node}, twice, {_BETWEEN:.0f} seconds apart")
        first = self._look(live, members, definitions)
        self._judge(first.signs)
        self.cluster.sleep(_BETWEEN)
        second = self._look(live, members, definitions)
        self._judge([*second.signs, *beats.signs(self.node, first.beats, second.beats)])
        notes = [f"nothing of {self.node} answered {', '.join(members)}, and nothing of its guests moved, at two looks"]
        if not self.check:
            self.log.say(*notes)
            self.cluster.confirm_off(self.node)
            self._record(power.entry("confirmation", self.node, "confirmed", since=began, by=self.here, guests=waiting))
            notes += self._started(waiting)
        return {
            "changed": True,
            "node": self.node,
            "guests": waiting,
            "notes": notes,
            "seconds": round(self.cluster.clock() - started, 1),
        }

    def _waiting(self, seen: Snapshot) -> list[str] | None:
        """The guests that were on the node; None when the cluster knows that it is off."""
        status = seen.status
        host = status.node(self.node)
        if host is None:
            names = ", ".join(node.name for node in status.nodes)
            raise InvalidValue(f"there is no node {self.node} in the cluster; its nodes are: {names}")
        if host.online:
            raise Refused(f"{self.node} is a member of the cluster that is up: nothing is to be confirmed")
        if not status.quorum:
            raise Refused("these nodes have no quorum, and would start nothing: bring back more of them first")
        if not host.unclean:
            return None
        return guests_on(status, self.node)

    def _look(self, live: Configuration, members: Sequence[str], definitions: Mapping[str, Definition]) -> _Look:
        signs = []
        devices = [live.primitives.get(device_id(self.node, level)) for level in (1, 2)]
        if "on" in [self.senses.power(device) for device in devices if device is not None]:
            signs.append("its power controller answers, and says that it is on: the cluster cuts its power by itself")
        told = self.senses.signs(self.node, members)
        for member in members:
            signs += [f"{sign} (seen by {member})" for sign in told.get(member, ["it does not tell what it sees"])]
        return _Look(list(dict.fromkeys(signs)), beats.look(definitions))

    def _judge(self, signs: Sequence[str]) -> None:
        if signs:
            raise Refused(
                f"{self.node} is not taken for off: {'; '.join(signs)}. If it still runs, so may its guests, and they "
                f"would destroy their disks if they were started twice. Pull its plug, and run this again"
            )

    def _started(self, waiting: Sequence[str]) -> list[str]:
        """Wait for the guests, and tell where they are."""
        what = "the start of the guests"
        seen = or_last(partial(self.cluster.settle, waiting, what=what, timeout=_STARTS, after=1.0))
        told = []
        for name in waiting:
            guest = seen.status.resource(name)
            word = "unknown" if guest is None else f"{guest.word} on {guest.node}" if guest.node else guest.word
            told.append(f"{name}: {word}")
        return told


def _definitions(live: Configuration, names: Sequence[str]) -> dict[str, Definition]:
    found: dict[str, Definition] = {}
    for name in names:
        if name in live.primitives:
            known = read_definition(guest_of(live.primitives[name]) or {})
            if not known.missing:
                found[name] = known.definition
    return found
