# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The status of a cluster: what crm_mon and the CIB say of the state of nodes and resources, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import unescape
from xml.etree import ElementTree as ET

from ..core.errors import CUT

__all__ = [
    "NOTE",
    "ClusterStatus",
    "FailedAction",
    "FenceEvent",
    "NodeStatus",
    "ResourceStatus",
    "Work",
    "parse_status",
    "parse_work",
    "probed",
]

#: Result of an operation that has begun and not ended (OCF status "unknown" in Pacemaker's own numbering).
PENDING = "193"
#: Begins the attribute of a node that says something of a guest there.
NOTE = "drover-note-"
#: The operation that fails when somebody tells the cluster that a resource has failed: here, the watcher of guests.
_TOLD = "asyncmon"
#: An agent's operation as people say it.
_DOING = {
    "start": "starting",
    "stop": "stopping",
    "migrate_to": "migrating",
    "migrate_from": "migrating",
    "reload-agent": "reloading",
}


@dataclass(frozen=True)
class Work:
    """An operation of a resource that a node is carrying out just now."""

    resource: str
    operation: str
    node: str

    def __str__(self) -> str:
        return f"{self.resource}: {_DOING.get(self.operation, self.operation)} on {self.node}"


@dataclass(frozen=True)
class NodeStatus:
    name: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool
    unclean: bool
    shutdown: bool

    @property
    def usable(self) -> bool:
        """Whether guests may be started here."""
        return self.online and not (self.standby or self.maintenance or self.pending or self.unclean or self.shutdown)

    @property
    def word(self) -> str:
        """Its condition in one word of the field."""
        if self.unclean:
            return "unclean"
        if not self.online:
            return "offline"
        # Drover's maintenance is Pacemaker's standby. Pacemaker's own leaves guests where they are, and unwatched.
        words = {"pending": "pending", "shutdown": "shutdown", "standby": "maintenance", "maintenance": "unmanaged"}
        return next((word for condition, word in words.items() if getattr(self, condition)), "online")


@dataclass(frozen=True)
class ResourceStatus:
    """``nodes`` are all nodes on which it is active; more than one while a migration hangs between two."""

    name: str
    agent: str
    role: str
    nodes: tuple[str, ...]
    active: bool
    failed: bool
    blocked: bool
    managed: bool
    maintenance: bool
    orphaned: bool
    pending: str | None

    @property
    def node(self) -> str | None:
        return self.nodes[0] if len(self.nodes) == 1 else None

    @property
    def running(self) -> bool:
        """Up on exactly one node, with nothing wrong and nothing under way."""
        return self.active and self.role == "Started" and len(self.nodes) == 1 and not self.failed and not self.pending

    @property
    def down(self) -> bool:
        """Up nowhere, with nothing under way."""
        return not (self.active or self.pending)

    @property
    def word(self) -> str:
        if self.pending:
            return self.pending.lower()
        if self.failed:
            return "failed, blocked" if self.blocked else "failed"
        if not self.managed:
            return "running, unmanaged" if self.active else "unmanaged, not seen"
        return "running" if self.active else "stopped"


@dataclass(frozen=True)
class FailedAction:
    """An operation that failed and is still on record. ``reason`` is the agent's own, may be empty."""

    resource: str
    operation: str
    node: str
    status: str
    reason: str
    when: str

    def __str__(self) -> str:
        if self.operation == _TOLD:
            # Pacemaker's own reason is "Simulated failure".
            return f"{self.resource} ended on {self.node}, and nobody had asked for that"
        # Pacemaker keeps no reason for a failed migrate_to. Its agent tells the journal of moves, unless it was killed.
        why = self.reason or (
            f"{self.status}, and its agent left no word of why, as one that was killed "
            "('journalctl -u pacemaker' there tells more)"
        )
        if why.endswith(CUT):
            why += " ('journalctl -u pacemaker' there has the rest)"
        return f"{self.operation} of {self.resource} failed on {self.node}: {why}"


@dataclass(frozen=True)
class FenceEvent:
    """What was asked about a node's power, and what came of it: ``status`` is success, failed, or pending."""

    target: str
    action: str
    status: str
    by: str
    when: str
    reason: str = ""


