# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong while a guest moves: a table of faults, each with the phases of a move in which it strikes.

A fault is put in at one moment, lasts ``hold`` seconds, and is taken out again. What has to hold afterwards is the
same for all of them (trial.py), but for the session to the guest, which some faults cannot but end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for

if TYPE_CHECKING:
    from .console import Console
    from .trial import Scene

__all__ = ["FAULTS", "Case", "Fault", "Session", "Way", "cases", "open_up", "schedule"]

#: Whether the session to the guest has to live: always, unless the guest had left for the target when the fault
#: struck, or not at all.
Session = Literal["lives", "lives unless switched", "may end"]
#: Who asks for the move: the module as a play runs it, the play itself, or the cluster, with nobody watching.
Way = Literal["module", "play", "cluster"]

_SETUP, _COPYING, _SWITCH = "setup", "copying", "switch-over"
_POST_COPY = "post-copy"
_DISKS, _LAST = "copying disks", "last difference"
_ALL = (_SETUP, _COPYING, _SWITCH)
#: TCP ports of a migration: libvirt's daemons, QEMU, Drover's peers.
_MIGRATION = "tcp dport { 16514, 16515, 49152-49215 }"
_MIGRATION_BACK = "tcp sport { 16514, 16515, 49152-49215 }"
#: Seconds for the target's QEMU to be there once a move is in its set-up.
_APPEARS_WITHIN = 3.0
#: The nodes' firewall table of a fault.
_TABLE = ("inet", "fault")


def nothing(_scene: Scene) -> None:
    """There is nothing to be undone."""


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


# --- what is done to nodes --------------------------------------------------------------------------------------


def _cut_power(part: str) -> Callable[[Scene], None]:
    return lambda scene: scene.console(part).cut_power()


def _restart_libvirt(scene: Scene) -> None:
    scene.console("source").run(["systemctl", "restart", "libvirtd.service"], timeout=60)


def _kill(part: str, *words: str) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        console = scene.console(part)
        scene.struck = console.kill(list(console.find(*words)))

    return inject


def _on_target(*argv: str) -> Callable[[Scene], None]:
    return lambda scene: scene.try_on("target", argv)


def _kill_qemu(scene: Scene) -> None:
    console = scene.console("target")
    scene.struck = 0

    def find() -> list[int]:
        return list(console.find("qemu-system", f"guest={scene.guest},"))

    with suppress(WaitTimeout):  # then the move was over before it was seen
        scene.struck = console.kill(wait_for(find, bool, what="its QEMU", timeout=_APPEARS_WITHIN, interval=0.02))


def _kill_agent(scene: Scene) -> None:
    console = scene.console("source")
    scene.struck = console.kill(list(console.find("resource.d/drover/", "migrate_to")))


def _kill_job(scene: Scene) -> None:
    # A play chooses its node itself.
    scene.struck = 0
    for part in ("source", "target", "third") if scene.way == "play" else ("third",):
        console = scene.console(part)
        scene.struck += console.kill([*console.find("guest_migrate"), *console.find("async_wrapper")])


def _kill_controller(scene: Scene) -> None:
    scene.command.kill()


def _filter(part: str, others: Collection[str], verdict: str, match: str = "") -> Callable[[Scene], None]:
    """Keep packets between a node and others from passing."""

    def inject(scene: Scene) -> None:
        addresses = ", ".join(scene.address(other) for other in others)
        lines = [f"ip {side} {{ {addresses} }} {match} {verdict}".replace("  ", " ") for side in ("saddr", "daddr")]
        if match:
            lines += [line.replace(_MIGRATION, _MIGRATION_BACK) for line in lines]
        rules = "\n".join(lines)
        table = " ".join(_TABLE)
        hooks = "\n".join(
            f"chain {hook} {{ type filter hook {hook} priority -300; policy accept;\n{rules}\n}}"
            for hook in ("input", "output")
        )
        scene.console(part).run(["nft", "-f", "-"], stdin=f"table {table} {{\n{hooks}\n}}\n")

    return inject


def open_up(console: Console) -> None:
    """Let all packets pass again. A node that was fenced meanwhile, or is without power, keeps none from it."""
    with suppress(CommandError):
        console.run(["nft", "delete", "table", *_TABLE], ok=None)


def _unfilter(part: str) -> Callable[[Scene], None]:
    return lambda scene: open_up(scene.console(part))


