# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stories: what people are told of the cluster, each one sentence of what happened, what was done, and what is left.

A story is of a ``kind`` and about a guest or node, its ``subject``. Some are about a state, which holds until it ends
(a drained node), others about a moment (a guest that ended), which the cluster's own record dates: its ``key``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from xml.etree import ElementTree as ET

from ..cluster.cib import Configuration, read
from ..cluster.guests import guest_of
from ..cluster.status import ClusterStatus, FenceEvent, ResourceStatus
from ..cluster.stopped import failed_where, remedy, stopped_by
from ..cluster.unconfirmed import unconfirmed
from ..cluster.waiting import why_it_waits
from ..journal.book import stamp

__all__ = ["Death", "Loss", "Severity", "Sight", "Story", "deaths", "died", "last_cut", "lost", "seconds", "states"]

Severity = Literal["failure", "warning", "success", "info"]

#: The operations by which a guest's end is known, and what a monitor says of one that does not run (OCF).
_ENDED, _NOT_RUNNING = ("monitor", "asyncmon"), "7"
#: Seconds for guests to start again, before people are told of what there is.
_PATIENCE = 30.0
#: Who a fence event names when somebody has said that a node is off (fencing.yml -e confirm).
_HUMAN = "a human"


@dataclass(frozen=True)
class Sight:
    """One look at the cluster, at ``now`` (unix time)."""

    cib: str
    status: ClusterStatus
    now: float

    @property
    def live(self) -> Configuration:
        return read(self.cib)


@dataclass(frozen=True)
class Story:
    """One to be told. ``steps`` are the times of what it went through, as the journal has times."""

    kind: str
    subject: str
    text: str
    severity: Severity
    key: str = ""
    steps: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """A node that was lost: when the cluster ``noticed`` (unix time), and the guests that were on it."""

    node: str
    noticed: float
    guests: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Death:
    """A guest that ended on a node without being asked, or was not in order any more; ``when`` is unix time."""

    guest: str
    node: str
    when: int
    ended: bool

    @property
    def key(self) -> str:
        return f"{self.node}:{self.when}"


def deaths(cib: str) -> Iterator[Death]:
    """The ends of guests that the cluster has on record."""
    guests = read(cib).guests()
    for state in ET.fromstring(cib).iterfind("status/node_state"):
        for resource in state.iterfind("lrm/lrm_resources/lrm_resource"):
            name = resource.get("id", "")
            last = next(
                (op for op in resource.iterfind("lrm_rsc_op") if op.get("id") == f"{name}_last_failure_0"), None
            )
            if last is None or name not in guests or last.get("operation") not in _ENDED:
                continue
            # A probe that finds a guest running is recorded here as well.
            recurring = last.get("interval", "0") != "0" or last.get("operation") == "asyncmon"
            if recurring and last.get("rc-code") != "0":
                ended = last.get("operation") == "asyncmon" or last.get("rc-code") == _NOT_RUNNING
                yield Death(name, state.get("uname", ""), int(last.get("last-rc-change", "0")), ended)


def died(death: Death, sight: Sight) -> Story | None:
    """What to tell of a guest's end, once it runs again, or nothing more is done about it; None before."""
    seen, guest = sight.status.resource(death.guest), sight.live.primitives[death.guest]
    # That the cluster has given up is a story of its own, and a longer one.
    if seen is None or stopped_by(guest):
        return None
    what = f"{_kind(sight.live, death.guest)} {death.guest} "
    what += f"ended on {death.node}, and nobody had asked for that" if death.ended else f"failed on {death.node}"
    if seen.running:
        where = "there" if seen.node == death.node else f"on {seen.node}"
        text = f"{what}; it was started again {where}; find out why in its own log, nothing else is left to do."
        return Story("died", death.guest, text, "warning", death.key)
    if sight.now - death.when < _PATIENCE:
        return None
    why = why_it_waits(death.guest, sight.live, sight.status)
    text = (
        f"{what}; the cluster could not start it again so far{f' ({why})' if why else ''}; see what keeps it: "
        "ansible-playbook playbooks/status.yml."
    )
    return Story("died", death.guest, text, "failure", death.key)


