# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The states of a VM's live migration, and what leads from one to another.

There are two machines, for they change independently: how far the migration is (:class:`Phase`), and where its VM is
(:class:`Place`). libvirt goes on telling of the VM from a thread of its own when the migration's result is known, and
a post-copy may have been ordered wherever the VM is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["PHASES", "PLACES", "Heard", "IllegalTransition", "Machine", "Phase", "Place", "Step"]


class Phase(Enum):
    """How far a migration is. The thread that watches it changes this, and the one in which libvirt moves the VM.

    ::

        SETUP      begun -> PRE_COPY, failed -> FAILED
        PRE_COPY   ordered -> POST_COPY, arrived -> MOVED, failed -> FAILED
        POST_COPY  ordered -> POST_COPY, arrived -> MOVED, failed -> FAILED
        MOVED      ordered -> MOVED

    A post-copy is ordered again when libvirt did not take the order, and may be ordered in the moment in which the VM
    arrives. POST_COPY is what was ordered: whether the VM's memory is in halves libvirt knows (Seen.in_halves).
    MOVED and FAILED are the ends. What has moved cannot fail any more, and what has failed cannot arrive.
    """

    #: Nothing has begun: disks are made at the target, packets listened to.
    SETUP = "setup"
    #: Memory is copied while the VM runs here.
    PRE_COPY = "pre-copy"
    #: It was told to go on at the target, and to fetch the rest of its memory from here.
    POST_COPY = "post-copy"
    #: libvirt, or the target, said that it arrived; or nobody can tell, and it was ended here.
    MOVED = "moved"
    FAILED = "failed"


class Step(Enum):
    """What changes a migration's phase."""

    BEGUN = "begun"
    #: The controller has ordered post-copy.
    ORDERED = "ordered"
    ARRIVED = "arrived"
    FAILED = "failed"


class Place(Enum):
    """Where the VM is. libvirt's event thread changes this, and the one that watches, when libvirt's daemon is lost.

    ::

        HERE           stopped -> STOPPED, resumed -> HERE, stays -> STAYED, landed -> LANDED, unknown -> DOUBTFUL
        STOPPED        stopped -> STOPPED, stays -> STAYED, landed -> LANDED, unknown -> DOUBTFUL
        STAYED         stopped -> STOPPED_AGAIN, resumed -> STAYED
        STOPPED_AGAIN  stopped -> STOPPED_AGAIN, resumed -> STAYED
        LANDED         stopped -> LANDED, resumed -> LANDED
        DOUBTFUL       stopped -> DOUBTFUL, resumed -> DOUBTFUL

    Two rules are in what is missing. A VM that has stopped for the target does not go on here before the target was
    asked: STOPPED has no "resumed". And the target is asked once: what was settled has no answer to come.
    """

    #: It runs here, as far as libvirt has told.
    HERE = "here"
    #: It stopped here, for the last moment of its migration: it may run at the target from now on.
    STOPPED = "stopped"
    #: Settled: nothing of it is at the target, and it goes on here.
    STAYED = "stayed"
    #: It was stopped here after that.
    STOPPED_AGAIN = "stopped again"
    #: Settled: it runs at the target, and nothing of it is here.
    LANDED = "landed"
    #: Nobody can tell whether it runs at the target. Nothing of it is here.
    DOUBTFUL = "doubtful"


class Heard(Enum):
    """What changes a VM's place: libvirt's two events here, and the three answers about the target."""

    STOPPED = "stopped"
    RESUMED = "resumed"
    STAYS = "stays"
    LANDED = "landed"
    UNKNOWN = "unknown"


PHASES: Mapping[tuple[Phase, Step], Phase] = {
    (Phase.SETUP, Step.BEGUN): Phase.PRE_COPY,
    (Phase.SETUP, Step.FAILED): Phase.FAILED,
    (Phase.PRE_COPY, Step.ORDERED): Phase.POST_COPY,
    (Phase.PRE_COPY, Step.ARRIVED): Phase.MOVED,
    (Phase.PRE_COPY, Step.FAILED): Phase.FAILED,
    (Phase.POST_COPY, Step.ORDERED): Phase.POST_COPY,
    (Phase.POST_COPY, Step.ARRIVED): Phase.MOVED,
    (Phase.POST_COPY, Step.FAILED): Phase.FAILED,
    (Phase.MOVED, Step.ORDERED): Phase.MOVED,
}

PLACES: Mapping[tuple[Place, Heard], Place] = {
    (Place.HERE, Heard.STOPPED): Place.STOPPED,
    (Place.HERE, Heard.RESUMED): Place.HERE,
    (Place.HERE, Heard.STAYS): Place.STAYED,
    (Place.HERE, Heard.LANDED): Place.LANDED,
    (Place.HERE, Heard.UNKNOWN): Place.DOUBTFUL,
    (Place.STOPPED, Heard.STOPPED): Place.STOPPED,
    (Place.STOPPED, Heard.STAYS): Place.STAYED,
    (Place.STOPPED, Heard.LANDED): Place.LANDED,
    (Place.STOPPED, Heard.UNKNOWN): Place.DOUBTFUL,
    (Place.STAYED, Heard.STOPPED): Place.STOPPED_AGAIN,
    (Place.STAYED, Heard.RESUMED): Place.STAYED,
    (Place.STOPPED_AGAIN, Heard.STOPPED): Place.STOPPED_AGAIN,
    (Place.STOPPED_AGAIN, Heard.RESUMED): Place.STAYED,
    (Place.LANDED, Heard.STOPPED): Place.LANDED,
    (Place.LANDED, Heard.RESUMED): Place.LANDED,
    (Place.DOUBTFUL, Heard.STOPPED): Place.DOUBTFUL,
    (Place.DOUBTFUL, Heard.RESUMED): Place.DOUBTFUL,
}


class IllegalTransition(Exception):
    """Something was heard that cannot be in the state in which it was heard."""


_State = TypeVar("_State", bound=Enum)
_Event = TypeVar("_Event", bound=Enum)


class Machine(Generic[_State, _Event]):
    """A state that several threads change, one at a time, as a table of transitions allows."""

    def __init__(self, first: _State, table: Mapping[tuple[_State, _Event], _State]) -> None:
        self._state, self._table = first, table
        self._lock = threading.Lock()

    @property
    def state(self) -> _State:
        return self._state

    def on(self, event: _Event) -> _State:
        """Go where this event leads, and return that. Raises IllegalTransition, and stays, where it leads nowhere."""
        with self._lock:
            if (self._state, event) not in self._table:
                kind = type(self._state).__name__
                raise IllegalTransition(f'{kind.lower()} "{self._state.value}" knows no "{event.value}"')
            self._state = self._table[self._state, event]
            return self._state
