# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No second start of a guest, even if Pacemaker was told wrong: all members say first that it does not run there.

QEMU locks the disks of a VM besides; a container on shared storage has a lease (storage/lease.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..cluster.time_limits import ASKING, BEATS, LEASE_RESERVE, START_RESERVE
from ..core.node_name import node_name
from ..core.wait import Deadline, WaitTimeout
from . import glance, ocf
from .ocf import AgentError, Request

if TYPE_CHECKING:
    from ..guest.definition import Definition
    from ..migration.whereabouts import Question
    from ..storage.lease import Lease

__all__ = ["held", "refuse"]


def refuse(request: Request, question: Question) -> None:
    """Raise AgentError unless all other members say that the guest does not run there.

    One that ended here a moment ago, and nobody meant it to, has most likely been here all the time: who does not
    answer at once is not waited for. Somebody may have moved it by hand, though, so all are asked.
    """
    name = request.instance
    ended_here = glance.claimed(name)
    patience = 0.0 if ended_here else min(ASKING, request.deadline.left(START_RESERVE))
    from ..migration.whereabouts import Unheard, elsewhere

    try:
        node = elsewhere(name, patience, question=question)
    except Unheard as error:
        if ended_here:
            return
        raise AgentError(
            f"{name} is not started, for it may run on another node: {error}. See to drover-peer.service there, or cut "
            f"that node's power (stonith_admin --fence NODE); then crm_resource --cleanup --resource {name}"
        ) from error
    if node is not None:
        raise AgentError(
            f"{name} runs on {node}, though the cluster does not know: crm_resource --refresh shows it there"
        )


@contextmanager
def held(definition: Definition, deadline: Deadline, is_gone: Callable[[str], bool] | None = None) -> Iterator[None]:
    """Hold the lease of a container on shared storage that starts inside; give it back when that fails.

    Raises AgentError for one that another node holds: all members have said by now that it does not run there, so it
    is that of a node that is none, or is down, and that nobody may have fenced.
    """
    from ..storage import lease

    name, rootfs, here = definition["name"], Path(definition["rootfs"]["path"]), node_name()
    try:
        found = lease.look(rootfs)
        if found is not None and found.node != here and not (is_gone or _is_gone)(found.node):
            _watch(name, rootfs, found, deadline)
        lease.take(rootfs, here, found)
    except lease.Taken as error:
        raise AgentError(f"{name} is just being started on {error.node or 'another node'}") from error
    except OSError as error:
        raise AgentError(
            f"{name} cannot start: its storage does not take the lease beside {rootfs}: {error}"
        ) from error
    try:
        yield
    except BaseException:
        with ocf.house_keeping(f"{name} did not start"):
            lease.give_back(rootfs, here)
        raise


def _watch(name: str, rootfs: Path, found: Lease, deadline: Deadline) -> None:
    """Raise AgentError when somebody renews the lease."""
    from ..storage import lease

    ocf.info(f"{name}: {found.node or 'somebody'} holds its lease, and was not fenced: watching whether it is renewed")
    try:
        now = deadline.wait(
            lambda: lease.look(rootfs),
            lambda seen: seen != found,
            what="another beat",
            timeout=min(BEATS, deadline.left(LEASE_RESERVE)),
        )
    except WaitTimeout:
        return
    if now is not None:
        raise AgentError(
            f"{name} runs on {now.node}, which is no running member of this cluster and renews the lease in "
            f"{rootfs.parent}: stop it there, or cut that node's power"
        )


def _is_gone(node: str) -> bool:
    """Whether the node cannot be running anything: it says so itself, or the cluster has had its power cut."""
    from ..cluster.pacemaker import ClusterError, Pacemaker

    try:
        status = Pacemaker().status()
    except ClusterError:
        return False
    found = status.node(node)
    # A member that is online was asked just now.
    return found is not None and (found.online or (status.fencing and not found.unclean))
