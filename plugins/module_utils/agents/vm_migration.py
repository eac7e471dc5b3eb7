# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The live migration of a VM, ``migrate_to`` at its source and ``migrate_from`` at its target.

Whatever fails leaves the VM running where it was.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.errors import DroverError
from ..core.node_name import node_name
from ..core.wait import WaitTimeout
from ..hypervisor.emulator import emulator_pid
from ..hypervisor.libvirt_connection import HostError
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.vm_state import State
from ..journal import book
from ..migration import progress
from . import filtering, glance, leaving, move_records, ocf
from .giving_way import giving_way
from .libvirt_daemon import answering
from .ocf import RECORD_RESERVE, AgentError, Code, Request, house_keeping
from .vm_recovery import claim_data, listen
from .vm_start import start

__all__ = ["migrate_from", "migrate_to"]

#: Seconds within which libvirt notices that a VM's process has ended.
_NOTICES_WITHIN = 5.0
#: Seconds kept for calling a migration off.
_ABORT_RESERVE = 10.0


def migrate_to(request: Request, connect: Callable[[], LibvirtHost]) -> Code:
    """Move the running VM to another node; it goes on here when that fails."""
    name, target = request.instance, request.target
    if not target:
        raise AgentError("Pacemaker named no node to migrate to", Code.ERR_ARGS)
    glance.unsettle(name)
    source = request.source or node_name()
    if leaving.stops_guests(source):
        ocf.info(f"{name} is shut down with {source}, and starts on {target}")
        return _shut_down(request, connect())
    from ..migration.disk_switch import stand_back
    from ..migration.live import LiveMigration
    from ..migration.record import MigrationFailed

    try:
        host = connect()
        for disk in stand_back(name, host):
            ocf.warning(f"{name} moves: the copy of its disk {disk} to another pool is given up, and begun anew later")
        seen = host.seen(name)
        if seen.state is not State.RUNNING:
            raise AgentError(f"{name} cannot migrate: it {seen.predicate}")
        migration = LiveMigration(request.definition_to_change(), source, target, host, giving_way=giving_way(source))
    except DroverError as error:
        book.record(book.failure("vm", name, source, target, str(error)))
        raise
    try:
        migration.run(request.deadline.left(_ABORT_RESERVE))
    except MigrationFailed as error:
        book.record(migration.record)
        progress.done(name)
        host = answering(request, host)
        if _ended(request, host):
            # After a failure the cluster would leave it as it is: not running. So the target starts it (migrate_from).
            ocf.warning(f"{name} ended on its way to {target}: {error}")
            return Code.SUCCESS
        if leaving.goes_down(source):
            ocf.warning(f"{name} could not migrate to {target}, and is shut down, for {source} goes down: {error}")
            return _shut_down(request, host)
        raise AgentError(f"{name} could not migrate to {target}, {_still_here(name, host)}: {error}") from error
    ocf.info(f"{name} went to {target}: {', '.join(migration.record['path'])}")
    return Code.SUCCESS


def migrate_from(request: Request, host: LibvirtHost) -> Code:
    """Make sure that the VM that came from another node runs here; one that ended on its way starts anew."""
    name = request.instance
    with house_keeping(f"{name} comes"):
        # Its source has seen to it; one of another version has not.
        filtering.keep(request, lambda: host.live_xml(name))
    try:
        request.deadline.wait(
            lambda: host.seen(name),
            lambda seen: seen.state is not State.INCOMING,
            what=f"the arrival of {name}",
            timeout=request.deadline.left(RECORD_RESERVE),
        )
    except WaitTimeout as error:
        move_records.vm_did_not_arrive(request, str(error))
        raise AgentError(str(error)) from error
    finally:
        with house_keeping(f"{name} comes"):
            listen(request)
    seen = host.seen(name)
    if seen.state in (State.ABSENT, State.OFF):
        # Failed, it would be started all the same, and the failure be on record for somebody to forget.
        how = "was shut down with its node" if leaving.goes_down(request.source or "") else "ended on its way"
        ocf.warning(f"{name} {how}, from {request.source}")
        move_records.vm_did_not_arrive(request, f"it {how} and was started anew")
        return start(request, host)
    if seen.state is not State.RUNNING:
        reason = f"{name} did not arrive from {request.source}: here it {seen.predicate}"
        move_records.vm_did_not_arrive(request, reason)
        raise AgentError(reason)
    with house_keeping(f"{name} runs"):
        # Should the source have died before it could say so: what it has left of the disks is old from here on.
        claim_data(request, host, seen)
    move_records.vm_arrived(request, host)
    return Code.SUCCESS


def _shut_down(request: Request, host: LibvirtHost) -> Code:
    from .vm import stop

    return stop(request, host)


def _ended(request: Request, host: LibvirtHost) -> bool:
    """Whether the VM has ended, which libvirt may be about to notice."""
    name = request.instance
    if emulator_pid(name) is not None:
        return False
    try:
        request.deadline.wait(
            lambda: host.seen(name).state,
            lambda state: state in (State.ABSENT, State.OFF),
            what=f"the end of {name}",
            timeout=_NOTICES_WITHIN,
        )
    except (HostError, WaitTimeout):
        return False
    return True


def _still_here(name: str, host: LibvirtHost) -> str:
    try:
        seen = host.seen(name)
    except HostError:
        return "and libvirt here does not tell what became of it"
    return "it goes on here" if seen.state is State.RUNNING else f"here it {seen.predicate}"
