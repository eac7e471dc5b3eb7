# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OCF resource agent ``ocf:drover:container``: one container under LXC.

A container moves by stopping on one node and starting on the other, from storage that both see. So what counts
is a short way from the one's last to the other's first packet: nothing here waits for what the kernel or LXC
has not asked for, and the network is told at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import ocf
from .lxc_host import PASSING, STOPPED, LxcError, LxcHost, controllers
from .ocf import AgentError, Code, Request
from .wait import WaitTimeout

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
        ocf.Action("reload-agent", timeout=30),
        ocf.Action("validate-all", timeout=20),
        ocf.Action("meta-data", timeout=5),
    ),
)

#: Seconds kept for killing a container that would not halt.
_KILL_RESERVE = 15.0


def main() -> int:
    """Answer Pacemaker's call."""
    host = LxcHost()
    actions: dict[str, Callable[[Request], Code]] = {
        "start": lambda request: start(request, host),
        "stop": lambda request: stop(request, host),
        "monitor": lambda request: monitor(request, host),
        "reload-agent": lambda request: reload_agent(request, host),
        "validate-all": lambda request: validate_all(request, host),
    }
    return ocf.run(METADATA, actions, errors=(LxcError,))


def start(request: Request, host: LxcHost) -> Code:
    """Start the container, unless it runs, and tell the network where it is."""
    name, deadline = request.instance, request.deadline
    definition = request.definition()
    if _settled(request, host) != STOPPED:
        return Code.SUCCESS
    _require_files(definition)
    from .container import render

    host.start(name, render(definition, controllers()), deadline.left(2.0))
    try:
        host.announce(name, definition["nics"])
    except (OSError, LxcError) as error:
        ocf.warning(f"{name} could not be announced, so clients may find it late: {error}")
    # One whose init cannot run is gone by now.
    if host.state(name) == STOPPED:
        raise AgentError(f"{name} started and ended at once: its init does not run; look into its root file system")
    ocf.info(f"started {name}")
    return Code.SUCCESS


def stop(request: Request, host: LxcHost) -> Code:
    """Halt the container, kill it when it does not listen, and leave nothing of it on this node."""
    name, deadline = request.instance, request.deadline
    if host.state(name) != STOPPED:
        patience = _patience(request)
        try:
            host.stop(name, patience, timeout=patience + min(5.0, deadline.left() / 4))
        except LxcError as error:
            ocf.warning(f"killing {name}, which did not halt: {error}")
            host.kill(name, timeout=deadline.left(1.0))
        if host.state(name) != STOPPED:
            raise AgentError(f"{name} could not be killed: look for processes in state D on this node")
    host.forget(name)
    return Code.SUCCESS


def monitor(request: Request, host: LxcHost) -> Code:
    """Whether the container runs here."""
    return Code.NOT_RUNNING if host.state(request.instance) == STOPPED else Code.SUCCESS


def reload_agent(request: Request, host: LxcHost) -> Code:
    """Bring the running container as close to its changed definition as is possible while it runs.

    Never fails for a change that does not take: Pacemaker would restart the container. Such a change stays
    visible as a difference, like those that wait for a restart.
    """
    name = request.instance
    definition = request.definition()
    from .container import _started_from, difference, limits, render

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
            now = {**_started_from(live), **{key: definition[key] for key in limited}}
            host.write_config(name, render(now, controllers()))
    return Code.SUCCESS


def validate_all(request: Request, _host: LxcHost) -> Code:
    """Whether the container could start on this node."""
    _require_files(request.definition())
    return Code.SUCCESS


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


def _require_files(definition: dict[str, Any]) -> None:
    """Refuse when this node cannot see what the container starts from."""
    root = Path(definition["rootfs"]["path"])
    if not (root / "sbin").is_dir():
        raise AgentError(
            f"{definition['name']} cannot start here, no root file system at {root}. Is the storage mounted?"
        )
