# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of a VM on one node: what libvirt's state, its reason and a migration under way mean."""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

__all__ = ["VIR_DOMAIN_PAUSED", "VIR_DOMAIN_PAUSED_IOERROR", "Seen", "State", "classify"]


class State(Enum):
    """What a VM is doing on this node."""

    ABSENT = "absent"
    #: Known to libvirt, not running.
    OFF = "off"
    RUNNING = "running"
    #: Held by somebody on purpose, or by QEMU until its storage has room.
    PAUSED = "paused"
    #: Held by libvirt for the last moments of its migration to another node.
    LEAVING = "leaving"
    #: An empty shell that receives a VM which still runs on another node.
    INCOMING = "incoming"
    #: Here, but it will not go on by itself.
    FAILED = "failed"


class Seen(NamedTuple):
    """A VM's state, with libvirt's reason for a pause."""

    state: State
    reason: str = ""

    @property
    def in_halves(self) -> bool:
        """Whether only a part of its memory is here, the rest at the other end of a post-copy migration."""
        return self.reason.startswith("post-copy")

    @property
    def full(self) -> bool:
        """Whether it waits for room on its storage."""
        return self.reason == _FULL

    @property
    def predicate(self) -> str:
        """What is said of a VM in this state, after its name: "is failed (I/O error)"."""
        if self.state is State.RUNNING:
            return "is still running"
        return f"is {self.state.value}" + (f" ({self.reason})" if self.reason else "")


# virDomainState and virDomainPausedReason, numbered by libvirt's stable interface.
_STATES = {1: State.RUNNING, 2: State.RUNNING, 4: State.RUNNING, 5: State.OFF, 6: State.FAILED, 7: State.RUNNING}
VIR_DOMAIN_PAUSED = 3
VIR_DOMAIN_PAUSED_IOERROR = 5
_PAUSED_MIGRATION = 2
_PAUSED_POSTCOPY = 12
_REASONS = {
    0: "unknown",
    1: "user",
    2: "migration",
    3: "save",
    4: "dump",
    5: "I/O error",
    6: "watchdog",
    7: "restored from a snapshot",
    8: "shutting down",
    9: "snapshot",
    10: "crashed",
    11: "starting up",
    12: "post-copy migration",
    13: "post-copy migration failed",
    14: "an error of libvirt",
}
_ON_PURPOSE = {1, 3, 4, 7, 8, 9, 11}
_FULL = "its storage is full"


def classify(state: int, reason: int, migration: Literal["in", "out"] | None, *, full: bool = False) -> Seen:
    """What libvirt's state and reason mean, given the direction of a migration under way.

    ``full`` tells that an I/O error was the lack of room, and nothing else.
    """
    if state != VIR_DOMAIN_PAUSED:
        return Seen(_STATES.get(state, State.FAILED))
    words = _REASONS.get(reason, f"reason {reason}")
    if reason == VIR_DOMAIN_PAUSED_IOERROR and full:
        return Seen(State.PAUSED, _FULL)
    if migration == "in":
        return Seen(State.INCOMING, words)
    if migration == "out" and reason in (_PAUSED_MIGRATION, _PAUSED_POSTCOPY):
        return Seen(State.LEAVING, words)
    return Seen(State.PAUSED if reason in _ON_PURPOSE else State.FAILED, words)
