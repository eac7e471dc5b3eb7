# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The move of a container on local storage, ``migrate_to`` at its source and ``migrate_from`` at its target.

It is copied while it runs, and stops only for what has changed last (migration/rootfs_sender.py). Whatever fails until
the other node has taken over leaves it running where it was; the copy left there is nobody's (storage/ownership.py).
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.node_name import node_name
from ..core.wait import Deadline
from ..guest.definition import is_local
from ..hypervisor.lxc_host import STOPPED, LxcError, LxcHost
from ..journal import book
from ..migration import progress
from . import container_start, container_stop, glance, leaving, move_records, ocf
from .giving_way import giving_way
from .ocf import RECORD_RESERVE, AgentError, Code, Request

if TYPE_CHECKING:
    from ..migration.rootfs_sender import Copy
    from .deadman import DeadMansSwitch

__all__ = ["migrate_from", "migrate_to"]


def migrate_to(request: Request, host: LxcHost) -> Code:
    """Copy the container to another node and stop it here; it goes on here when that fails."""
    name, target = request.instance, request.target
    if not target:
        raise AgentError("Pacemaker named no node to migrate to", Code.ERR_ARGS)
    glance.unsettle(name)
    definition = request.definition_to_change()
    if not is_local(definition):
        raise AgentError(f"{name} is on shared storage, where there is nothing to copy", Code.ERR_CONFIGURED)
    if leaving.stops_guests(request.source or node_name()):
        ocf.info(f"{name} is shut down with this node, which has its data, and waits for it")
        from .container import stop

        return stop(request, host)
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
        move_records.container_stayed(move, time.monotonic() - began, reason)
        # Not even where this node goes down is it shut down as if it had moved: a copy that arrived at the target
        # without this node's knowledge would be taken for the last.
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
            announced = container_start.start(host, definition, request.deadline.left(RECORD_RESERVE))
        except (AgentError, LxcError, OSError):
            hand_over(name, here, source)
            folder.discard(folder.rootfs)
            raise
    except (AgentError, LxcError, OwnershipError, OSError) as error:
        book.record(book.failure("container", name, source, here, str(error), report=arrival))
        raise AgentError(str(error)) from error
    downtime = move_records.container_arrived(name, arrival, announced)
    ocf.info(f"{name} came from {source} and was away for {downtime:.2f} s")
    return Code.SUCCESS


def _move(request: Request, host: LxcHost, switch: DeadMansSwitch, move: dict[str, Any]) -> None:
    """Copy the running container, pass by pass, then stop it for the last. Raises AgentError, LxcError."""
    from ..guest.migration_policy import Policy
    from ..hypervisor.link import speed
    from ..migration.admission import admit_at
    from ..migration.bandwidth import share
    from ..migration.rootfs_sender import Copy, CopyError, settled

    name, definition = request.instance, request.definition()
    root, policy = Path(definition["rootfs"]["path"]), Policy.of(definition)
    # Time has to remain to stop it, and to start it again.
    limit = min(policy.timeout or float("inf"), request.deadline.left(container_stop.patience(request) + 60.0))
    patience, since = Deadline(limit), time.time()
    make_way, halting = giving_way(str(move["from"])), False

    def watch(sent: int, rate: float) -> None:
        if not patience.left():
            raise CopyError(f"after {limit:.0f} s it was not done with pass {len(copy.passes) + 1}")
        if not halting and (reason := make_way()):
            move["gave_way"] = True
            raise CopyError(reason)
        # The first pass sends the whole, and nobody knows beforehand what the later ones will.
        whole = {"total": copy.size, "remaining": max(0, copy.size - sent)} if not copy.passes else {}
        percent = min(99, 100 * sent // max(1, copy.size)) if whole else 99
        tell("copying", percent=percent, rate=round(rate), round=len(copy.passes) + 1, **whole)

    def tell(phase: str, **more: Any) -> None:
        progress.progress(
            name, **{key: move[key] for key in ("id", "kind", "from", "to")}, phase=phase, since=since, **more
        )

    tell("setup")
    admit_at(str(request.target), definition, ocf.warning)
    bandwidth = share(speed(str(request.target)), policy.bandwidth, len(progress.read_all())) or 0
    try:
        with Copy(name, root, str(request.target), bandwidth=bandwidth, watch=watch) as copy:
            try:
                _persistently(copy, copy.everything)
                while not settled(copy.passes) and patience.left():
                    _persistently(copy, copy.difference)
                tell("last difference", percent=99, round=len(copy.passes) + 1)
                halting = True
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
            container_stop.halt(request, host)
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
