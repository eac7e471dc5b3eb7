# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Never two of a VM, whatever dies in the last moment of its migration.

When libvirt loses its connection just then, the source's daemon takes it that the VM does not run at the target, and
lets it go on at the source; it may run at the target all the same ("there is a small chance that it could in fact be
running on the dest", qemu_migration.c). So before the VM goes on at the source, its process is held, and the target
is asked: whether the VM runs there, and if it does not, to remove what there is of it. A VM that runs at the target
stays there, for it has gone on from where the source's stopped.
"""

from __future__ import annotations

import os
import signal
import syslog
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ..core.errors import DroverError
from ..core.wait import Deadline
from ..hypervisor.emulator import emulator_pid, kill_emulator
from ..hypervisor.libvirt_connection import HostError
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.vm_state import State
from ..peer.channel import Peer, PeerError, ask

__all__ = ["Unknown", "gone", "hold", "kill", "landed", "let_go", "runs", "service", "settle_held"]

#: Seconds for libvirt at the target to answer: its daemon may just be starting again.
_DAEMON_PATIENCE = 15.0
_KILL_PATIENCE = 10.0
_AGAIN = 0.5
#: Seconds for a question that should be answered at once.
_QUICK = 2.0


class Unknown(DroverError):
    """Nobody can tell whether the VM runs at the target."""


def landed(
    guest: str,
    target: str,
    seconds: float,
    *,
    ask_node: Callable[..., dict[str, Any]] = ask,
    is_dead: Callable[[str], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether the VM runs at the target. If not, nothing of it is left there, or the target is dead.

    Asks for as long as ``seconds``. Raises Unknown.
    """
    until = clock() + seconds
    while True:
        try:
            return bool(ask_node(target, {"do": "landed", "guest": guest}, _DAEMON_PATIENCE + _KILL_PATIENCE)["landed"])
        except PeerError as error:
            if is_dead(target) if is_dead else _is_dead(target, until - clock()):
                return False
            if clock() >= until:
                raise Unknown(f"whether it runs on {target} cannot be told: {error}") from error
        sleep(_AGAIN)


def service(request: Mapping[str, Any], peer: Peer) -> None:
    """Service: tell whether a VM runs here that was to come, and make sure that it does not if it does not yet."""
    guest = str(request["guest"])
    until = time.monotonic() + _DAEMON_PATIENCE
    while True:
        try:
            host = LibvirtHost()
            seen = host.seen(guest)
        except HostError:
            if time.monotonic() >= until:
                raise PeerError(f"libvirt does not tell what became of {guest}") from None
            time.sleep(_AGAIN)
            continue
        if seen.state is State.RUNNING:
            peer.send({"landed": True})
            return
        with suppress(HostError):
            host.destroy(guest)
        patience = Deadline(_KILL_PATIENCE)
        if not kill_emulator(guest, patience.left, patience.sleep):
            raise PeerError(f"what there is of {guest} could not be ended")
        peer.send({"landed": False})
        return


def gone(guest: str, target: str, seconds: float, ask_node: Callable[..., dict[str, Any]] = ask) -> bool:
    """Whether there is nothing of the VM at the target: the target is dead, or was, or says so. Within ``seconds``."""
    try:
        return not ask_node(target, {"do": "vm runs", "guest": guest}, _QUICK).get("here", True)
    except PeerError:
        return _is_dead(target, seconds)


def runs(request: Mapping[str, Any], peer: Peer) -> None:
    """Service: whether a VM runs on this node, which one that is still to come does not; whether it is here at all."""
    guest = str(request["guest"])
    if emulator_pid(guest) is None:
        peer.send({"runs": False, "here": False})
        return
    try:
        peer.send({"runs": LibvirtHost().seen(guest).state is State.RUNNING, "here": True})
    except HostError as error:
        raise PeerError(f"libvirt does not tell what {guest} is doing: {error}") from error


def hold(guest: str) -> None:
    """Stop the VM's process on this node where it is, at once and without asking libvirt."""
    _signal(guest, signal.SIGSTOP)


def let_go(guest: str) -> None:
    """Let a process that is held go on."""
    _signal(guest, signal.SIGCONT)


def settle_held(guest: str, target: str, seconds: float) -> bool:
    """Whether the VM, whose process is held here, runs at the target: it is ended here then, and else it goes on here.

    Raises Unknown when that cannot be told within ``seconds``. It stays held then.
    """
    there = landed(guest, target, seconds)
    (kill if there else let_go)(guest)
    return there


def kill(guest: str) -> None:
    """End the VM's process on this node at once, and see it gone."""
    _signal(guest, signal.SIGKILL)
    until = time.monotonic() + _KILL_PATIENCE
    while emulator_pid(guest) is not None and time.monotonic() < until:
        time.sleep(0.02)


def _signal(guest: str, which: signal.Signals) -> None:
    pid = emulator_pid(guest)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, which)


def _is_dead(node: str, seconds: float) -> bool:
    """Whether the cluster has had the node's power cut, or knows that it is down.

    The power of one that it has lost is cut now, within ``seconds``: the cluster itself would wait with that for the
    end of the move. Of two nodes each takes itself for the one that is left, so there it is the cluster that decides.
    """
    from ..cluster.pacemaker import ClusterError, Pacemaker

    cluster = Pacemaker()
    try:
        status = cluster.status()
        found = status.node(node)
        if found is None or found.online:
            return False
        if found.unclean:
            # Without a quorum it is this node that was lost.
            if seconds <= 0 or len(status.nodes) < 3 or not (status.fencing and cluster.has_quorum()):
                return False
            cluster.fence(node, seconds)
    except ClusterError as error:
        syslog.syslog(syslog.LOG_WARNING, f"whether {node} is down cannot be told: {error}")
        return False
    return True
