# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OCF resource agent ``ocf:drover:container``: one container under LXC.

On storage that both nodes see, a container moves by stopping on the one and starting on the other. So what counts
is a short way from the one's last to the other's first packet: nothing here waits for what the kernel or LXC
has not asked for, and the network is told at once. On local storage it is copied (container_migration.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.node_name import node_name
from ..core.wait import WaitTimeout
from ..guest.definition import is_local
from ..hypervisor.lxc_host import PASSING, STOPPED, LxcError, LxcHost, controllers
from ..hypervisor.power_off import container_shut_down
from ..migration import progress
from . import container_start, container_stop, filtering, glance, ocf, second
from .fallback import monitor_or_look, or_else
from .giving_up import given_up
from .metadata import GUESTS
from .ocf import RECORD_RESERVE, AgentError, Code, Request, house_keeping
from .power_off import stays_down

__all__ = ["main"]

#: Seconds that may lie between a container's end on one node and its start on the next, if the two are one move.
_BETWEEN = 60.0


def main() -> int:
    """Answer Pacemaker's call."""
    host = LxcHost()
    actions: dict[str, Callable[[Request], Code]] = {
        "start": lambda request: start(request, host),
        "stop": lambda request: _stop_with_fallback(request, host),
        "monitor": lambda request: _monitor_with_fallback(request, host),
        "migrate_to": lambda request: _migrate_to(request, host),
        "migrate_from": lambda request: _migrate_from(request, host),
        "reload-agent": lambda request: reload_agent(request, host),
        "validate-all": lambda request: validate_all(request, host),
    }
    return ocf.run(GUESTS["container"], actions)


def start(request: Request, host: LxcHost) -> Code:
    """Start the container, unless it runs, and tell the network where it is."""
    if _settled(request, host) != STOPPED:
        return Code.SUCCESS
    definition = request.definition_to_start()
    if is_local(definition):
        _require_here(request, definition)
    try:
        announced = _start_alone(request, host, definition)
    except (AgentError, LxcError) as error:
        _record_stopover(request, time.time(), str(error))
        raise
    ocf.info(f"started {request.instance}")
    with house_keeping(f"{request.instance} runs again"):
        # Only now: nothing comes between a container's last packet on one node and its first on the next.
        _record_stopover(request, announced)
        if is_local(definition):
            from ..storage.ownership import forget_refusals

            forget_refusals(request.instance)
    return Code.SUCCESS


def _start_alone(request: Request, host: LxcHost, definition: dict[str, Any]) -> float:
    """Start the container, of which no other node may run a second; returns when it was announced."""
    if is_local(definition):
        return container_start.start(host, definition, request.deadline.left(RECORD_RESERVE))
    second.refuse(request, "runs")
    with second.held(definition, request.deadline):
        return container_start.start(host, definition, request.deadline.left(RECORD_RESERVE))


def stop(request: Request, host: LxcHost) -> Code:
    """Halt the container, kill it when it does not listen, and leave nothing of it on this node."""
    if host.state(request.instance) != STOPPED:
        told = time.time()
        container_stop.halt(request, host)
        _leave_word(request, told)
    _leave_nothing(request, host)
    return Code.SUCCESS


def monitor(request: Request, host: LxcHost) -> Code:
    """Whether the container runs here."""
    name, state = request.instance, host.state(request.instance)
    if state == STOPPED:
        if stays_down(request, lambda: container_shut_down(name)) or given_up(request):
            return Code.SUCCESS
        _tidy(request)
        with house_keeping(f"{name} does not run here"):
            filtering.expel(name, on_its_way=True)
        return Code.NOT_RUNNING
    with house_keeping(f"{name} runs"):
        progress.note_death("container", name, request.deadline.left())
        if state == "RUNNING":
            filtering.keep(request, lambda: host.config(name))
            pid = host.init_pid(name)
            glance.notice(name, pid, _renewed_lease(request))
    return Code.SUCCESS


def _renewed_lease(request: Request) -> str:
    """Show on shared storage that the container runs here; returns the file by which that is shown, if there is one."""
    definition = request.definition()
    if is_local(definition):
        return ""
    from ..storage import lease

    rootfs = Path(definition["rootfs"]["path"])
    if other := lease.renew(rootfs, node_name()):
        ocf.warning(f"{request.instance} runs here, and {other} holds its lease: it may run there as well, stop one")
        return ""
    return str(lease.place(rootfs))


def _monitor_with_fallback(request: Request, host: LxcHost) -> Code:
    """Monitor by LXC; by the container's processes when LXC does not answer."""
    return monitor_or_look(request, lambda: monitor(request, host), host.processes, service="LXC", silence=LxcError)


def _stop_with_fallback(request: Request, host: LxcHost) -> Code:
    """Stop by LXC; by ending the container's processes when LXC does not answer."""
    name, deadline = request.instance, request.deadline
    glance.unsettle(name)  # what ends from here on, ends on purpose

    def by_process(error: Exception | None) -> Code:
        seconds = 0.0
        if error is not None:
            ocf.warning(str(error))
            seconds = container_stop.patience(request)
        ocf.warning(f"LXC does not answer: ending the processes of {name}")
        told = time.time()
        there = bool(host.processes(name))
        if not host.end(name, seconds, deadline.left, deadline.sleep):
            return Code.ERR_GENERIC
        if there:
            _leave_word(request, told)
        _leave_nothing(request, host)
        return Code.SUCCESS

    return or_else(
        lambda: stop(request, host),
        by_process,
        silence=LxcError,
        deadline=deadline,
        reserve=container_stop.ROUGH_RESERVE,
    )


def _migrate_to(request: Request, host: LxcHost) -> Code:
    from .container_migration import migrate_to

    return migrate_to(request, host)


def _migrate_from(request: Request, host: LxcHost) -> Code:
    from .container_migration import migrate_from

    return migrate_from(request, host)


def reload_agent(request: Request, host: LxcHost) -> Code:
    """Bring the running container as close to its changed definition as is possible while it runs.

    Never fails for a change that does not take: Pacemaker would restart the container. Such a change stays
    visible as a difference, like those that wait for a restart.
    """
    name = request.instance
    try:
        definition = request.definition_to_change()
    except AgentError as error:
        ocf.warning(f"{name} stays as it is: {error}")
        return Code.SUCCESS
    from ..hypervisor.lxc_config import difference, limits, updated

    live = host.config(name)
    with house_keeping(f"{name} is changed"):
        filtering.keep(request, lambda: live)
    changes = difference(live, definition)
    for change in changes:
        how = "is made while it runs" if change.how == "live" else "waits for a restart"
        ocf.info(f"{name}: {change.path} from {change.before} to {change.after} {how}")
    limited = {change.path for change in changes if change.action == "set-limits"}
    if "rootfs.size" in limited:
        container_start.keep_size(definition)
    if limited:
        try:
            host.set_limits(name, limits(definition, controllers()))
        except LxcError as error:
            ocf.warning(f"{name}: its limits could not be changed while it runs: {error}")
            limited = set()
    now = updated(live, definition, limited, controllers())
    if now != live:
        host.write_config(name, now)
    return Code.SUCCESS


def validate_all(request: Request, _host: LxcHost) -> Code:
    """Whether the container could start on this node."""
    container_start.require_files(request.definition_to_start())
    return Code.SUCCESS


def _record_stopover(request: Request, announced: float, failure: str = "") -> None:
    """Record a move on shared storage, should the start that came to this be the second half of one."""
    from ..migration.relocation import take_word

    definition = request.definition()
    stop = take_word(Path(definition["rootfs"]["path"]), within=definition["stop_timeout"] + _BETWEEN)
    if stop is None or request.deadline.left() < RECORD_RESERVE / 2:
        return
    from . import move_records

    move_records.container_stopped_over(request.instance, stop, announced, failure)


def _leave_word(request: Request, told: float) -> None:
    """Tell whoever starts a container on shared storage next that it was told to stop here."""
    with house_keeping(f"{request.instance} is stopped"):
        definition = request.definition()
        if not is_local(definition):
            from ..migration.relocation import leave_word

            leave_word(Path(definition["rootfs"]["path"]), told)


def _require_here(request: Request, definition: dict[str, Any]) -> None:
    """Refuse when the data is another node's; else make sure that what is here is in its place."""
    from ..migration.rootfs_receiver import Folder
    from ..storage.ownership import OwnershipError, require_here

    try:
        require_here(request.instance, definition)
    except OwnershipError as error:
        raise AgentError(str(error)) from error
    folder = Folder(Path(definition["rootfs"]["path"]))
    if folder.arrival() is not None and (folder.moved.exists() or not folder.rootfs.exists()):
        folder.take_over()  # it was interrupted
    # A move from here has come to nothing.
    folder.moved.unlink(missing_ok=True)


def _leave_nothing(request: Request, host: LxcHost) -> None:
    """Remove what a container that has ended leaves on this node. Never fails: the stop it is a part of would."""
    glance.unsettle(request.instance)
    with house_keeping(f"{request.instance} is stopped"):
        host.forget(request.instance)
    with house_keeping(f"{request.instance} is stopped"):
        filtering.expel(request.instance)
    with house_keeping(f"{request.instance} is stopped"):
        definition = request.definition()
        if not is_local(definition):
            from ..storage import lease

            lease.give_back(Path(definition["rootfs"]["path"]), node_name())
    _tidy(request)


def _tidy(request: Request) -> None:
    """Remove what a move has left here of a container on local storage, once that runs elsewhere. Never fails."""
    with house_keeping(f"{request.instance} does not run here"):
        progress.note_death("container", request.instance, request.deadline.left())
        definition = request.definition()
        if is_local(definition):
            from ..migration.rootfs_receiver import tidy

            tidy(request.instance, definition["rootfs"]["path"])


def _settled(request: Request, host: LxcHost) -> str:
    """The container's state once it is neither on its way up nor down."""
    try:
        return request.deadline.wait(
            lambda: host.state(request.instance),
            lambda state: state not in PASSING,
            what=f"{request.instance} coming to rest",
            timeout=request.deadline.left(2.0),
        )
    except WaitTimeout as error:
        raise AgentError(str(error)) from error