#: What befalls migrations alone between source and target, and the end of whatever keeps packets from the target.
_silence = _filter("target", ["source"], "drop", _MIGRATION)
_reset = _filter("target", ["source"], "reject with tcp reset", _MIGRATION)
_heal = _unfilter("target")


def _second_move(scene: Scene) -> None:
    scene.second = scene.start(scene.third)


def _make_dirt(scene: Scene) -> None:
    scene.tell("dirty 64")


def _end_dirt(scene: Scene) -> None:
    scene.tell("dirty 0")


def _heal_and_end_dirt(scene: Scene) -> None:
    _heal(scene)
    _end_dirt(scene)


def _power_off_inside(scene: Scene) -> None:
    scene.tell("poweroff")


_IN_CONTAINER = ("lxc-attach", "-P", "/run/drover/lxc", "-n")
_HALT = "/etc/systemd/system/halt.target"


def _mask_halt(scene: Scene) -> None:
    inside = [*_IN_CONTAINER, scene.guest, "--"]
    scene.console("source").run([*inside, "ln", "-sf", "/dev/null", _HALT])
    scene.console("source").run([*inside, "systemctl", "daemon-reload"])


def _unmask_halt(scene: Scene) -> None:
    inside = [*_IN_CONTAINER, scene.guest, "--"]
    console = scene.lab_console(scene.where())
    console.run([*inside, "rm", "-f", _HALT])
    console.run([*inside, "systemctl", "daemon-reload"])


#: Where guests are copied to. A file system of its own that is full is as good as a full disk.
_COPIES = {"shed": "/srv/drover/local/containers/shed", "vault": "/srv/drover/local/vms/vault"}


def _room(megabytes: int) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        target, place = scene.console("target"), _COPIES[scene.guest]
        target.run(["mkdir", "-p", place])
        target.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "fault", place])

    return prepare


def _fill(scene: Scene) -> None:
    """From now on there is no more room than what is used already, which grows while we look."""
    place = _COPIES[scene.guest]
    used = f"$(df --output=used -B1 {place} | tail -n 1)"
    shrink = f"for try in $(seq 50); do mount -o remount,size={used} {place} && exit 0; done; exit 1"
    scene.struck = scene.console("target").run(["sh", "-c", shrink], ok=None).rc == 0


def _more_room(scene: Scene) -> None:
    place = _COPIES[scene.guest]
    if scene.arrived():
        # It struck too late, and what is to be unmounted is the guest's.
        scene.console("target").run(["mount", "-o", "remount,size=4g", place])
        scene.take_home()
    scene.try_on("target", ["umount", "--lazy", place])
    scene.try_on("target", ["rmdir", place])


# --- the table --------------------------------------------------------------------------------------------------

