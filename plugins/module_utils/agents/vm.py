# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OCF resource agent ``ocf:drover:vm``: one virtual machine under libvirt.

The VM's definition comes with the resource; libvirt holds no definition of its own. So nothing but Pacemaker
starts the VM, and a node that lost it has nothing left of it. Whatever fails during a live migration leaves
the VM running where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..core.node_name import node_name
from ..core.wait import Deadline, WaitTimeout
from ..guest.definition import host_interface, is_local
from ..hypervisor.accelerator import RECORD as _ACCELERATOR
from ..hypervisor.libvirt_host import (
    HostError,
    LibvirtHost,
    LibvirtUnreachable,
    Seen,
    State,
    emulator_pid,
    kill_emulator,
)
from ..hypervisor.tap import open_up
from ..migration import progress
from . import glance, ocf
from .ocf import AgentError, Code, Request, house_keeping

if TYPE_CHECKING:
    from ..hypervisor.domain_xml import Accelerator

__all__ = ["METADATA", "main"]


METADATA = ocf.Metadata(
    name="vm",
    shortdesc="A virtual machine of Drover",
    longdesc="Runs a virtual machine under libvirt from the definition Drover wrote, and migrates it live.",
    parameters=(
        ocf.Parameter(
            "definition",
            "What the virtual machine is",
            "The machine as a JSON object, written by Drover. What can be changed while it runs is changed "
            "when this changes; the rest waits for the next start.",
            reloadable=True,
            required=True,
        ),
        ocf.Parameter(
            "boot",
            "Which start this is",
            "Drover changes it when the machine has to restart and somebody permitted that.",
        ),
    ),
    actions=(
        ocf.Action("start", timeout=90),
        ocf.Action("stop", timeout=120),
        ocf.Action("monitor", timeout=30, interval=10),
        ocf.Action("migrate_to", timeout=600),
        ocf.Action("migrate_from", timeout=60),
        ocf.Action("reload-agent", timeout=60),
        ocf.Action("validate-all", timeout=20),
        ocf.Action("meta-data", timeout=5),
    ),
)

#: Seconds between two presses of the power button: a guest that is still booting does not notice the first.
_PRESS_AGAIN = 5.0
#: Seconds kept for cutting a VM's power: libvirt asks QEMU for 10 s, then kills it.
_DESTROY_RESERVE = 20.0
#: Seconds kept for answering a question about a VM that is still to come.
_ANSWER_RESERVE = 8.0
#: Seconds within which libvirt notices that a VM's process has ended.
_NOTICES_WITHIN = 5.0
#: Seconds for the end of a migration to be told from its source to its target.
_RECENTLY = 60.0
#: Seconds within which a daemon that was started anew answers.
_COMES_BACK = 10.0
#: Seconds kept for calling a migration off, and for telling the journal, whose other nodes may not answer.
_ABORT_RESERVE = 10.0
_RECORD_RESERVE = 6.0


def main() -> int:
    """Answer Pacemaker's call."""
    actions: dict[str, Callable[[Request], Code]] = {
        "start": lambda request: start(request, LibvirtHost()),
        "stop": _stop_with_fallback,
        "monitor": _monitor_with_fallback,
        "migrate_to": lambda request: migrate_to(request, lambda: LibvirtHost(events=True)),
        "migrate_from": lambda request: migrate_from(request, LibvirtHost()),
        "reload-agent": lambda request: reload_agent(request, LibvirtHost()),
        "validate-all": lambda request: validate_all(request, LibvirtHost()),
    }
    return ocf.run(METADATA, actions)


