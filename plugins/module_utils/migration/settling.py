# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a VM goes on after the last moment of its migration, settled at its source with the target's word for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ..hypervisor.libvirt_connection import HostError
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.vm_state import State
from .states import PLACES, Heard, Machine, Place
from .switchover import Unknown, hold, kill, settle_held

__all__ = ["DOUBT", "Switchover"]

#: Seconds that a VM is held when nobody can tell whether it runs at the target.
DOUBT = 60.0

_GONE = (Place.LANDED, Place.DOUBTFUL)
_SETTLED = (Place.STAYED, Place.STOPPED_AGAIN, *_GONE)


class Switchover:
    """Where one migrating VM is (states.Place), and who may let it go on: never two of it.

    :meth:`stopped` and :meth:`resumed` come from libvirt's event thread, the rest from the one that watches, which may
    read the place at any time. ``say`` takes a word for the record.
    """

    def __init__(
        self, name: str, target: str, say: Callable[[str], None], tick: float, clock: Callable[[], float]
    ) -> None:
        self._name, self._target, self._say, self._tick, self._clock = name, target, say, tick, clock
        self._place: Machine[Place, Heard] = Machine(Place.HERE, PLACES)
        #: Held for as long as the target is being asked, so that it is asked once.
        self._settling = threading.Lock()
        self._concluded = False

    @property
    def stands_still(self) -> bool:
        """Whether the VM is stopped here, so that nothing can be decided about it."""
        return self._place.state in (Place.STOPPED, Place.STOPPED_AGAIN)

    @property
    def left(self) -> bool:
        """Whether it has ever stopped here, or that was settled: it may run at the target, as far as libvirt tells."""
        return self._place.state is not Place.HERE

    @property
    def settled(self) -> bool:
        """Whether it is known where the VM goes on, or that nobody knows."""
        return self._place.state in _SETTLED

    @property
    def doubtful(self) -> bool:
        return self._place.state is Place.DOUBTFUL

    def stopped(self) -> None:
        """It has stopped here. What was settled stays so."""
        self._place.on(Heard.STOPPED)

    def resumed(self) -> bool:
        """It goes on here; unless it does at the target. Returns whether it does here."""
        if self.left:
            self.settle()
        if self._concluded:
            return False
        return self._place.on(Heard.RESUMED) not in _GONE

    def settle(self) -> bool:
        """Whether the VM runs at the target; if it does, no longer here, and if it does not, nothing of it there.

        Asked once, by whichever of two threads comes first: that of libvirt's events or the one that watches.
        """
        with self._settling:
            if not (self.settled or self._concluded):
                self._place.on(self._ask_target())
            return self._place.state in _GONE

    def conclude(self) -> None:
        """End with what is being settled: the agent is about to end, and nobody would let a VM go on that is held."""
        with self._settling:
            self._concluded = True

    def _ask_target(self) -> Heard:
        hold(self._name)
        try:
            return Heard.LANDED if settle_held(self._name, self._target, DOUBT) else Heard.STAYS
        except Unknown as error:
            # Rather none than two: the cluster starts it again where it may.
            self._say(f"ended here: {error}")
            kill(self._name)
            return Heard.UNKNOWN

    def await_daemon(self, until: float) -> None:
        """A daemon that is told to stop drops its clients, but ends its migrations first. Until then all is open."""
        while self._clock() < until:
            with suppress(HostError):
                host = LibvirtHost()
                if not host.progress(self._name):
                    return
                host.abort(self._name)
            time.sleep(self._tick)

    def go_on_here(self) -> None:
        """Let a VM go on that a daemon has left paused which died in the last moment of a migration."""
        until = self._clock() + DOUBT
        while self._clock() < until:
            with suppress(HostError):
                host = LibvirtHost()
                seen = host.seen(self._name)
                if seen.state in (State.PAUSED, State.FAILED, State.LEAVING) and not seen.in_halves:
                    host.resume(self._name)
                return
            time.sleep(self._tick)