FAULTS: tuple[Fault, ...] = (
    Fault("target loses power", _ALL, _cut_power("target"), session="lives unless switched"),
    Fault("source loses power", (_COPYING,), _cut_power("source"), session="may end"),
    Fault("libvirt restarts on the source", _ALL, _restart_libvirt),
    Fault("libvirt killed on the target", _ALL, _kill("target", "sbin/libvirtd")),
    Fault(
        "libvirt hangs on the target",
        (_SETUP,),
        _on_target("pkill", "-STOP", "-x", "libvirtd"),
        _on_target("pkill", "-CONT", "-x", "libvirtd"),
        hold=15.0,
    ),
    Fault("QEMU killed on the target", _ALL, _kill_qemu, session="lives unless switched"),
    Fault(
        "source and target cut apart for 1 s",
        _ALL,
        _filter("target", ["source"], "drop"),
        _heal,
        hold=1.0,
    ),
    Fault(
        "target cut off until it is fenced",
        (_SETUP, _COPYING),
        _filter("target", ["source", "third"], "drop"),
        _heal,
        hold=8.0,
    ),
    Fault(
        "source cut off until it is fenced",
        (_COPYING,),
        _filter("source", ["target", "third"], "drop"),
        _unfilter("source"),
        hold=8.0,
        session="may end",
    ),
    Fault(
        "migration network silent for 4 s",
        _ALL,
        _silence,
        _heal,
        hold=4.0,
    ),
    Fault(
        "migration network silent for 45 s",
        (_COPYING,),
        _silence,
        _heal,
        hold=45.0,
    ),
    Fault(
        "migration network reset",
        _ALL,
        _reset,
        _heal,
        hold=2.0,
    ),
    Fault("agent killed", _ALL, _kill_agent),
    Fault("job on the node killed", _ALL, _kill_job, ways=("module", "play")),
    Fault("Ansible killed", _ALL, _kill_controller, ways=("module", "play")),
    Fault(
        "node that runs the play loses power",
        (_SETUP, _COPYING),
        _cut_power("third"),
        ways=("module", "play"),
        runner="third",
    ),
    Fault(
        "node that runs the play, the target, loses power",
        (_COPYING,),
        _cut_power("target"),
        ways=("module", "play"),
        runner="target",
    ),
    Fault("a second move to another node", ("begin", *_ALL), _second_move, ways=("module", "play")),
    Fault(
        "memory changes faster than the wire",
        ("begin",),
        nothing,
        _end_dirt,
        hold=None,
        guest="churn",
        prepare=_make_dirt,
        path="aborted",
    ),
    Fault(
        "memory changes faster than the wire, the guest is slowed down",
        ("begin",),
        nothing,
        _end_dirt,
        hold=None,
        guest="brake",
        prepare=_make_dirt,
        path="slowed by",
    ),
    Fault(
        "memory changes faster than the wire, post-copy allowed",
        ("begin",),
        nothing,
        _end_dirt,
        hold=None,
        guest="flow",
        prepare=_make_dirt,
        path="post-copy",
    ),
    Fault(
        "migration network reset in post-copy",
        (_POST_COPY,),
        _reset,
        _heal_and_end_dirt,
        hold=3.0,
        guest="flow",
        prepare=_make_dirt,
    ),
    Fault(
        "target loses power in post-copy",
        (_POST_COPY,),
        _cut_power("target"),
        session="may end",
        guest="flow",
        prepare=_make_dirt,
    ),
    Fault(
        "QEMU killed on the target in post-copy",
        (_POST_COPY,),
        _kill_qemu,
        session="may end",
        guest="flow",
        prepare=_make_dirt,
    ),
    Fault("agent killed in post-copy", (_POST_COPY,), _kill_agent, _end_dirt, guest="flow", prepare=_make_dirt),
    Fault("QEMU killed on the target of a brisk move", (_COPYING,), _kill_qemu, guest="brisk", holds=256),
    Fault(
        "migration network reset in a brisk move",
        (_COPYING,),
        _reset,
        _heal,
        hold=2.0,
        guest="brisk",
        holds=256,
    ),
    Fault("shut down from inside", (_SETUP, _COPYING), _power_off_inside, session="may end"),
    Fault(
        "container ignores the stop signal",
        ("begin",),
        nothing,
        guest="web",
        session="may end",
        prepare=_mask_halt,
        undo=_unmask_halt,
        hold=None,
    ),
    # A VM whose disk comes along.
    Fault(
        "target loses power with a disk",
        (_DISKS, _SWITCH),
        _cut_power("target"),
        session="lives unless switched",
        guest="vault",
    ),
    Fault("agent killed with a disk", (_DISKS, _SWITCH), _kill_agent, guest="vault"),
    Fault("libvirt restarts on the source with a disk", (_DISKS,), _restart_libvirt, guest="vault"),
    Fault("QEMU killed on the target with a disk", (_DISKS,), _kill_qemu, guest="vault"),
    Fault("migration network reset with a disk", (_DISKS,), _reset, _heal, hold=2.0, guest="vault"),
    Fault(
        "target disk fills up with a disk", (_DISKS,), _fill, _more_room, hold=None, guest="vault", prepare=_room(400)
    ),
    # A container whose root file system is copied. It stops for a moment in any case, so there is no session.
    Fault("target disk full", ("begin",), nothing, _more_room, hold=None, guest="shed", prepare=_room(60)),
    Fault("target disk fills up", (_COPYING,), _fill, _more_room, hold=None, guest="shed", prepare=_room(2000)),
    Fault("target loses power while a container is copied", (_COPYING, _LAST), _cut_power("target"), guest="shed"),
    Fault("agent killed while a container is copied", (_COPYING, _LAST), _kill_agent, guest="shed"),
    Fault(
        "migration network reset while a container is copied",
        (_COPYING,),
        _reset,
        _heal,
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
