# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalogue of faults: what can go wrong while a guest moves, each with the phases of a move in which it strikes.

A fault is put in at one moment, lasts ``hold`` seconds, and is taken out again. What has to hold afterwards is the
same for all of them (trial.py), but for the session to the guest, which some faults cannot but end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .injection import (
    cut_power,
    end_dirt,
    fill,
    filter_packets,
    heal,
    heal_and_end_dirt,
    kill,
    kill_agent,
    kill_controller,
    kill_job,
    kill_qemu,
    make_dirt,
    mask_halt,
    more_room,
    nothing,
    on_target,
    power_off_inside,
    reset,
    restart_libvirt,
    room,
    second_move,
    silence,
    unfilter_packets,
    unmask_halt,
)

if TYPE_CHECKING:
    from .scene import Scene

__all__ = ["FAULTS", "Case", "Fault", "Session", "Way", "cases", "schedule"]

#: Whether the session to the guest has to live: always, unless the guest had left for the target when the fault
#: struck, or not at all.
Session = Literal["lives", "lives unless switched", "may end"]
#: Who asks for the move: the module as a play runs it, the play itself, or the cluster, with nobody watching.
Way = Literal["module", "play", "cluster"]

_SETUP, _COPYING, _SWITCH = "setup", "copying", "switch-over"
_POST_COPY = "post-copy"
_DISKS, _LAST = "copying disks", "last difference"
_ALL = (_SETUP, _COPYING, _SWITCH)


@dataclass(frozen=True)
class Fault:
    """One row: ``prepare`` before the move begins, ``inject`` at a phase in ``phases``, ``undo`` after ``hold``
    seconds or, where that is None, when the move has ended.

    ``holds`` is how many MiB of random data a VM is given that holds none; they are summed up before and afterwards.
    ``guest`` is which of the trial guests moves, ``runner`` the part in the move that the node has to have on which the
    play acts, where that matters. ``path`` is how a word begins that the journal has to have of the move.
    """

    name: str
    phases: tuple[str, ...]
    inject: Callable[[Scene], None]
    undo: Callable[[Scene], None] = nothing
    session: Session = "lives"
    hold: float | None = 0.0
    guest: str = "game"
    ways: tuple[Way, ...] = ("module", "cluster")
    runner: Literal["target", "third"] | None = None
    prepare: Callable[[Scene], None] = nothing
    holds: int = 8
    path: str = ""


@dataclass(frozen=True)
class Case:
    """A fault in one phase of a move."""

    fault: Fault
    phase: str

    def __str__(self) -> str:
        return f"{self.fault.name}, {self.phase}"


