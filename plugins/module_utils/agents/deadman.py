# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dead-man's switch of a container's move: starts the container again when the agent that moves it is killed while
it is down. :class:`DeadMansSwitch` is the agent's end of it, :func:`main` the program that waits for the agent's death.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import IO, Any

from ..core import installed
from ..core.node_name import node_name
from ..core.wait import WaitTimeout, wait_for
from ..hypervisor.lxc_host import STOPPED, LxcHost
from . import ocf
from .container_start import start

__all__ = ["DeadMansSwitch", "main", "rescue", "stand_by"]

#: Seconds for the cluster to say whether a container is to run here.
_CLUSTER_PATIENCE = 10.0


class DeadMansSwitch:
    """A program that starts a container again when this process dies between :meth:`arm` and :meth:`disarm`.

    One of its own rather than a child that looks like this process: whoever kills all of that name spares it.
    """

    def __init__(self, definition: Mapping[str, Any], program: str | None = None) -> None:
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [program or installed.program("deadman"), str(definition["name"])],
            stdin=subprocess.PIPE,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
            text=True,
        )
        self._say(json.dumps(definition))

    def arm(self) -> None:
        self._say("arm")

    def disarm(self) -> None:
        with suppress(BrokenPipeError):  # it is disarmed for good already
            self._say("disarm")

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def __enter__(self) -> DeadMansSwitch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def stand_by(words: IO[str], rescue: Callable[[dict[str, Any]], None]) -> None:
    """Listen until there is nobody left who could say anything, and then rescue the container if it was armed."""
    definition: dict[str, Any] = json.loads(words.readline())
    armed = False
    for word in words:
        armed = word == "arm\n"
    if armed:
        rescue(definition)


def main() -> int:
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
    here = node_name()
    node, resource = status.node(here), status.resource(name)
    if node is None or not node.online or node.shutdown or resource is None:
        return False
    return here in resource.nodes and resource.pending != "Stopping"
