# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starting a container on this node: by its agent, or for an agent that was killed while it moved the container."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.wait import WaitTimeout, wait_for
from ..guest.definition import Definition
from ..hypervisor.lxc_host import STOPPED, LxcError, LxcHost, controllers
from . import ocf
from .deadman import stand_by
from .ocf import AgentError

__all__ = ["guard", "require_files", "rescue", "start"]

#: Seconds for the cluster to say whether a container is to run here.
_CLUSTER_PATIENCE = 10.0


def start(host: LxcHost, definition: Definition, timeout: float) -> float:
    """Start the container and announce it; returns when that was, by the wall clock. Raises AgentError, LxcError."""
    require_files(definition)
    from ..hypervisor.lxc_config import render

    name = definition["name"]
    host.start(name, render(definition, controllers()), timeout)
    announced = time.time()
    try:
        host.announce(name, definition["nics"])
    except (OSError, LxcError) as error:
        ocf.warning(f"{name} could not be announced, so clients may find it late: {error}")
    # One whose init cannot run is gone by now.
    if host.state(name) == STOPPED:
        raise AgentError(f"{name} started and ended at once: its init does not run; look into its root file system")
    return announced


def require_files(definition: Definition) -> None:
    """Refuse when this node cannot see what the container starts from."""
    root = Path(definition["rootfs"]["path"])
    if not (root / "sbin").is_dir():
        raise AgentError(
            f"{definition['name']} cannot start here, no root file system at {root}. Is the storage mounted?"
        )


def guard() -> int:
    """Wait, as a program of its own, for the end of the agent that started it, and rescue what that left undone."""
    stand_by(sys.stdin, rescue)
    return 0


def rescue(
    definition: dict[str, Any], host: LxcHost | None = None, is_ours: Callable[[str], bool] | None = None
) -> None:
    """Start a container again whose agent was killed while it was down for the last difference.

    Not one that has been stopped in the meantime: the agent may have been killed because Pacemaker stops all guests of
    the node. A stop leaves no configuration of the container here, and the cluster no longer has it on this node.
    """
    host, name = host or LxcHost(), definition["name"]
    with suppress(WaitTimeout):  # it was not down yet, and goes on
        wait_for(
            lambda: host.state(name),
            lambda state: state == STOPPED,
            what=f"the stop of {name}",
            timeout=definition["stop_timeout"] + 5.0,
            interval=0.1,
        )
        if not (is_ours or _runs_here)(name) or not host.config(name):
            ocf.warning(f"{name}, whose move was cut short, is not started again: the cluster has stopped it")
            return
        start(host, definition, 30.0)
        ocf.warning(f"started {name} again, whose move was cut short")


def _runs_here(name: str) -> bool:
    """Whether the cluster takes the container to be on this node, which is not on its way down.

    False, too, when the cluster does not answer: what it starts then, nobody would ever stop.
    """
    from ..cluster.pacemaker import ClusterError, Pacemaker
    from ..cluster.status import ClusterStatus

    def look() -> ClusterStatus | None:
        with suppress(ClusterError):
            return Pacemaker().status()
        return None

    try:
        status = wait_for(look, lambda seen: seen is not None, what="the cluster", timeout=_CLUSTER_PATIENCE)
    except WaitTimeout:
        return False
    assert status is not None
    here = os.uname().nodename
    node, resource = status.node(here), status.resource(name)
    if node is None or not node.online or node.shutdown or resource is None:
        return False
    return here in resource.nodes and resource.pending != "Stopping"