FAULTS: tuple[Fault, ...] = (
    Fault("target loses power", _ALL, cut_power("target"), session="lives unless switched"),
    Fault("source loses power", (_COPYING,), cut_power("source"), session="may end"),
    Fault("libvirt restarts on the source", _ALL, restart_libvirt),
    Fault("libvirt killed on the target", _ALL, kill("target", "sbin/libvirtd")),
    Fault(
        "libvirt hangs on the target",
        (_SETUP,),
        on_target("pkill", "-STOP", "-x", "libvirtd"),
        on_target("pkill", "-CONT", "-x", "libvirtd"),
        hold=15.0,
    ),
    Fault("QEMU killed on the target", _ALL, kill_qemu, session="lives unless switched"),
    Fault(
        "source and target cut apart for 1 s",
        _ALL,
        filter_packets("target", ["source"], "drop"),
        heal,
        hold=1.0,
    ),
    Fault(
        "target cut off until it is fenced",
        (_SETUP, _COPYING),
        filter_packets("target", ["source", "third"], "drop"),
        heal,
        hold=8.0,
    ),
    Fault(
        "source cut off until it is fenced",
        (_COPYING,),
        filter_packets("source", ["target", "third"], "drop"),
        unfilter_packets("source"),
        hold=8.0,
        session="may end",
    ),
    Fault(
        "migration network silent for 4 s",
        _ALL,
        silence,
        heal,
        hold=4.0,
    ),
    Fault(
        "migration network silent for 45 s",
        (_COPYING,),
        silence,
        heal,
        hold=45.0,
    ),
    Fault(
        "migration network reset",
        _ALL,
        reset,
        heal,
        hold=2.0,
    ),
    Fault("agent killed", _ALL, kill_agent),
    Fault("job on the node killed", _ALL, kill_job, ways=("module", "play")),
    Fault("Ansible killed", _ALL, kill_controller, ways=("module", "play")),
    Fault(
        "node that runs the play loses power",
        (_SETUP, _COPYING),
        cut_power("third"),
        ways=("module", "play"),
        runner="third",
    ),
    Fault(
        "node that runs the play, the target, loses power",
        (_COPYING,),
        cut_power("target"),
        ways=("module", "play"),
        runner="target",
    ),
    Fault("a second move to another node", ("begin", *_ALL), second_move, ways=("module", "play")),
    Fault(
        "memory changes faster than the wire",
        ("begin",),
        nothing,
        end_dirt,
        hold=None,
        guest="churn",
        prepare=make_dirt,
        path="aborted",
    ),
    Fault(
        "memory changes faster than the wire, the guest is slowed down",
        ("begin",),
        nothing,
        end_dirt,
        hold=None,
        guest="brake",
        prepare=make_dirt,
        path="slowed by",
    ),
    Fault(
        "memory changes faster than the wire, post-copy allowed",
        ("begin",),
        nothing,
        end_dirt,
        hold=None,
        guest="flow",
        prepare=make_dirt,
        path="post-copy",
    ),
    Fault(
        "migration network reset in post-copy",
        (_POST_COPY,),
        reset,
        heal_and_end_dirt,
        hold=3.0,
        guest="flow",
        prepare=make_dirt,
    ),
    Fault(
        "target loses power in post-copy",
        (_POST_COPY,),
        cut_power("target"),
        session="may end",
        guest="flow",
        prepare=make_dirt,
    ),
    Fault(
        "QEMU killed on the target in post-copy",
        (_POST_COPY,),
        kill_qemu,
        session="may end",
        guest="flow",
        prepare=make_dirt,
    ),
    Fault("agent killed in post-copy", (_POST_COPY,), kill_agent, end_dirt, guest="flow", prepare=make_dirt),
    Fault("QEMU killed on the target of a brisk move", (_COPYING,), kill_qemu, guest="brisk", holds=256),
    Fault(
        "migration network reset in a brisk move",
        (_COPYING,),
        reset,
        heal,
        hold=2.0,
        guest="brisk",
        holds=256,
    ),
    Fault("shut down from inside", (_SETUP, _COPYING), power_off_inside, session="may end"),
    Fault(
        "container ignores the stop signal",
        ("begin",),
        nothing,
        guest="web",
        session="may end",
        prepare=mask_halt,
        undo=unmask_halt,
        hold=None,
    ),
    # A VM whose disk comes along.
    Fault(
        "target loses power with a disk",
        (_DISKS, _SWITCH),
        cut_power("target"),
        session="lives unless switched",
        guest="vault",
    ),
    Fault("agent killed with a disk", (_DISKS, _SWITCH), kill_agent, guest="vault"),
    Fault("libvirt restarts on the source with a disk", (_DISKS,), restart_libvirt, guest="vault"),
    Fault("QEMU killed on the target with a disk", (_DISKS,), kill_qemu, guest="vault"),
    Fault("migration network reset with a disk", (_DISKS,), reset, heal, hold=2.0, guest="vault"),
    Fault("target disk fills up with a disk", (_DISKS,), fill, more_room, hold=None, guest="vault", prepare=room(400)),
    # A container whose root file system is copied. It stops for a moment in any case, so there is no session.
    Fault("target disk full", ("begin",), nothing, more_room, hold=None, guest="shed", prepare=room(60)),
    Fault("target disk fills up", (_COPYING,), fill, more_room, hold=None, guest="shed", prepare=room(2000)),
    Fault("target loses power while a container is copied", (_COPYING, _LAST), cut_power("target"), guest="shed"),
    Fault("agent killed while a container is copied", (_COPYING, _LAST), kill_agent, guest="shed"),
    Fault(
        "migration network reset while a container is copied",
        (_COPYING,),
        reset,
        heal,
        hold=2.0,
        guest="shed",
    ),
)


def cases(only: str = "") -> list[Case]:
    """Every fault in each of its phases; ``only`` chooses those whose words it is part of."""
    found = [Case(fault, phase) for fault in FAULTS for phase in fault.phases]
    return [case for case in found if only in str(case)]


def schedule(chosen: list[Case], seed: int) -> Iterator[tuple[Case, random.Random]]:
    """All cases in a random order, again and again, each time with chances of its own."""
    chance = random.Random(seed)
    while chosen:
        for case in chance.sample(chosen, len(chosen)):
            yield case, random.Random(chance.random())
