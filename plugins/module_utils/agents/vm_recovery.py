# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recovery from a VM's migration whose agent died: what it left undone on a node, set right by a monitor or a stop."""

from __future__ import annotations

from contextlib import suppress

from ..core.processes import is_held
from ..guest.definition import host_interface, is_local
from ..hypervisor.emulator import emulator_pid
from ..hypervisor.libvirt_connection import HostError
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.tap import open_up
from ..hypervisor.vm_state import Seen, State
from ..migration import disk_notes, progress
from . import filtering, glance, ocf
from .full_storage import tell_no_more, wait_for_room
from .ocf import Request, house_keeping

__all__ = ["claim_data", "listen", "look_after", "tidy"]

#: Seconds of a monitor that remain after the target was asked whether a VM runs there.
_ASKING_RESERVE = 10.0


def look_after(request: Request, host: LibvirtHost, seen: Seen) -> None:
    """Set right what a migration has left undone whose agent has died, and see to a VM that its storage holds up."""
    name = request.instance
    _settle_held(request)  # first: libvirt waits for an answer of the VM's process
    wait_for_room(request, host, seen)
    _settle_disks(name, host)
    _call_off_orphan(name, host)
    _note_death(request)
    listen(request)
    filtering.keep(request, lambda: host.live_xml(name))
    claim_data(request, host, seen)
    if progress.unheard(name):
        # The cluster knew that it had arrived without a migrate_from: who had ordered that died.
        from . import move_records

        move_records.vm_arrived(request, host)
    pid = emulator_pid(name)
    if pid is not None and seen.state is State.RUNNING and not host.progress(name):
        glance.notice(name, pid)


def _settle_held(request: Request) -> None:
    """Let a VM go on, or end it here, whose process an agent held that died before the target had said whether it runs.

    Raises Unknown while nobody can tell. It stays held then, and its move is not put on record yet: the next monitor
    asks again.
    """
    name = request.instance
    pid = emulator_pid(name)
    if pid is None or not is_held(pid):
        return
    target = progress.abandoned(name).get("to")
    if not target:  # somebody else holds it, on purpose
        return
    from ..migration.switchover import settle_held

    there = settle_held(name, str(target), request.deadline.left(_ASKING_RESERVE))
    ocf.warning(f"the agent that moved {name} is dead: it {'runs on ' + str(target) if there else 'goes on here'}")


def _settle_disks(name: str, host: LibvirtHost) -> None:
    """Let a VM go on that is held for the change-over to a copy of its disk, should whoever held it have died."""
    if not disk_notes.held(name):
        return
    from ..migration.disk_switch import settle

    with house_keeping(f"{name} runs"):
        if words := settle(name, host):
            ocf.warning(f"{name}: {words}")


def _note_death(request: Request) -> None:
    """Put the migration on record whose agent died here before it could."""
    name = request.instance

    def went_on(target: str) -> bool:
        from ..migration.whereabouts import elsewhere

        return emulator_pid(name) is None and bool(elsewhere(name, 0.0, among=[target]))

    progress.note_death("vm", name, request.deadline.left(), went_on)


def _call_off_orphan(name: str, host: LibvirtHost) -> None:
    """Call a migration off whose agent is dead: libvirt goes on with it, but nobody would ever let it end."""
    with suppress(HostError):
        leaving = host.progress(name)  # first: an agent says what it is about to do before it does it
        under_way = {move["guest"] for move in progress.read_all()}
        if leaving and name not in under_way:
            ocf.warning(f"calling off the migration of {name}: the agent that began it is dead")
            host.abort(name)


def claim_data(request: Request, host: LibvirtHost, seen: Seen) -> None:
    """Say that the VM's local disks are here, where it runs, should a migration have died before it could."""
    if seen.state is State.RUNNING and is_local(request.definition()) and not host.progress(request.instance):
        from ..storage.ownership import claim

        if claim(request.instance):
            ocf.warning(f"the cluster had the data of {request.instance} elsewhere: it is here, where it runs")


def tidy(request: Request, *, on_its_way: bool = False) -> None:
    """Remove what a migration has left here of a VM that is elsewhere: a dead agent's words, disks on local storage.

    What is known of one that may be ``on_its_way`` here stays a while.
    Never fails: a stop does not fail for what it has to clear away.
    """
    glance.unsettle(request.instance)
    with house_keeping(f"{request.instance} does not run here"):
        _note_death(request)
    with house_keeping(f"{request.instance} does not run here"):
        progress.take(request.instance)
        tell_no_more(request.instance)
    with house_keeping(f"{request.instance} does not run here"):
        filtering.expel(request.instance, on_its_way=on_its_way)
    with house_keeping(f"{request.instance} does not run here"):
        definition = request.definition()
        if is_local(definition):
            from ..migration.disk_mirror import tidy

            tidy(definition)


def listen(request: Request) -> None:
    """Let the VM's interfaces hear broadcasts, should whatever kept them from it during a migration have died."""
    taps = [host_interface(request.instance, nic["mac"]) for nic in request.definition()["nics"]]
    for tap in open_up(taps):
        ocf.warning(f"{tap} heard no broadcasts, left so by a migration: it does again")