@dataclass(frozen=True)
class ClusterStatus:
    """The cluster as it is; ``notes`` are what agents say of running guests that wait for something, by guest."""

    dc: str | None
    quorum: bool
    fencing: bool
    maintenance: bool
    nodes: tuple[NodeStatus, ...] = ()
    resources: tuple[ResourceStatus, ...] = ()
    failures: tuple[FailedAction, ...] = ()
    fence_events: tuple[FenceEvent, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    def node(self, name: str) -> NodeStatus | None:
        return next((node for node in self.nodes if node.name == name), None)

    def resource(self, name: str) -> ResourceStatus | None:
        return self._by_name.get(name)

    def failures_of(self, name: str) -> tuple[FailedAction, ...]:
        return tuple(failure for failure in self.failures if failure.resource == name)

    @cached_property
    def moving(self) -> tuple[ResourceStatus, ...]:
        """The resources that migrate just now."""
        return tuple(resource for resource in self.resources if (resource.pending or "").lower().startswith("migrat"))

    @cached_property
    def _by_name(self) -> dict[str, ResourceStatus]:
        return {resource.name: resource for resource in self.resources}


def parse_status(output: str) -> ClusterStatus:
    """Parse the output of ``crm_mon --output-as=xml``. Raises ParseError on text that isn't XML."""
    root = ET.fromstring(output)
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    present = dc is not None and dc.get("present") == "true"
    return ClusterStatus(
        dc=dc.get("name") if dc is not None and present else None,
        quorum=dc is not None and _true(dc, "with_quorum"),
        fencing=options is not None and _true(options, "stonith-enabled"),
        maintenance=options is not None and _true(options, "maintenance-mode"),
        nodes=tuple(
            NodeStatus(
                name=node.get("name", ""),
                online=_true(node, "online"),
                standby=_true(node, "standby"),
                maintenance=_true(node, "maintenance"),
                pending=_true(node, "pending"),
                unclean=_true(node, "unclean"),
                shutdown=_true(node, "shutdown"),
            )
            for node in sorted(root.iterfind("nodes/node"), key=lambda n: n.get("name", ""))
        ),
        resources=tuple(
            ResourceStatus(
                name=resource.get("id", ""),
                agent=resource.get("resource_agent", ""),
                role=resource.get("role", ""),
                nodes=tuple(sorted(node.get("name", "") for node in resource.iterfind("node"))),
                active=_true(resource, "active"),
                failed=_true(resource, "failed"),
                blocked=_true(resource, "blocked"),
                managed=_true(resource, "managed"),
                maintenance=_true(resource, "maintenance"),
                orphaned=_true(resource, "orphaned"),
                pending=resource.get("pending") or _under_way(resource.get("role", "")),
            )
            for resource in root.iterfind("resources//resource")
        ),
        failures=tuple(
            FailedAction(
                resource=failure.get("op_key", "").removesuffix(f"_{failure.get('task')}_{failure.get('interval')}"),
                operation=failure.get("task", ""),
                node=failure.get("node", ""),
                status=failure.get("exitstatus", ""),
                # Pacemaker escapes it once more than XML asks for.
                reason=unescape(failure.get("exitreason", "")),
                when=failure.get("last-rc-change", ""),
            )
            for failure in root.iterfind("failures/failure")
        ),
        fence_events=tuple(
            FenceEvent(
                target=event.get("target", ""),
                action=event.get("action", ""),
                status=event.get("status", ""),
                by=event.get("delegate", "") or event.get("origin", ""),
                when=event.get("completed", ""),
                reason=unescape(event.get("exit-reason", "")),
            )
            for event in root.iterfind("fence_history/fence_event")
        ),
        notes={
            note.get("name", "").removeprefix(NOTE): note.get("value", "")
            for note in root.iterfind("node_attributes/node/attribute")
            if note.get("name", "").startswith(NOTE)
        },
    )


def parse_work(xml: str) -> tuple[Work, ...]:
    """The operations under way, from a CIB or any part of it."""
    return tuple(
        Work(
            op.get("operation_key", "").removesuffix(f"_{op.get('operation')}_{op.get('interval')}"),
            op.get("operation", ""),
            op.get("on_node", ""),
        )
        for op in ET.fromstring(xml).iter("lrm_rsc_op")
        if op.get("rc-code") == PENDING
    )


def probed(cib: str, resource: str) -> set[str]:
    """The nodes on which the state of a resource is known, from a whole CIB."""
    known = set()
    for state in ET.fromstring(cib).iterfind("status/node_state"):
        operations = [
            op
            for history in state.iterfind("lrm/lrm_resources/lrm_resource")
            if history.get("id") == resource
            for op in history.iterfind("lrm_rsc_op")
        ]
        if any(op.get("rc-code") != PENDING for op in operations):
            known.add(state.get("uname", ""))
    return known


def _under_way(role: str) -> str | None:
    return role if role in {"Migrating", "Starting", "Stopping"} else None


def _true(element: ET.Element, name: str) -> bool:
    return element.get(name) == "true"
