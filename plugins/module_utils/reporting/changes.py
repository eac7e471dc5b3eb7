# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has come of a declaration, and what still waits, in words: told by what was seen, not by what was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["differing", "report", "restarts", "waiting"]

States = Iterable[Mapping[str, Any]]
_WAITS = "waits for a restart"
_NOT_MADE = "not made: the guest has not gone along with it"


def restarts(states: States) -> list[str]:
    """Names of the guests that need a restart for their changes; ``states`` is what each node says of those it runs."""
    return sorted(
        name
        for state in states
        for name, guest in state.items()
        if any(change["how"] == "restart" for change in guest["changes"])
    )


def differing(states: States) -> list[str]:
    """Names of the guests that are not what is declared."""
    return sorted(name for state in states for name, guest in state.items() if guest["changes"])


def report(
    outcome: Mapping[str, Any], before: States, after: States | None = None, worth_knowing: Iterable[str] = ()
) -> list[str]:
    """For people: a line per guest with its node, what has come of its changes, and what the cluster does about it all.

    ``outcome`` is the result of module guests. ``before`` and ``after`` are what module guest_state_info said on each
    node, ``after`` None in check mode.
    """
    guests = outcome["guests"]
    changes = _by_name(before)
    now = None if after is None else _by_name(after)
    width = max(map(len, guests), default=0)
    lines: list[str] = []
    waits: set[str] = set()
    for name, guest in sorted(guests.items()):
        lines.append(f"{name:{width}}  {guest['state']}" + (f" on {guest['node']}" if guest["node"] else ""))
        if guest.get("redefined") and name not in changes and not guest["node"]:
            lines.append(f"{'':{width}}    what changed comes with its next start")
        for change in changes.get(name, ()):
            fate = _foretold(change, guest) if now is None else _seen(change, now.get(name))
            waits |= {name} if fate in (_WAITS, _NOT_MADE) else set()
            lines.append(f"{'':{width}}    {_words(change)}" + (f" ({fate})" if fate else ""))
    lines += (f"The cluster: {sentence}" for sentence in outcome["plan"])
    lines += (f"Left as it was set by hand: {setting}" for setting in outcome["kept"])
    lines += (f"Worth knowing: {warning}" for warning in worth_knowing)
    if waits:
        lines += [
            "What waits for a restart comes with the next one. To restart now:",
            f"  ansible-playbook playbooks/guests.yml -e guests_allow_restart={','.join(sorted(waits))}",
        ]
    gone = outcome.get("absent") or ()
    return lines or ([f"Not in the cluster: {', '.join(gone)}."] if gone else ["No guest is declared to be there."])


def waiting(states: States) -> list[str]:
    """For the status: what running guests have not taken over of their definitions, a line per change."""
    fates = {"restart": _WAITS, "live": _NOT_MADE}
    return [
        f"guest {name}: {_words(change)} ({fates[change['how']]})"
        for name, changes in sorted(_by_name(states).items())
        for change in changes
    ]


def _by_name(states: States) -> dict[str, list[Mapping[str, Any]]]:
    return {name: guest["changes"] for state in states for name, guest in state.items()}


def _words(change: Mapping[str, Any]) -> str:
    return f"{change['path']}: {change['before'] or 'nothing'} -> {change['after'] or 'nothing'}"


def _foretold(change: Mapping[str, Any], guest: Mapping[str, Any]) -> str:
    """What would come of a change."""
    return _WAITS if guest["pending_restart"] and (change["how"] == "restart" or not guest["actions"]) else ""


def _seen(change: Mapping[str, Any], left: Iterable[Mapping[str, Any]] | None) -> str:
    """What has come of a change; ``left`` are those that the guest still lacks, None for one that does not run."""
    if left is None:
        return "with its next start"
    same = [other for other in left if other["path"] == change["path"]]
    return "" if not same else _WAITS if same[0]["how"] == "restart" else _NOT_MADE