def start(request: Request, host: LibvirtHost) -> Code:
    """Start the VM, unless it runs. What is left of a migration whose other end is gone makes room."""
    name = request.instance
    seen = host.seen(name)
    if seen.state in (State.RUNNING, State.PAUSED):
        return Code.SUCCESS
    definition = request.definition_to_start()
    if seen.state in (State.FAILED, State.LEAVING):
        raise AgentError(f"{name} is here but {_why(seen)}: it has to be stopped before it can start")
    if is_local(definition):
        from ..storage.ownership import OwnershipError, require_here

        try:
            require_here(name, definition)
        except OwnershipError as error:
            raise AgentError(str(error)) from error
    _require_files(definition)
    _refuse_a_second(name)
    from ..hypervisor.domain_xml import render

    xml = render(definition, accelerator())
    if seen.state is State.INCOMING:
        # Pacemaker starts a VM only when it runs nowhere, so what it was coming from is dead.
        host.destroy(name)
    elif seen.state is State.OFF:
        host.forget(name)
    host.create(xml)
    ocf.info(f"started {name}")
    if is_local(definition):
        from ..storage.ownership import forget_refusals

        with house_keeping(f"{name} runs again"):
            forget_refusals(name)
    return Code.SUCCESS


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
        ocf.warning(f"cutting the power of {name}: it {_why(seen)}")
        seen = _destroy(request, host)
    if seen.state not in (State.ABSENT, State.OFF):
        # Said to be stopped, it would be started elsewhere.
        raise AgentError(f"{name} could not be ended: it {_why(seen)}")
    if seen.state is State.OFF:
        with house_keeping(f"{name} is stopped"):
            host.forget(name)
    _tidy(request)
    return Code.SUCCESS


def monitor(request: Request, host: LibvirtHost) -> Code:
    """Whether the VM runs here. An incoming one does not yet, a leaving one still does."""
    name, seen = request.instance, _seen_to_come(request, host)
    if seen.state in (State.RUNNING, State.PAUSED, State.LEAVING):
        with house_keeping(f"{name} runs"):
            _look_after(request, host, seen)
        return Code.SUCCESS
    if seen.state is State.FAILED:
        raise AgentError(f"{name} {_why(seen)}")
    _tidy(request)
    return Code.NOT_RUNNING


def _look_after(request: Request, host: LibvirtHost, seen: Seen) -> None:
    """Set right what a migration has left undone whose agent has died."""
    name = request.instance
    _call_off_orphan(name, host)
    _note_death(request)
    _listen(request)
    _claim(request, host, seen)
    if progress.unheard(name):
        # The cluster knew that it had arrived without a migrate_from: who had ordered that died.
        _note_arrival(request, host)
    pid = emulator_pid(name)
    if pid is not None and seen.state is State.RUNNING and not host.progress(name):
        glance.notice(name, pid)


def migrate_to(request: Request, connect: Callable[[], LibvirtHost]) -> Code:
    """Move the running VM to another node; it goes on here when that fails."""
    name, target = request.instance, request.target
    if not target:
        raise AgentError("Pacemaker named no node to migrate to", Code.ERR_ARGS)
    glance.unsettle(name)
    from ..journal import book
    from ..migration.live import LiveMigration, MigrationFailed

    source = request.source or node_name()
    try:
        host = connect()
        seen = host.seen(name)
        if seen.state is not State.RUNNING:
            raise AgentError(f"{name} cannot migrate: it {_why(seen)}")
        migration = LiveMigration(request.definition_to_change(), source, target, host)
    except (AgentError, HostError) as error:
        book.record(book.failure("vm", name, source, target, str(error)))
        raise
    try:
        migration.run(request.deadline.left(_ABORT_RESERVE))
    except MigrationFailed as error:
        book.record(migration.record)
        progress.done(name)
        host = _answering(request, host)
        if _ended(request, host):
            # After a failure the cluster would leave it as it is: not running. So the target starts it (migrate_from).
            ocf.warning(f"{name} ended on its way to {target}: {error}")
            return Code.SUCCESS
        raise AgentError(f"{name} could not migrate to {target}, {_still_here(name, host)}: {error}") from error
    ocf.info(f"{name} went to {target}: {', '.join(migration.record['path'])}")
    return Code.SUCCESS


def migrate_from(request: Request, host: LibvirtHost) -> Code:
    """Make sure that the VM that came from another node runs here; one that ended on its way starts anew."""
    name = request.instance
    try:
        request.deadline.wait(
            lambda: host.seen(name),
            lambda seen: seen.state is not State.INCOMING,
            what=f"the arrival of {name}",
            timeout=request.deadline.left(_RECORD_RESERVE),
        )
    except WaitTimeout as error:
        _note_end(request, str(error))
        raise AgentError(str(error)) from error
    finally:
        with house_keeping(f"{name} comes"):
            _listen(request)
    seen = host.seen(name)
    if seen.state in (State.ABSENT, State.OFF):
        # Failed, it would be started all the same, and the failure be on record for somebody to forget.
        ocf.warning(f"{name} ended on its way from {request.source}")
        _note_end(request, "it ended on its way and was started anew")
        return start(request, host)
    if seen.state is not State.RUNNING:
        reason = f"{name} did not arrive from {request.source}: here it {_why(seen)}"
        _note_end(request, reason)
        raise AgentError(reason)
    _note_arrival(request, host)
    return Code.SUCCESS


