# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OCF resource agent ``ocf:drover:vm``: one virtual machine under libvirt.

The VM's definition comes with the resource; libvirt holds no definition of its own. So nothing but Pacemaker
starts the VM, and a node that lost it has nothing left of it. Whatever fails during a live migration leaves
the VM running where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ..core.wait import Deadline, WaitTimeout
from ..hypervisor.emulator import emulator_pid, kill_emulator
from ..hypervisor.libvirt_connection import HostError, LibvirtUnreachable
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.power_off import vm_shut_down
from ..hypervisor.vm_state import Seen, State
from . import filtering, glance, ocf
from .fallback import monitor_or_look, or_else
from .giving_up import given_up
from .libvirt_daemon import DESTROY_RESERVE, come_back
from .metadata import GUESTS
from .ocf import AgentError, Code, Request, house_keeping
from .power_off import stays_down
from .vm_recovery import look_after, tidy
from .vm_start import accelerator, require_files, start

__all__ = ["main"]

#: Seconds between two presses of the power button: a guest that is still booting does not notice the first.
_PRESS_AGAIN = 5.0
#: Seconds for a VM to bring new processors online.
_TAKE_UP = 10.0
#: Seconds kept for ending a VM without libvirt, when that has not answered by then.
_ROUGH_RESERVE = 6.0
#: Seconds kept for answering a question about a VM that is still to come.
_ANSWER_RESERVE = 8.0


def main() -> int:
    """Answer Pacemaker's call."""
    actions: dict[str, Callable[[Request], Code]] = {
        "start": lambda request: start(request, LibvirtHost()),
        "stop": _stop_with_fallback,
        "monitor": _monitor_with_fallback,
        "migrate_to": _migrate_to,
        "migrate_from": _migrate_from,
        "reload-agent": lambda request: reload_agent(request, LibvirtHost()),
        "validate-all": lambda request: validate_all(request, LibvirtHost()),
    }
    return ocf.run(GUESTS["vm"], actions)


def _migrate_to(request: Request) -> Code:
    from .vm_migration import migrate_to

    return migrate_to(request, lambda: LibvirtHost(events=True))


def _migrate_from(request: Request) -> Code:
    from .vm_migration import migrate_from

    return migrate_from(request, LibvirtHost())


def stop(request: Request, host: LibvirtHost) -> Code:
    """Shut the VM down, cut its power when it does not listen, and leave nothing of it on this node."""
    name = request.instance
    seen = host.seen(name)
    if host.progress(name):
        ocf.warning(f"calling off the migration of {name}, which Pacemaker no longer waits for")
        with suppress(HostError):  # it may have ended
            host.abort(name)
    if seen.state is State.PAUSED:
        with suppress(HostError):  # one that cannot go on has its power cut below
            host.resume(name)
        seen = host.seen(name)
    if seen.state is State.RUNNING:
        seen = _shut_down(request, host)
    if seen.state not in (State.ABSENT, State.OFF):
        ocf.warning(f"cutting the power of {name}: it {seen.predicate}")
        seen = _destroy(request, host)
    if seen.state not in (State.ABSENT, State.OFF):
        # Said to be stopped, it would be started elsewhere.
        raise AgentError(f"{name} could not be ended: it {seen.predicate}")
    if seen.state is State.OFF:
        with house_keeping(f"{name} is stopped"):
            host.forget(name)
    tidy(request)
    return Code.SUCCESS


def monitor(request: Request, host: LibvirtHost) -> Code:
    """Whether the VM runs here. An incoming one does not yet, a leaving one still does."""
    name, seen = request.instance, _seen_to_come(request, host)
    if seen.state in (State.RUNNING, State.PAUSED, State.LEAVING):
        with house_keeping(f"{name} runs"):
            look_after(request, host, seen)
        return Code.SUCCESS
    if seen.state is State.FAILED:
        raise AgentError(f"{name} {seen.predicate}")
    if stays_down(request, lambda: vm_shut_down(name)) or given_up(request):
        return Code.SUCCESS
    tidy(request, on_its_way=True)
    return Code.NOT_RUNNING


def _seen_to_come(request: Request, host: LibvirtHost) -> Seen:
    """The VM as it is here. One that is still to come is waited for: until then either answer is wrong."""
    try:
        return request.deadline.wait(
            lambda: host.seen(request.instance),
            lambda seen: seen.state is not State.INCOMING,
            what=f"the arrival of {request.instance}",
            timeout=request.deadline.left(_ANSWER_RESERVE),
        )
    except WaitTimeout as error:
        seen: Seen = error.last
        return seen


