# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Injection of faults: what is done to nodes, networks and guests while a guest moves, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for
from ansible_collections.cspp.drover.plugins.module_utils.drill import strikes

if TYPE_CHECKING:
    from ansible_collections.cspp.drover.plugins.module_utils.lab.console import Console

    from .scene import Scene

__all__ = [
    "cut_power",
    "end_dirt",
    "fill",
    "filter_packets",
    "heal",
    "heal_and_end_dirt",
    "kill",
    "kill_agent",
    "kill_controller",
    "kill_job",
    "kill_qemu",
    "make_dirt",
    "mask_halt",
    "more_room",
    "nothing",
    "on_target",
    "open_up",
    "power_off_inside",
    "reset",
    "restart_libvirt",
    "room",
    "second_move",
    "silence",
    "unfilter_packets",
    "unmask_halt",
]

#: TCP ports of a migration: libvirt's daemons, QEMU, Drover's peers.
_MIGRATION = "tcp dport { 16514, 16515, 49152-49215 }"
_MIGRATION_BACK = "tcp sport { 16514, 16515, 49152-49215 }"
#: Seconds for the target's QEMU to be there once a move is in its set-up.
_APPEARS_WITHIN = 3.0


def nothing(_scene: Scene) -> None:
    """There is nothing to be undone."""


def cut_power(part: str) -> Callable[[Scene], None]:
    """Cuts the power of a node by its part in the move."""
    return lambda scene: scene.console(part).cut_power()


def restart_libvirt(scene: Scene) -> None:
    """Restarts libvirt on the source."""
    scene.console("source").run(["systemctl", "restart", "libvirtd.service"], timeout=60)


def kill(part: str, *words: str) -> Callable[[Scene], None]:
    """Kills a node's processes whose command line has all these words."""

    def inject(scene: Scene) -> None:
        console = scene.console(part)
        scene.struck = console.kill(list(console.find(*words)))

    return inject


def on_target(*argv: str) -> Callable[[Scene], None]:
    """Runs a program on the target, which may fail."""
    return lambda scene: scene.try_on("target", argv)


def kill_qemu(scene: Scene) -> None:
    """Kills the VM's QEMU on the target, as soon as it is there."""
    console = scene.console("target")
    scene.struck = 0

    def find() -> list[int]:
        return list(console.find("qemu-system", f"guest={scene.guest},"))

    with suppress(WaitTimeout):  # then the move was over before it was seen
        scene.struck = console.kill(wait_for(find, bool, what="its QEMU", timeout=_APPEARS_WITHIN, interval=0.02))


def kill_agent(scene: Scene) -> None:
    """Kills the resource agent that carries out the move."""
    console = scene.console("source")
    scene.struck = console.kill(list(console.find("resource.d/drover/", "migrate_to")))


def kill_job(scene: Scene) -> None:
    """Kills the job of guest_migrate on its node."""
    # A play chooses its node itself.
    scene.struck = 0
    for part in ("source", "target", "third") if scene.way == "play" else ("third",):
        console = scene.console(part)
        scene.struck += console.kill([*console.find("guest_migrate"), *console.find("async_wrapper")])


def kill_controller(scene: Scene) -> None:
    """Kills Ansible."""
    scene.command.kill()


def filter_packets(part: str, others: Collection[str], verdict: str, match: str = "") -> Callable[[Scene], None]:
    """Keep packets between a node and others from passing."""
    back = match.replace(_MIGRATION, _MIGRATION_BACK)
    return lambda scene: strikes.filter_packets(
        scene.console(part).run, [scene.address(other) for other in others], verdict, match, back
    )


def open_up(console: Console) -> None:
    """Let all packets pass again."""
    strikes.let_packets_pass(console.run)


def unfilter_packets(part: str) -> Callable[[Scene], None]:
    """Lets all packets of a node pass again."""
    return lambda scene: open_up(scene.console(part))


#: What befalls migrations alone between source and target, and the end of whatever keeps packets from the target.
silence = filter_packets("target", ["source"], "drop", _MIGRATION)
reset = filter_packets("target", ["source"], "reject with tcp reset", _MIGRATION)
heal = unfilter_packets("target")


def second_move(scene: Scene) -> None:
    """Asks for a move of the same guest to the third node."""
    scene.second = scene.start(scene.third)


def make_dirt(scene: Scene) -> None:
    """Has the VM change its memory faster than the wire takes it."""
    scene.tell("dirty 64")


def end_dirt(scene: Scene) -> None:
    """Lets the VM's memory rest."""
    scene.tell("dirty 0")


def heal_and_end_dirt(scene: Scene) -> None:
    """Undoes both a fault of the network and that the VM changes its memory."""
    heal(scene)
    end_dirt(scene)


def power_off_inside(scene: Scene) -> None:
    """Has the VM shut itself down."""
    scene.tell("poweroff")


_IN_CONTAINER = ("lxc-attach", "-P", "/run/drover/lxc", "-n")
_HALT = "/etc/systemd/system/halt.target"


def mask_halt(scene: Scene) -> None:
    """Has the container ignore the signal to stop."""
    inside = [*_IN_CONTAINER, scene.guest, "--"]
    scene.console("source").run([*inside, "ln", "-sf", "/dev/null", _HALT])
    scene.console("source").run([*inside, "systemctl", "daemon-reload"])


def unmask_halt(scene: Scene) -> None:
    """Has the container heed the signal to stop."""
    inside = [*_IN_CONTAINER, scene.guest, "--"]
    console = scene.lab_console(scene.where())
    console.run([*inside, "rm", "-f", _HALT])
    console.run([*inside, "systemctl", "daemon-reload"])


#: Where guests are copied to. A file system of its own that is full is as good as a full disk.
_COPIES = {"shed": "/srv/drover/local/containers/shed", "vault": "/srv/drover/local/vms/vault"}


def room(megabytes: int) -> Callable[[Scene], None]:
    """Leaves so many megabytes of room for a guest's copy on the target."""

    def prepare(scene: Scene) -> None:
        target, place = scene.console("target"), _COPIES[scene.guest]
        target.run(["mkdir", "-p", place])
        target.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "fault", place])

    return prepare


def fill(scene: Scene) -> None:
    """From now on there is no more room than what is used already, which grows while we look."""
    place = _COPIES[scene.guest]
    used = f"$(df --output=used -B1 {place} | tail -n 1)"
    shrink = f"for try in $(seq 50); do mount -o remount,size={used} {place} && exit 0; done; exit 1"
    scene.struck = scene.console("target").run(["sh", "-c", shrink], ok=None).rc == 0


def more_room(scene: Scene) -> None:
    """Ends the want of room on the target, and takes the guest home if it has arrived all the same."""
    place = _COPIES[scene.guest]
    if scene.arrived():
        # It struck too late, and what is to be unmounted is the guest's.
        scene.console("target").run(["mount", "-o", "remount,size=4g", place])
        scene.take_home()
    scene.try_on("target", ["umount", "--lazy", place])
    scene.try_on("target", ["rmdir", place])
