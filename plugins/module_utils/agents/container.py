# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OCF resource agent ``ocf:drover:container``: one container under LXC.

On storage that both nodes see, a container moves by stopping on the one and starting on the other. So what counts
is a short way from the one's last to the other's first packet: nothing here waits for what the kernel or LXC
has not asked for, and the network is told at once.

On local storage it is copied while it runs, and stops only for what has changed last (migration/rootfs_sender.py).
Whatever fails until the other node has taken over leaves it running where it was; the copy left there is nobody's
(storage/ownership.py).
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.node_name import node_name
from ..core.wait import Deadline, WaitTimeout
from ..guest.definition import is_local
from ..hypervisor.lxc_host import PASSING, STOPPED, LxcError, LxcHost, controllers
from ..migration import progress
from . import container_start, glance, ocf
from .ocf import AgentError, Code, Request, house_keeping

if TYPE_CHECKING:
    from ..migration.rootfs_sender import Copy
    from .deadman import DeadMansSwitch

__all__ = ["METADATA", "main"]

METADATA = ocf.Metadata(
    name="container",
    shortdesc="A container of Drover",
    longdesc="Runs a Linux container under LXC from the definition Drover wrote.",
    parameters=(
        ocf.Parameter(
            "definition",
            "What the container is",
            "The container as a JSON object, written by Drover. What can be changed while it runs is changed "
            "when this changes; the rest waits for the next start.",
            reloadable=True,
            required=True,
        ),
        ocf.Parameter(
            "boot",
            "Which start this is",
            "Drover changes it when the container has to restart and somebody permitted that.",
        ),
    ),
    actions=(
        ocf.Action("start", timeout=60),
        ocf.Action("stop", timeout=90),
        ocf.Action("monitor", timeout=30, interval=10),
        ocf.Action("migrate_to", timeout=86400),
        ocf.Action("migrate_from", timeout=60),
        ocf.Action("reload-agent", timeout=30),
        ocf.Action("validate-all", timeout=20),
        ocf.Action("meta-data", timeout=5),
    ),
)

#: Seconds kept for killing a container that would not halt.
_KILL_RESERVE = 15.0
#: Seconds kept for ending a container without LXC, when that has not answered by then.
_ROUGH_RESERVE = 6.0
#: Seconds kept for telling the journal, whose other nodes may not answer.
_RECORD_RESERVE = 6.0
#: Seconds that may lie between a container's end on one node and its start on the next, if the two are one move.
_BETWEEN = 60.0


def main() -> int:
    """Answer Pacemaker's call."""
    host = LxcHost()
    actions: dict[str, Callable[[Request], Code]] = {
        "start": lambda request: start(request, host),
        "stop": lambda request: _stop_with_fallback(request, host),
        "monitor": lambda request: _monitor_with_fallback(request, host),
        "migrate_to": lambda request: migrate_to(request, host),
        "migrate_from": lambda request: migrate_from(request, host),
        "reload-agent": lambda request: reload_agent(request, host),
        "validate-all": lambda request: validate_all(request, host),
    }
    return ocf.run(METADATA, actions)


def start(request: Request, host: LxcHost) -> Code:
    """Start the container, unless it runs, and tell the network where it is."""
    if _settled(request, host) != STOPPED:
        return Code.SUCCESS
    definition = request.definition_to_start()
    if is_local(definition):
        _require_here(request, definition)
    try:
        announced = container_start.start(host, definition, request.deadline.left(_RECORD_RESERVE))
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


def stop(request: Request, host: LxcHost) -> Code:
    """Halt the container, kill it when it does not listen, and leave nothing of it on this node."""
    if host.state(request.instance) != STOPPED:
        told = time.time()
        _halt(request, host)
        _leave_word(request, told)
    _leave_nothing(request, host)
    return Code.SUCCESS


def monitor(request: Request, host: LxcHost) -> Code:
    """Whether the container runs here."""
    name, state = request.instance, host.state(request.instance)
    if state == STOPPED:
        _tidy(request)
        return Code.NOT_RUNNING
    with house_keeping(f"{name} runs"):
        progress.note_death("container", name, request.deadline.left())
        if state == "RUNNING":
            glance.notice(name, host.init_pid(name))
    return Code.SUCCESS


