# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Halting a container on this node: by its agent's stop, or for the last difference of its move."""

from __future__ import annotations

from contextlib import suppress

from ..hypervisor.lxc_host import STOPPED, LxcError, LxcHost
from . import ocf
from .ocf import AgentError, Request

__all__ = ["ROUGH_RESERVE", "halt", "patience"]

#: Seconds kept for killing a container that would not halt.
_KILL_RESERVE = 15.0
#: Seconds kept for ending a container without LXC, when that has not answered by then.
ROUGH_RESERVE = 6.0


def halt(request: Request, host: LxcHost) -> None:
    """Halt the container, and kill it when it does not listen."""
    name, deadline = request.instance, request.deadline
    seconds = patience(request)
    try:
        host.stop(name, seconds, timeout=seconds + min(5.0, deadline.left() / 4))
    except LxcError as error:
        ocf.warning(f"killing {name}, which did not halt: {error}")
        with suppress(LxcError):  # the look below tells
            host.kill(name, timeout=deadline.left(ROUGH_RESERVE + 2.0))
    if host.state(name) != STOPPED and not host.end(name, 0.0, deadline.left, deadline.sleep):
        raise AgentError(f"{name} could not be killed: look for processes in state D on this node")


def patience(request: Request) -> int:
    """The whole seconds the container may take to halt: its own limit, within Pacemaker's."""
    return max(1, int(request.patience(_KILL_RESERVE)))