def lost(loss: Loss, sight: Sight) -> Story | None:
    """What to tell of a node that was lost, once it is off and its guests run again, or do not in due time; None
    before."""
    node, cut = sight.status.node(loss.node), last_cut(sight.status, loss.node)
    if node is not None and node.unclean:
        return None
    off = seconds(cut.when) if cut is not None else None
    if off is None or off < loss.noticed - _PATIENCE:
        cut = off = None  # of an earlier loss
    back, waiting, started = [], [], {}
    for name in sorted(loss.guests):
        seen, guest = sight.status.resource(name), sight.live.guests().get(name)
        if guest is None or stopped_by(guest):
            continue
        if seen is not None and seen.running:
            back.append(f"{name} on {seen.node}")
            if (when := _started(sight.cib, seen)) is not None:
                # It is told in whole seconds, and would come before what it had to wait for.
                started[name] = stamp(max(when, off or when))
        else:
            waiting.append(f"{name}{f' ({why})' if (why := why_it_waits(name, sight.live, sight.status)) else ''}")
    returned = node is not None and node.online
    if waiting and not returned and sight.now - (off or loss.noticed) < _PATIENCE:
        return None
    steps = {"noticed": stamp(loss.noticed), "fenced": stamp(off) if off else None, "started": started}
    text = "; ".join(
        part
        for part in (
            f"{loss.node} was lost at {stamp(loss.noticed)[11:19]} UTC{_how(cut)}",
            f"its guests run again: {', '.join(back)}"
            if back
            else ""
            if waiting
            else "no guest had to start elsewhere",
            f"still waiting: {', '.join(waiting)}" if waiting else "",
            _left(loss.node, cut, returned=returned),
        )
        if part
    )
    return Story("lost", loss.node, f"{text}.", "failure" if waiting else "warning", steps=steps)


def states(sight: Sight) -> Iterator[Story]:
    """The states that people are told of, as they are now."""
    status, live = sight.status, sight.live
    if not status.quorum:
        text = (
            "The cluster has no quorum, so no guest is started anywhere; it goes on by itself once more than half of "
            "the nodes are up again; see to these nodes."
        )
        yield Story("no-quorum", "cluster", text, "failure")
    for one in unconfirmed(status):
        yield Story("unconfirmed", one.node, f"{one}.", "failure")
    for name, guest in sorted(live.guests().items()):
        if stopped_by(guest) == "failures":
            where = f" ({failed_where(guest)})" if failed_where(guest) else ""
            text = (
                f"{_kind(live, name)} {name} failed too often{where}; it is not started again; find out why in its own "
                f"log, then {remedy(name, 'failures')}."
            )
            yield Story("gave-up", name, text, "failure")
        if name in status.notes:
            text = (
                f"{_kind(live, name)} {name} is {status.notes[name]}; nothing of it is lost, and it goes on by itself; "
                "make room there."
            )
            yield Story("full", name, text, "failure")
    for node in status.nodes:
        if node.word == "maintenance" and not any(node.name in one.nodes for one in _guests(sight)):
            text = (
                f"{node.name} is in maintenance and empty, all guests run elsewhere; when the work on it is done: "
                f"ansible-playbook playbooks/maintenance.yml -e node={node.name} -e state=off."
            )
            yield Story("drained", node.name, text, "success")


def last_cut(status: ClusterStatus, node: str) -> FenceEvent | None:
    """What was done last so that a node is off, and worked."""
    done = [one for one in status.fence_events if one.target == node and one.status == "success" and one.action != "on"]
    return max(done, key=lambda event: seconds(event.when) or 0.0, default=None)


def seconds(when: str) -> float | None:
    """A moment as Pacemaker writes it ("2026-01-31 12:00:00.123456Z") as unix time; None for what is none."""
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return None


def _how(cut: FenceEvent | None) -> str:
    if cut is None:
        return ""
    return " and somebody has said that it is off" if cut.by == _HUMAN else f" and {cut.by} cut its power"


def _left(node: str, cut: FenceEvent | None, *, returned: bool) -> str:
    if returned:
        return f"{node} is up again; find out why (journalctl -b -1 on it)"
    if cut is not None and cut.action == "reboot" and cut.by != _HUMAN:
        return f"{node} is switched on again by itself; then find out why (journalctl -b -1 on it)"
    return f"find out why, and switch {node} on again"


def _guests(sight: Sight) -> Sequence[ResourceStatus]:
    known = sight.live.guests()
    return [one for one in sight.status.resources if one.name in known]


def _kind(live: Configuration, name: str) -> str:
    return "VM" if (guest_of(live.primitives[name]) or {}).get("kind") == "vm" else "Container"


def _started(cib: str, seen: ResourceStatus) -> float | None:
    """When a guest's start where it runs had ended, in unix time."""
    for state in ET.fromstring(cib).iterfind("status/node_state"):
        if state.get("uname") != seen.node:
            continue
        for op in state.iterfind(f"lrm/lrm_resources/lrm_resource[@id='{seen.name}']/lrm_rsc_op[@operation='start']"):
            return int(op.get("last-rc-change", "0")) + int(op.get("exec-time", "0")) / 1000
    return None