def _monitor_with_fallback(request: Request, host: LxcHost) -> Code:
    """Monitor by LXC; by the container's processes when LXC does not answer, which says nothing about the container."""

    def by_process() -> Code:
        ocf.warning(f"LXC does not answer: looked for the processes of {request.instance} instead")
        return Code.SUCCESS if host.processes(request.instance) else Code.NOT_RUNNING

    with ocf.answer_before(request.deadline, 2.0, by_process):
        try:
            return monitor(request, host)
        except LxcError:
            return by_process()


def _stop_with_fallback(request: Request, host: LxcHost) -> Code:
    """Stop by LXC; by ending the container's processes when LXC does not answer. Failing would fence the node."""
    name, deadline = request.instance, request.deadline

    def by_process(patience: float = 0.0) -> Code:
        ocf.warning(f"LXC does not answer: ending the processes of {name}")
        told = time.time()
        there = bool(host.processes(name))
        if not host.end(name, patience, deadline.left, deadline.sleep):
            return Code.ERR_GENERIC
        if there:
            _leave_word(request, told)
        _leave_nothing(request, host)
        return Code.SUCCESS

    with ocf.answer_before(deadline, _ROUGH_RESERVE, by_process):
        try:
            return stop(request, host)
        except LxcError as error:
            ocf.warning(str(error))
            return by_process(_patience(request))


def migrate_to(request: Request, host: LxcHost) -> Code:
    """Copy the container to another node and stop it here; it goes on here when that fails."""
    name, target = request.instance, request.target
    if not target:
        raise AgentError("Pacemaker named no node to migrate to", Code.ERR_ARGS)
    glance.unsettle(name)
    definition = request.definition_to_change()
    if not is_local(definition):
        raise AgentError(f"{name} is on shared storage, where there is nothing to copy", Code.ERR_CONFIGURED)
    from ..journal import book
    from .deadman import DeadMansSwitch

    move = {
        "id": uuid.uuid4().hex,
        "guest": name,
        "kind": "container",
        "from": request.source or node_name(),
        "to": target,
        "started": book.stamp(),
        "policy": dict(definition["migration"]),
        "forwarded": 0,
    }
    began = time.monotonic()
    try:
        state = host.state(name)
        if state != "RUNNING":
            raise AgentError(f"it is {state.lower()}")
        with _called_off(), DeadMansSwitch(definition) as switch:
            _move(request, host, switch, move)
    except (AgentError, LxcError, OSError) as error:
        where = "it goes on here" if host.state(name) == "RUNNING" else "and it is not running here either"
        reason = f"{name} could not move to {target}, {where}: {error}"
        seconds = round(time.monotonic() - began, 1)
        book.record({**move, "ended": book.stamp(), "result": "failed", "reason": reason, "seconds": seconds})
        raise AgentError(reason) from error
    finally:
        progress.done(name)
    return Code.SUCCESS


