# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rough answers of agents to Pacemaker, from a guest's processes alone, when libvirt or LXC does not answer.

A daemon that restarts or hangs says nothing about its guests, but Pacemaker restarts a guest whose monitor fails, and
fences the node of one whose stop fails.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..core.wait import Deadline
from . import glance, ocf
from .ocf import Code, Request

__all__ = ["answer_before", "monitor_or_look", "or_else"]

#: Seconds kept for a monitor's rough answer.
_LOOK_RESERVE = 2.0


def or_else(
    action: Callable[[], Code],
    rough: Callable[[Exception | None], Code],
    *,
    silence: type[Exception],
    deadline: Deadline,
    reserve: float,
) -> Code:
    """The answer of ``action``, or the rough one when that fails with ``silence``.

    The rough one is told the error. It is also given, with None, ``reserve`` seconds before the deadline.
    """
    with answer_before(deadline, reserve, lambda: rough(None)):
        try:
            return action()
        except silence as error:
            return rough(error)


def monitor_or_look(
    request: Request,
    monitor: Callable[[], Code],
    processes: Callable[[str], object],
    *,
    service: str,
    silence: type[Exception],
) -> Code:
    """Monitor by the ``service`` that runs the guest; when it fails with ``silence``, by the guest's ``processes``."""

    def look(_error: Exception | None) -> Code:
        ocf.warning(f"{service} does not answer: looked for the processes of {request.instance} instead")
        return _once(request, Code.SUCCESS if processes(request.instance) else Code.NOT_RUNNING)

    return or_else(
        lambda: _once(request, monitor()), look, silence=silence, deadline=request.deadline, reserve=_LOOK_RESERVE
    )


def _once(request: Request, seen: Code) -> Code:
    """The monitor's answer, unless the cluster is being told already: it would count two failures for one."""
    if seen is Code.NOT_RUNNING and request.recurring and glance.claimed(request.instance):
        return Code.SUCCESS
    return seen


@contextmanager
def answer_before(deadline: Deadline, reserve: float, answer: Callable[[], Code]) -> Iterator[None]:
    """Let ``answer`` end this process ``reserve`` seconds before the deadline, unless this context has ended by then.

    For actions whose silence costs more than a rough answer: a monitor that hangs gets a healthy guest
    restarted, a stop that hangs gets the whole node fenced.
    """

    def rough_answer() -> None:
        code = Code.ERR_GENERIC
        try:
            code = answer()
        finally:
            os._exit(code)

    timer = threading.Timer(deadline.left(reserve), rough_answer)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
