# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The notifier of a node: it watches the cluster, puts stories on record, and has people told.

All nodes do so, in turn: the first of those that are up, by name, at once; the next when that has not come to it. A
story goes on record before anybody is told, and each receiver that has it after. So each is told once, also when the
node that would tell dies: the others have the journal. Only one that dies in the moment between a message and its
record has it told twice; never to be told would be worse.
"""

from __future__ import annotations

import sys
import syslog
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..cluster.pacemaker import Pacemaker
from ..cluster.status import ClusterStatus
from ..core.errors import DroverError
from ..core.node_name import node_name
from ..core.parallel import both
from ..journal import book
from ..journal.kinds import Kinds
from .marks import KINDS, Marks, Untold, age
from .receivers import deliver, receivers
from .spool import Event, Spool
from .stories import Sight
from .watch import Watch

__all__ = ["Teller", "main", "turn"]

#: Seconds between two looks: while something goes on, by the node whose turn it is, and by the others.
_SOON, _EVERY, _SELDOM = 2.0, 10.0, 20.0
#: Seconds that each node leaves to the one before it to put a story on record.
_RECORDING = 20.0
#: Turns in which nodes try to tell: so many seconds each at first, for so many of them, and longer ones then.
_TURN, _FIRST, _LONGER = 60.0, 5, 600.0
#: Seconds from the begin of its turn within which a node begins to tell. A message takes half a minute at most.
_BEGIN = 25.0


def turn(age: float, rank: int, nodes: int) -> int | None:
    """The number of the turn in which a node may tell now a story that is so many seconds old; None while it may not.

    Turns of different nodes never overlap: what one has sent is on record before the next one looks.
    """
    age = max(0.0, age)
    if age < _FIRST * _TURN:
        number, since = divmod(age, _TURN)
    else:
        number, since = divmod(age - _FIRST * _TURN, _LONGER)
        number += _FIRST
    return int(number) if int(number) % max(1, nodes) == rank and since < _BEGIN else None


class Teller:
    """One node's part. What it has to be told by others are seams for tests."""

    def __init__(
        self,
        here: str,
        *,
        cluster: Callable[[], Pacemaker] = Pacemaker,
        journal: book.Book | None = None,
        record: Callable[[Mapping[str, Any]], None] = book.record,
        catch_up: Callable[[], object] = lambda: book.read(limit=1),
        declared: Callable[[], Mapping[str, str]] = receivers,
        send: Callable[[str, str, str, str], str] = deliver,
        now: Callable[[], float] = time.time,
        say: Callable[[str], None] = lambda text: syslog.syslog(syslog.LOG_WARNING, text),
    ) -> None:
        self._here, self._cluster, self._now, self._say = here, cluster, now, say
        self._record, self._catch_up, self._declared, self._send = record, catch_up, declared, send
        self._entries = Kinds(journal or book.Book(), "story")
        self._watch = Watch()
        self._due: dict[tuple[str, str, str], float] = {}
        self._tried: set[tuple[str, str, int]] = set()

    def step(self, events: Sequence[Event] = ()) -> float:
        """Look once, and tell what there is; the seconds until the next look. Raises DroverError where the cluster
        cannot be asked."""
        cluster = self._cluster()
        cib, status = both(cluster.query, cluster.status)
        sight = Sight(cib, status, self._now())
        news = self._watch.see(sight, events)
        rank, nodes = _place(self._here, status)
        marks = self._marks()
        names, due = sorted(self._declared()), {}
        for story in news.ready:
            key = (story.kind, story.subject, story.key)
            since = self._due.get(key, sight.now)
            if not marks.knows(story):
                if sight.now - since < rank * _RECORDING:
                    due[key] = since
                    continue
                self._catch_up()
                marks = self._marks()
                if not marks.knows(story):
                    self._record(marks.entry(story, self._here, names, sight.now))
            self._watch.told(story)
        self._due, marks = due, self._marks()
        if rank == 0:
            for entry in marks.over(news.states, self._here, sight.now):
                self._record(entry)
        self._tell(marks, names, _title(sight), rank, nodes)
        if news.going_on or self._due:
            return _SOON
        return _EVERY if rank == 0 else _SELDOM

    def _tell(self, marks: Marks, names: Sequence[str], title: str, rank: int, nodes: int) -> None:
        now = self._now()
        waiting = [one for one in marks.untold(names, now) if self._may(one, rank, nodes, now)]
        if not waiting:
            return
        # Another may have told, and been away when it said so.
        self._catch_up()
        still = {(one.story["id"], one.receiver) for one in self._marks().untold(names, now)}
        for one in waiting:
            at = self._now()
            if (one.story["id"], one.receiver) not in still or not self._may(one, rank, nodes, at):
                continue
            self._tried.add((one.story["id"], one.receiver, turn(age(one.story, at), rank, nodes) or 0))
            why = self._send(one.receiver, title, str(one.story["reason"]), str(one.story["severity"]))
            if why:
                self._say(f"{one.receiver} could not be told of {one.story['subject']}, which is tried again: {why}")
            else:
                self._record(Marks.told(one, self._here, self._now()))

    def _may(self, one: Untold, rank: int, nodes: int, now: float) -> bool:
        number = turn(age(one.story, now), rank, nodes)
        return number is not None and (one.story["id"], one.receiver, number) not in self._tried

    def _marks(self) -> Marks:
        return Marks(self._entries.entries(*KINDS))


def _title(sight: Sight) -> str:
    """What messages are headed with."""
    return f"Cluster {sight.live.properties.get('cluster-name') or 'of Drover'}"


def _place(here: str, status: ClusterStatus) -> tuple[int, int]:
    """Which of the nodes that are up this one is, by name, and how many there are."""
    up = sorted({here, *(node.name for node in status.nodes if node.online and not node.pending)})
    return up.index(here), len(up)


def main() -> int:
    """Tell until killed, or send one message."""
    if sys.argv[1:] == ["send"]:
        from .receivers import send_main

        return send_main()
    syslog.openlog("drover-notify", syslog.LOG_PID, syslog.LOG_DAEMON)
    spool, teller, pause = Spool(), Teller(node_name()), 0.0
    while True:
        spool.wait(pause)
        try:
            pause = teller.step(spool.take())
        except (DroverError, OSError) as error:
            # A node that boots has no cluster yet.
            syslog.syslog(syslog.LOG_NOTICE, f"the cluster cannot be asked: {error}")
            pause = _SELDOM