def _note_arrival(request: Request, host: LibvirtHost) -> None:
    """Complete the record of the migration that brought the VM here."""
    name, outcome = request.instance, host.outcome(request.instance)
    from ..journal import book
    from ..migration.live import arrival

    record = arrival(name, request.source, node_name(), outcome, progress.take(name))
    book.record(record)
    if outcome:
        ocf.info(f"{name} came from {record['from']} in {outcome.total} ms with a pause of {outcome.pause} ms")


def _note_end(request: Request, reason: str) -> None:
    """See that the journal has the failure of the migration that did not bring the VM here."""
    from datetime import UTC, datetime

    from ..journal import book

    name, report = request.instance, progress.take(request.instance)
    told_by_source = any(
        last.get("result") == "failed"
        and last.get("ended")
        and (datetime.now(UTC) - datetime.fromisoformat(last["ended"])).total_seconds() < _RECENTLY
        for last in book.read(name, 1, others=())
    )
    if report or not told_by_source:
        book.record(book.failure("vm", name, request.source, node_name(), reason, report=report))


def _note_death(request: Request) -> None:
    """Put the migration on record whose agent died here before it could."""
    name = request.instance

    def went_on(target: str) -> bool:
        from ..migration.switchover import elsewhere

        return emulator_pid(name) is None and bool(elsewhere(name, [target]))

    progress.note_death("vm", name, request.deadline.left(), went_on)


def _call_off_orphan(name: str, host: LibvirtHost) -> None:
    """Call a migration off whose agent is dead: libvirt goes on with it, but nobody would ever let it end."""
    with suppress(HostError):
        leaving = host.progress(name)  # first: an agent says what it is about to do before it does it
        under_way = {move["guest"] for move in progress.read_all()}
        if leaving and name not in under_way:
            ocf.warning(f"calling off the migration of {name}: the agent that began it is dead")
            host.abort(name)


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


def _refuse_a_second(name: str) -> None:
    """Pacemaker starts a VM only where it knows of none. It may have been told wrong, or somebody moved it by hand."""
    from ..journal.book import members
    from ..migration.switchover import elsewhere

    node = elsewhere(name, members())
    if node is not None:
        raise AgentError(
            f"{name} runs on {node}, though the cluster does not know: crm_resource --refresh shows it there"
        )


def _claim(request: Request, host: LibvirtHost, seen: Seen) -> None:
    """Say that the VM's local disks are here, where it runs, should a migration have died before it could."""
    if seen.state is State.RUNNING and is_local(request.definition()) and not host.progress(request.instance):
        from ..storage.ownership import claim

        if claim(request.instance):
            ocf.warning(f"the cluster had the data of {request.instance} elsewhere: it is here, where it runs")


def _tidy(request: Request) -> None:
    """Remove what a migration has left here of a VM that is elsewhere: a dead agent's words, disks on local storage.

    Never fails: a stop does not fail for what it has to clear away.
    """
    glance.unsettle(request.instance)
    with house_keeping(f"{request.instance} does not run here"):
        _note_death(request)
        progress.take(request.instance)
        definition = request.definition()
        if is_local(definition):
            from ..migration.disk_mirror import tidy

            tidy(definition)


def _listen(request: Request) -> None:
    """Let the VM's interfaces hear broadcasts, should whatever kept them from it during a migration have died."""
    taps = [host_interface(request.instance, nic["mac"]) for nic in request.definition()["nics"]]
    for tap in open_up(taps):
        ocf.warning(f"{tap} heard no broadcasts, left so by a migration: it does again")


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
    sizes = host.disk_sizes(name, [disk["target"] for disk in definition["disks"]])
    for change in difference(live, definition, sizes):
        what = f"{name}: {change.path} from {change.before} to {change.after}"
        if change.how == "restart":
            ocf.info(f"{what} waits for a restart")
            continue
        try:
            host.apply(name, change)
            if change.action == "set-memory":
                host.remember(name, remembered(live, definition), METADATA_URI)
        except HostError as error:
            ocf.warning(f"{what} could not be made while it runs: {error}")
        else:
            ocf.info(what)
    return Code.SUCCESS


