# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judgement of what was seen of a trial: messages, sessions and the cluster, each against what has to hold."""

from __future__ import annotations

import re

from ansible_collections.cspp.drover.tests.clients import Session

from .catalogue import Fault
from .result import Result
from .scene import Scene
from .system import System

__all__ = ["RATE", "judge_cluster", "judge_message", "judge_session"]

#: Seconds within which a session that lives has to say something.
_SAYS_WITHIN = 3.0
#: Lines a second that the session sends, enough for every look of the watcher to see the VM at work.
RATE = 25


def judge_message(message: str, output: str, scene: Scene, result: Result) -> None:
    """What a failed command told has to name the guest, the nodes and the cause."""
    result.messages.append(message)
    if not message:
        result.wrong.append(f"failed without a message: {output[-300:]!r}")
        return
    if scene.fault.name.startswith(("node that runs the play", "job on the node")):
        return  # it was Ansible that spoke, of a node or a job that it lost
    missing = [word for word in (scene.guest, scene.source) if word not in message]
    if missing or not re.search(r"node\d", message.replace(scene.source, "", 1)):
        result.wrong.append(f"the message names no {' nor '.join(missing) or 'target'}: {message!r}")
    if "left no word of why" in message and "agent killed" not in scene.fault.name:
        result.wrong.append(f"the message tells no cause: {message!r}")


def judge_session(system: System, seen: Session, fault: Fault, result: Result, boot: str) -> None:
    """The session to a guest has to live, unless the fault itself had to end it. ``boot`` is the VM's before."""
    may_end = fault.session == "may end" or (
        fault.session == "lives unless switched" and result.seen in ("switch-over", "arrived")
    )
    result.silence = round(seen.silence, 2)
    # Everything that TCP took is echoed in the end, unless nobody is there any more to do it.
    mute = seen.sent - seen.received > RATE * _SAYS_WITHIN
    result.session = "lived" if seen.alive and not mute else f"ended ({seen.broken or 'silent'})"
    if result.session != "lived" and not may_end:
        now = system.boot(fault.guest)
        result.broken = f"{result.session}, the guest {'goes on' if now == boot else 'was started anew'}"


def judge_cluster(system: System, result: Result) -> None:
    """The cluster has to have nothing failed, and every guest running."""
    seen = system.cluster().status()
    result.wrong += [f"on record: {failure}" for failure in seen.failures]
    for resource in seen.resources:
        if not resource.running and resource.agent.startswith("ocf:drover:"):
            result.wrong.append(f"{resource.name} is {resource.word} on {', '.join(resource.nodes) or 'no node'}")