def migrate_from(request: Request, host: LxcHost) -> Code:
    """Take the container over that came from another node, and start it."""
    name, source = request.instance, request.source
    if not source:
        raise AgentError("Pacemaker named no node to migrate from", Code.ERR_ARGS)
    definition = request.definition_to_start()
    from ..journal import book
    from ..migration.rootfs_receiver import Folder
    from ..storage.ownership import OwnershipError, hand_over

    folder = Folder(Path(definition["rootfs"]["path"]))
    arrival = folder.arrival()
    here = node_name()
    try:
        if arrival is None:
            raise AgentError(f"{name} did not arrive from {source}: there is no whole copy of it here")
        # From here on it may not start there any more: what it writes, it writes here.
        hand_over(name, source, here)
        try:
            folder.take_over()
            announced = container_start.start(host, definition, request.deadline.left(_RECORD_RESERVE))
        except (AgentError, LxcError, OSError):
            hand_over(name, here, source)
            folder.discard(folder.rootfs)
            raise
    except (AgentError, LxcError, OwnershipError, OSError) as error:
        book.record(book.failure("container", name, source, here, str(error), report=arrival))
        raise AgentError(str(error)) from error
    # The source has measured from its stop to what it said last, this node from there on.
    downtime = arrival.pop("away") + announced - arrival.pop("received")
    started = datetime.fromisoformat(arrival["started"])
    book.record(
        {
            **arrival,
            "ended": book.stamp(),
            "result": "moved",
            "reason": "",
            "seconds": round((datetime.now(UTC) - started).total_seconds(), 1),
            "downtime_ms": round(downtime * 1000),
        }
    )
    ocf.info(f"{name} came from {source} and was away for {downtime:.2f} s")
    return Code.SUCCESS


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
    from ..hypervisor.lxc_config import difference, limits, render, started_from

    live = host.config(name)
    changes = difference(live, definition)
    for change in changes:
        how = "is made while it runs" if change.how == "live" else "waits for a restart"
        ocf.info(f"{name}: {change.path} from {change.before} to {change.after} {how}")
    limited = {change.path for change in changes if change.action == "set-limits"}
    if limited:
        try:
            host.set_limits(name, limits(definition, controllers()))
        except LxcError as error:
            ocf.warning(f"{name}: its limits could not be changed while it runs: {error}")
        else:
            now = {**started_from(live), **{key: definition[key] for key in limited}}
            host.write_config(name, render(now, controllers()))
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
    if stop is None or request.deadline.left() < _RECORD_RESERVE / 2:
        return
    from ..journal import book

    book.record(
        {
            "guest": request.instance,
            "kind": "container",
            "from": stop.node,
            "to": node_name(),
            "started": book.stamp(stop.at),
            "ended": book.stamp(),
            "result": "failed" if failure else "moved",
            "reason": failure,
            "seconds": round(time.time() - stop.at, 1),
            "downtime_ms": None if failure else round((announced - stop.at) * 1000),
            "path": ["stopped", "started"],
            "policy": None,
            "forwarded": 0,
        }
    )


def _leave_word(request: Request, told: float) -> None:
    """Tell whoever starts a container on shared storage next that it was told to stop here."""
    with house_keeping(f"{request.instance} is stopped"):
        definition = request.definition()
        if not is_local(definition):
            from ..migration.relocation import leave_word

            leave_word(Path(definition["rootfs"]["path"]), told)


def _halt(request: Request, host: LxcHost) -> None:
    """Halt the container, and kill it when it does not listen."""
    name, deadline = request.instance, request.deadline
    patience = _patience(request)
    try:
        host.stop(name, patience, timeout=patience + min(5.0, deadline.left() / 4))
    except LxcError as error:
        ocf.warning(f"killing {name}, which did not halt: {error}")
        with suppress(LxcError):  # the look below tells
            host.kill(name, timeout=deadline.left(_ROUGH_RESERVE + 2.0))
    if host.state(name) != STOPPED and not host.end(name, 0.0, deadline.left, deadline.sleep):
        raise AgentError(f"{name} could not be killed: look for processes in state D on this node")


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
    _tidy(request)


def _tidy(request: Request) -> None:
    """Remove what a move has left here of a container on local storage, once that runs elsewhere. Never fails."""
    with house_keeping(f"{request.instance} does not run here"):
        progress.note_death("container", request.instance, request.deadline.left())
        definition = request.definition()
        if is_local(definition):
            from ..migration.rootfs_receiver import tidy

            tidy(request.instance, definition["rootfs"]["path"])


