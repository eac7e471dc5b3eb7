# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OCF resource agent protocol: what Pacemaker tells an agent and how the agent answers.

Follows the Open Cluster Framework Resource Agent API 1.1
(https://github.com/ClusterLabs/OCF-spec/blob/main/ra/1.1/resource-agent-api.md) and, for ``meta_*``
parameters and the exit reason, Pacemaker Administration. An agent runs every few seconds on every node, so
this module and what it imports stay light.
"""

from __future__ import annotations

import os
import sys
import syslog
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NamedTuple

from ..core.errors import CUT, DroverError
from ..core.wait import Deadline
from ..guest.definition import Reading, read
from .metadata import Metadata

__all__ = [
    "RECORD_RESERVE",
    "AgentError",
    "Code",
    "Request",
    "house_keeping",
    "info",
    "run",
    "shortened",
    "warning",
]

#: Bytes that Pacemaker keeps of a reason (EXIT_REASON_MAX_LEN), less one.
_MOST_OF_A_REASON = 127
#: Seconds that an action keeps for telling the journal of moves, whose other nodes may not answer.
RECORD_RESERVE = 6.0


class Code(IntEnum):
    """What an action answers with; the names are those of the standard."""

    SUCCESS = 0
    ERR_GENERIC = 1
    ERR_ARGS = 2
    ERR_UNIMPLEMENTED = 3
    ERR_PERM = 4
    ERR_INSTALLED = 5
    ERR_CONFIGURED = 6
    NOT_RUNNING = 7


class AgentError(DroverError):
    """An action that failed: the reason for the status display, and the code that decides what happens next."""

    def __init__(self, reason: str, code: Code = Code.ERR_GENERIC) -> None:
        super().__init__(reason)
        self.code = code


class Request(NamedTuple):
    """One call of an agent.

    ``instance`` is the resource's id, which is the guest's name; ``target`` and ``source`` are the nodes at
    the ends of a migration. ``recurring`` is said of a monitor of a guest that runs here as far as the cluster knows.
    """

    action: str
    instance: str
    parameters: Mapping[str, str]
    deadline: Deadline
    target: str | None = None
    source: str | None = None
    recurring: bool = False

    @classmethod
    def read(cls, argv: Sequence[str], environ: Mapping[str, str], metadata: Metadata) -> Request:
        """From the command line and environment that Pacemaker calls an agent with."""
        action = argv[1] if len(argv) > 1 else environ.get("__OCF_ACTION", "")
        prefix, meta = "OCF_RESKEY_", "OCF_RESKEY_CRM_meta_"
        milliseconds = environ.get(f"{meta}timeout", "")
        seconds = int(milliseconds) / 1000 if milliseconds.isdigit() else metadata.timeout(action)
        return cls(
            action=action,
            instance=environ.get("OCF_RESOURCE_INSTANCE", "").partition(":")[0],
            parameters={
                key.removeprefix(prefix): value
                for key, value in environ.items()
                if key.startswith(prefix) and not key.startswith(meta)
            },
            deadline=Deadline(seconds),
            target=environ.get(f"{meta}migrate_target"),
            source=environ.get(f"{meta}migrate_source"),
            recurring=environ.get(f"{meta}interval", "0") != "0",
        )

    def parameter(self, name: str) -> str:
        """A parameter's value. Raises AgentError when the resource lacks it."""
        value = self.parameters.get(name)
        if not value:
            raise AgentError(
                f"the resource {self.instance} has no parameter {name}: run the guests playbook to write it",
                Code.ERR_CONFIGURED,
            )
        return value

    def definition(self) -> dict[str, Any]:
        """What the guest is, as far as this node understands it: enough to look after it and to stop it.

        Raises AgentError when there is no definition of this guest at all.
        """
        return self._reading().definition

    def definition_to_start(self) -> dict[str, Any]:
        """What the guest is, for starting it. Raises AgentError when something is missing without which it is another.

        Pacemaker then tries the other nodes, which may know more.
        """
        reading = self._told_reading()
        if reading.missing:
            raise AgentError(
                f"the definition of {self.instance} lacks {', '.join(reading.missing)}: run site.yml for this node, "
                "or the guests playbook to write it anew",
                Code.ERR_INSTALLED,
            )
        for problem in reading.problems:
            warning(f"{self.instance} starts without what is not understood of its definition: {problem}")
        return reading.definition

    def definition_to_change(self) -> dict[str, Any]:
        """What the guest is, for changing or moving it while it runs. Raises AgentError when any of it is unclear."""
        reading = self._told_reading()
        if reading.problems:
            raise AgentError(f"the definition of {self.instance} is not understood here: {'; '.join(reading.problems)}")
        return reading.definition

    def patience(self, reserve: float) -> float:
        """The seconds the guest may take to end by itself: its own limit, within Pacemaker's.

        ``reserve`` are seconds kept of the latter for ending it by force, half of them at most.
        """
        left = self.deadline.left(min(reserve, self.deadline.seconds / 2))
        try:
            return min(left, float(self.definition()["stop_timeout"]))
        except AgentError:
            return left

    def _told_reading(self) -> Reading:
        reading = self._reading()
        if reading.unknown:
            warning(f"not known here, so left out of the definition of {self.instance}: {', '.join(reading.unknown)}")
        return reading

    def _reading(self) -> Reading:
        try:
            reading = read(self.parameter("definition"))
        except ValueError as error:
            raise AgentError(
                f"the definition of {self.instance} is unreadable: {error}", Code.ERR_CONFIGURED
            ) from error
        name = reading.definition["name"]
        if name != self.instance:
            raise AgentError(f"the definition of {self.instance} is that of {name}", Code.ERR_CONFIGURED)
        return reading


def run(metadata: Metadata, actions: Mapping[str, Callable[[Request], Code]]) -> int:
    """Carry out the action that this process was called for, and return its exit status."""
    request = Request.read(sys.argv, os.environ, metadata)
    if request.action == "meta-data":
        sys.stdout.write(metadata.xml())
        return Code.SUCCESS
    syslog.openlog(f"drover-{metadata.name}({request.instance})", syslog.LOG_PID, syslog.LOG_DAEMON)
    action = actions.get(request.action)
    if action is None:
        names = ", ".join(known.name for known in metadata.actions)
        sys.stderr.write(f"usage: {metadata.name} {{{names}}}\n")
        return Code.ERR_UNIMPLEMENTED
    try:
        if not request.instance:
            raise AgentError("OCF_RESOURCE_INSTANCE is not set: Pacemaker sets it to the guest's name", Code.ERR_ARGS)
        return action(request)
    except AgentError as error:
        return _failed(request, str(error), error.code)
    except DroverError as error:
        return _failed(request, str(error), Code.ERR_GENERIC)
    except Exception as error:
        import traceback

        syslog.syslog(syslog.LOG_ERR, traceback.format_exc())
        return _failed(request, f"an error of Drover itself, told in the log: {error!r}", Code.ERR_GENERIC)


def _failed(request: Request, reason: str, code: Code) -> Code:
    line = " ".join(reason.split())
    syslog.syslog(syslog.LOG_ERR, f"{request.action} failed: {line}")
    # Pacemaker keeps what follows the prefix and shows it in the cluster's status.
    sys.stderr.write(f"ocf-exit-reason:{shortened(line)}\n")
    return code


def shortened(line: str) -> str:
    """A reason as Pacemaker keeps it: it cuts what is longer, wherever that is, and shows quotes and angles escaped."""
    plain = line.translate({ord('"'): "'", ord("<"): "(", ord(">"): ")", ord("&"): "+"})
    if len(plain.encode()) <= _MOST_OF_A_REASON:
        return plain
    cut = plain.encode()[: _MOST_OF_A_REASON - len(CUT)].decode(errors="ignore")
    return (cut.rpartition(" ")[0] or cut) + CUT


def info(message: str) -> None:
    """Tell the journal what was done."""
    syslog.syslog(syslog.LOG_INFO, message)


def warning(message: str) -> None:
    """Tell the journal what somebody should look at."""
    syslog.syslog(syslog.LOG_WARNING, message)


@contextmanager
def house_keeping(state: str) -> Iterator[None]:
    """What an action does besides what it was called for: when it goes wrong, the log has it and the action goes on.

    ``state`` is what the action has found or made of the guest, in words.
    """
    try:
        yield
    except Exception as error:
        warning(f"{state}, but not all could be put in order: {error or error!r}")
