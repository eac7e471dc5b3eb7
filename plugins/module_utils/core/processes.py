# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes of this node as the kernel shows them. Light: every call of an agent imports this."""

from __future__ import annotations

__all__ = ["born", "command_line", "is_held", "lives", "parent"]


def born(pid: int) -> int | None:
    """When a process started, in the kernel's ticks; its number alone may be another's by now. None: it has ended."""
    found = _stat(pid)
    return None if found is None else int(found[19])


def lives(pid: int, when: int) -> bool:
    """Whether the process of this number that started then has not ended. One that nobody has reaped yet has."""
    return born(pid) == when


def parent(pid: int) -> int | None:
    """The number of a process's parent; None when the process has ended."""
    found = _stat(pid)
    return None if found is None else int(found[1])


def is_held(pid: int) -> bool:
    """Whether a signal (SIGSTOP) has stopped the process, which then does nothing until another lets it go on."""
    found = _stat(pid)
    return found is not None and found[0] == b"T"


def command_line(pid: int) -> bytes:
    """The words of a process's command line, each with a NUL at its end; empty when there is none."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _stat(pid: int) -> list[bytes] | None:
    """proc_pid_stat(5) from its third field on: state, parent, ..., and at 19 the start time."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else fields