def _move(request: Request, host: LxcHost, switch: DeadMansSwitch, move: dict[str, Any]) -> None:
    """Copy the running container, pass by pass, then stop it for the last. Raises AgentError, LxcError."""
    from ..guest.migration_policy import Policy
    from ..hypervisor.link import speed
    from ..migration.bandwidth import share
    from ..migration.rootfs_sender import Copy, CopyError, settled

    name, definition = request.instance, request.definition()
    root, policy = Path(definition["rootfs"]["path"]), Policy.of(definition)
    # Time has to remain to stop it, and to start it again.
    limit = min(policy.timeout or float("inf"), request.deadline.left(_patience(request) + 60.0))
    patience, since = Deadline(limit), time.time()

    def watch(sent: int, rate: float) -> None:
        if not patience.left():
            raise CopyError(f"after {limit:.0f} s it was not done with pass {len(copy.passes) + 1}")
        # The first pass sends the whole, and nobody knows beforehand what the later ones will.
        whole = {"total": copy.size, "remaining": max(0, copy.size - sent)} if not copy.passes else {}
        percent = min(99, 100 * sent // max(1, copy.size)) if whole else 99
        tell("copying", percent=percent, rate=round(rate), round=len(copy.passes) + 1, **whole)

    def tell(phase: str, **more: Any) -> None:
        progress.progress(
            name, **{key: move[key] for key in ("id", "kind", "from", "to")}, phase=phase, since=since, **more
        )

    tell("setup")
    bandwidth = share(speed(str(request.target)), policy.bandwidth, len(progress.read_all())) or 0
    try:
        with Copy(name, root, str(request.target), bandwidth=bandwidth, watch=watch) as copy:
            try:
                _persistently(copy, copy.everything)
                while not settled(copy.passes) and patience.left():
                    _persistently(copy, copy.difference)
                tell("last difference", percent=99, round=len(copy.passes) + 1)
                _switch_over(request, host, switch, copy, move)
            except BaseException:
                with suppress(CopyError):
                    copy.drop()
                raise
    except CopyError as error:
        raise AgentError(str(error)) from error


def _persistently(copy: Copy, step: Callable[[], None]) -> None:
    """Make a pass, and make it again when the connection was lost: what has come over by then is there."""
    from ..migration.rootfs_sender import CopyError

    for pause in (1.0, 2.0, 4.0, None):
        try:
            step()
            return
        except CopyError as error:
            if not error.transport or pause is None:
                raise
            ocf.warning(f"trying again: {error}")
        time.sleep(pause)
        with suppress(CopyError):
            copy.again()


def _switch_over(request: Request, host: LxcHost, switch: DeadMansSwitch, copy: Copy, move: dict[str, Any]) -> None:
    """Stop the container, copy what has changed last, and leave it to the other node; start it again if that fails."""
    from ..migration.rootfs_receiver import Folder
    from ..migration.rootfs_sender import CopyError

    definition = request.definition()
    folder = Folder(Path(definition["rootfs"]["path"]))
    with copy.last_difference() as make:
        stopped = time.monotonic()
        try:
            switch.arm()
            _halt(request, host)
            halted = time.monotonic()
            make()
            made = time.monotonic()
            move["rounds"] = len(copy.passes)
            move["bytes"] = sum(one.bytes for one in copy.passes)
            move["path"] = ["copying", "last difference"]
            copy.arrived({**move, "away": time.monotonic() - stopped})
            folder.note_moved(str(request.target))
            switch.disarm()
        except (AgentError, LxcError, CopyError, OSError) as error:
            folder.moved.unlink(missing_ok=True)
            if host.state(request.instance) == STOPPED:
                container_start.start(host, definition, request.deadline.left(2.0))
            switch.disarm()
            raise AgentError(f"the last difference: {error}") from error
    ocf.info(
        f"{request.instance} is on {request.target}: halted in {halted - stopped:.2f} s, "
        f"the last difference in {made - halted:.2f} s, on its disk in {time.monotonic() - made:.2f} s"
    )


@contextmanager
def _called_off() -> Iterator[None]:
    """A signal to end becomes an error, so that what was begun is set right."""

    def end(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what sets it right is not to be cut short as well
        raise AgentError("Pacemaker no longer waits for it")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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


def _patience(request: Request) -> int:
    """The whole seconds a container may take to halt: its own limit, within Pacemaker's."""
    deadline = request.deadline
    left = deadline.left(min(_KILL_RESERVE, deadline.seconds / 2))
    try:
        return max(1, int(min(left, request.definition()["stop_timeout"])))
    except AgentError:
        return max(1, int(left))