def reload_agent(request: Request, host: LibvirtHost) -> Code:
    """Bring the running VM as close to its changed definition as is possible while it runs.

    Never fails for a change that does not take: Pacemaker would restart the VM. Such a change stays visible
    as a difference, like those that wait for a restart.
    """
    name = request.instance
    try:
        definition = request.definition_to_change()
    except AgentError as error:
        ocf.warning(f"{name} stays as it is: {error}")
        return Code.SUCCESS
    from ..hypervisor.domain_xml import METADATA_URI, difference, remembered

    live = host.live_xml(name)
    with house_keeping(f"{name} is changed"):
        # First what it is to have, then what it has.
        filtering.keep(request, lambda: live)
    sizes = host.disk_sizes(name, [disk["target"] for disk in definition["disks"]])
    made: set[str] = set()
    for change in difference(live, definition, sizes):
        what = f"{name}: {change.path} from {change.before} to {change.after}"
        if change.how == "restart":
            ocf.info(f"{what} waits for a restart")
            continue
        try:
            host.apply(name, change)
        except HostError as error:
            ocf.warning(f"{what} could not be made while it runs: {error}")
        else:
            if change.action == "set-vcpus" and not _taken_up(request, host, change.value or 0):
                ocf.warning(f"{what}: they are there, but the system in the VM has not brought them online")
                continue
            made.add(change.path)
            ocf.info(what)
    metadata = remembered(live, definition, made)
    if metadata is not None:
        with house_keeping(f"{name} is changed"):
            host.remember(name, metadata, METADATA_URI)
    with house_keeping(f"{name} is changed"):
        filtering.keep(request, lambda: live)
    return Code.SUCCESS


def _taken_up(request: Request, host: LibvirtHost, vcpus: int) -> bool:
    """Whether the system in the VM comes to use its new processors."""
    from ..hypervisor.vcpus import in_use

    host.bring_online(request.instance, vcpus)
    pid = emulator_pid(request.instance)
    if pid is None:
        return False
    try:
        request.deadline.wait(
            lambda: in_use(pid),
            lambda used: used is None or used >= vcpus,
            what="the new processors' use",
            timeout=min(_TAKE_UP, request.deadline.left(_ANSWER_RESERVE)),
        )
    except WaitTimeout:
        return False
    return True


def validate_all(request: Request, _host: LibvirtHost) -> Code:
    """Whether the VM could start on this node."""
    require_files(request.definition_to_start())
    accelerator()
    return Code.SUCCESS


def _monitor_with_fallback(request: Request) -> Code:
    """Monitor by libvirt; by the VM's process when libvirt does not answer."""
    return monitor_or_look(
        request,
        lambda: monitor(request, LibvirtHost()),
        emulator_pid,
        service="libvirt",
        silence=LibvirtUnreachable,
    )


def _stop_with_fallback(request: Request) -> Code:
    """Stop by libvirt; by ending the VM's process when libvirt does not answer."""
    name, deadline = request.instance, request.deadline
    glance.unsettle(name)  # what ends from here on, ends on purpose

    def by_libvirt() -> Code:
        try:
            return stop(request, LibvirtHost())
        except LibvirtUnreachable:
            # Somebody may just start it anew, which is no reason to cut the power of a VM that is shutting down.
            return stop(request, come_back(deadline))

    def by_process(_error: Exception | None) -> Code:
        ocf.warning(f"libvirt does not answer: ending the process of {name}")
        if not kill_emulator(name, deadline.left, deadline.sleep):
            return Code.ERR_GENERIC
        with house_keeping(f"{name} is stopped"):
            filtering.expel(name)
        return Code.SUCCESS

    return or_else(by_libvirt, by_process, silence=LibvirtUnreachable, deadline=deadline, reserve=_ROUGH_RESERVE)


def _shut_down(request: Request, host: LibvirtHost) -> Seen:
    """Press the power button until the VM is off or its patience is at an end."""
    name, deadline = request.instance, request.deadline
    patience = Deadline(request.patience(DESTROY_RESERVE), deadline.clock, deadline.sleep)
    while True:
        with suppress(HostError):  # it may be gone by itself; the look below tells
            host.shut_down(name)
        try:
            return patience.wait(
                lambda: host.seen(name),
                lambda now: now.state is not State.RUNNING,
                what=f"the end of {name}",
                timeout=min(_PRESS_AGAIN, patience.left()),
            )
        except WaitTimeout as error:
            if not patience.left():
                seen: Seen = error.last
                return seen


def _destroy(request: Request, host: LibvirtHost) -> Seen:
    name, deadline = request.instance, request.deadline
    try:
        host.destroy(name)
    except HostError as error:
        seen = host.seen(name)
        if seen.state in (State.ABSENT, State.OFF):
            return seen
        ocf.warning(f"libvirt could not end {name} ({error}): ending its process")
        if not kill_emulator(name, deadline.left, deadline.sleep):
            raise
    return host.seen(name)