def validate_all(request: Request, _host: LibvirtHost) -> Code:
    """Whether the VM could start on this node."""
    _require_files(request.definition_to_start())
    accelerator()
    return Code.SUCCESS


def accelerator() -> Accelerator:
    """What this node runs VMs with, as found out when it was set up. Raises AgentError when nobody has."""
    try:
        found: Accelerator = json.loads(_ACCELERATOR.read_text(encoding="utf-8"))["accelerator"]
    except (OSError, ValueError, KeyError) as error:
        raise AgentError(
            f"{_ACCELERATOR} does not say how this node runs VMs ({error}): run site.yml for it", Code.ERR_INSTALLED
        ) from error
    return found


def _monitor_with_fallback(request: Request) -> Code:
    """Monitor by libvirt; by the VM's process when libvirt does not answer.

    A daemon that restarts or hangs says nothing about the VM, and Pacemaker would restart it.
    """

    def by_process() -> Code:
        ocf.warning(f"libvirt does not answer: looked for the process of {request.instance} instead")
        return Code.NOT_RUNNING if emulator_pid(request.instance) is None else Code.SUCCESS

    with ocf.answer_before(request.deadline, 2.0, by_process):
        try:
            return monitor(request, LibvirtHost())
        except LibvirtUnreachable:
            return by_process()


def _stop_with_fallback(request: Request) -> Code:
    """Stop by libvirt; by ending the VM's process when libvirt does not answer. Failing would fence the node."""
    name, deadline = request.instance, request.deadline

    def by_process() -> Code:
        ocf.warning(f"libvirt does not answer: ending the process of {name}")
        return Code.SUCCESS if kill_emulator(name, deadline.left, deadline.sleep) else Code.ERR_GENERIC

    with ocf.answer_before(deadline, 6.0, by_process):
        try:
            return stop(request, LibvirtHost())
        except LibvirtUnreachable:
            # Somebody may just start it anew, which is no reason to cut the power of a VM that is shutting down.
            try:
                return stop(request, _come_back(deadline))
            except (LibvirtUnreachable, WaitTimeout):
                return by_process()


def _come_back(deadline: Deadline) -> LibvirtHost:
    """libvirt's daemon, when it answers again. Raises WaitTimeout."""

    def connect() -> LibvirtHost | None:
        with suppress(LibvirtUnreachable):
            return LibvirtHost()
        return None

    timeout = min(_COMES_BACK, deadline.left(_DESTROY_RESERVE))
    host = deadline.wait(connect, lambda host: host is not None, what="libvirt's daemon", timeout=timeout)
    assert host is not None
    return host


def _answering(request: Request, host: LibvirtHost) -> LibvirtHost:
    """A connection to libvirt that answers: this one, or a new one when its daemon has been started anew since."""
    try:
        host.seen(request.instance)
    except LibvirtUnreachable:
        with suppress(LibvirtUnreachable, WaitTimeout):
            return _come_back(request.deadline)
    except HostError:
        pass  # it answers
    return host


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
    return "it goes on here" if seen.state is State.RUNNING else f"here it {_why(seen)}"


def _shut_down(request: Request, host: LibvirtHost) -> Seen:
    """Press the power button until the VM is off or its patience is at an end."""
    name, deadline = request.instance, request.deadline
    patience = Deadline(_patience(request), deadline.clock, deadline.sleep)
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


def _patience(request: Request) -> float:
    """The seconds a VM may take to shut down: its own limit, within Pacemaker's."""
    deadline = request.deadline
    left = deadline.left(min(_DESTROY_RESERVE, deadline.seconds / 2))
    try:
        return min(left, float(request.definition()["stop_timeout"]))
    except AgentError:
        return left


def _require_files(definition: dict[str, Any]) -> None:
    """Refuse when this node cannot see what the VM starts from."""
    kernel = definition["kernel"] or {}
    paths = [disk["source"]["path"] for disk in definition["disks"] if disk["source"]["type"] == "file"]
    paths += [kernel[part] for part in ("kernel", "initrd") if part in kernel]
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise AgentError(
            f"{definition['name']} cannot start here, missing: {', '.join(missing)}. Is the storage mounted?"
        )


def _why(seen: Seen) -> str:
    if seen.state is State.RUNNING:
        return "is still running"
    return f"is {seen.state.value}" + (f" ({seen.reason})" if seen.reason else "")
