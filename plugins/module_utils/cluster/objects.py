# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects of the cluster's configuration that Drover writes: resources, constraints, settings of nodes.

Format: Pacemaker Explained, "Resources" and "Resource Constraints".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "DISKS_MOVE",
    "FAILED",
    "PREFIX",
    "PROVIDER",
    "RECOVERY",
    "STOPPED_BY",
    "Alert",
    "Colocation",
    "Constraint",
    "Foreign",
    "Level",
    "Location",
    "NodeSettings",
    "Object",
    "Operation",
    "Pin",
    "Primitive",
    "Version",
    "Wanted",
    "Where",
]

PROVIDER = "drover"
PREFIX = "drover-"
#: Marks a guest that is out of Pacemaker's hands only while Drover puts it in order after a failed migration.
RECOVERY = "drover-recovery"
#: Says beside ``target-role`` that it is Drover's, and why the guest stays down (see stopped.py).
STOPPED_BY = "drover-stopped"
#: Says of a guest that failed too often, on which nodes and how many times.
FAILED = "drover-failed"
#: Says which disks of a guest are on their way to another pool (see disks.py).
DISKS_MOVE = "drover-disks"


@dataclass(frozen=True)
class Version:
    """The CIB's version. ``configuration`` is the part that changes with the configuration alone."""

    admin_epoch: int
    epoch: int
    num_updates: int

    @property
    def configuration(self) -> tuple[int, int]:
        return (self.admin_epoch, self.epoch)


@dataclass(frozen=True)
class Operation:
    """One operation of a resource; intervals and timeouts as Pacemaker writes them ("10s")."""

    name: str
    interval: str = "0s"
    timeout: str = "20s"
    on_fail: str | None = None


@dataclass(frozen=True)
class Primitive:
    """A resource. ``extra`` is whatever else a live one carries that Drover would never write."""

    kind: ClassVar[str] = "resource"
    id: str
    cls: str
    provider: str | None
    type: str
    params: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    utilization: Mapping[str, str] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def resources(self) -> tuple[str, ...]:
        return ()

    def view(self) -> dict[str, Any]:
        """Itself as a nested mapping for people: a definition unfolded."""
        params: dict[str, Any] = dict(sorted(self.params.items()))
        if "definition" in params:
            params["definition"] = _unfolded(params["definition"])
        operations = {
            f"{op.name} every {op.interval}" if op.interval != "0s" else op.name: {
                "timeout": op.timeout,
                **({"on-fail": op.on_fail} if op.on_fail else {}),
            }
            for op in self.operations
        }
        parts = {
            "agent": ":".join(filter(None, (self.cls, self.provider, self.type))),
            "params": params,
            "meta": dict(sorted(self.meta.items())),
            "utilization": dict(sorted(self.utilization.items())),
            "operations": operations,
            "extra": list(self.extra),
        }
        return {name: part for name, part in parts.items() if part}


@dataclass(frozen=True)
class _OfOne:
    """What all constraints have that are about one resource alone."""

    id: str
    resource: str

    @property
    def resources(self) -> tuple[str, ...]:
        return (self.resource,)


@dataclass(frozen=True)
class Location(_OfOne):
    """A resource's liking for a node: a positive, negative or infinite score."""

    kind: ClassVar[str] = "location"
    node: str
    score: str

    def view(self) -> dict[str, Any]:
        return {"resource": self.resource, "node": self.node, "score": self.score}


@dataclass(frozen=True)
class Pin(_OfOne):
    """A resource that may run on one node only; on none at all when ``node`` is None."""

    kind: ClassVar[str] = "pin"
    node: str | None

    def view(self) -> dict[str, Any]:
        return {"resource": self.resource, "only on": self.node or "no node"}


@dataclass(frozen=True)
class Where(_OfOne):
    """A resource that may run only on nodes that have an attribute of this value at the moment."""

    kind: ClassVar[str] = "rule"
    attribute: str
    value: str

    def view(self) -> dict[str, Any]:
        return {"resource": self.resource, "only where": f"{self.attribute} is {self.value}"}


@dataclass(frozen=True)
class Colocation:
    """A resource's liking for the company of another: a positive or negative score."""

    kind: ClassVar[str] = "colocation"
    id: str
    resource: str
    with_resource: str
    score: str

    @property
    def resources(self) -> tuple[str, ...]:
        return (self.resource, self.with_resource)

    def view(self) -> dict[str, Any]:
        return {"resource": self.resource, "with": self.with_resource, "score": self.score}


@dataclass(frozen=True)
class Alert:
    """A program that every node runs, as user hacluster, at events of these kinds ("fencing", ...).

    ``extra`` says that a live one holds more than Drover would write.
    """

    kind: ClassVar[str] = "alert"
    id: str
    path: str
    select: tuple[str, ...]
    extra: bool = False

    def view(self) -> dict[str, Any]:
        return {"path": self.path, "of": list(self.select)}


@dataclass(frozen=True)
class Level:
    """A fencing device that is asked about a node at this level: when those of all levels before have failed."""

    kind: ClassVar[str] = "fencing level"
    id: str
    node: str
    level: int
    device: str

    def view(self) -> dict[str, Any]:
        return {"node": self.node, "level": self.level, "device": self.device}


@dataclass(frozen=True)
class Foreign:
    """A constraint of a form that Drover never writes. Read only, to be replaced or removed."""

    kind: ClassVar[str] = "constraint"
    id: str
    xml: str
    resources: tuple[str, ...]

    def view(self) -> dict[str, Any]:
        return {"xml": self.xml}


Constraint = Location | Pin | Where | Colocation
Object = Primitive | Constraint | Alert | Level | Foreign


@dataclass(frozen=True)
class NodeSettings:
    """Attributes and utilization of a node. Names not mentioned are left alone; None removes one."""

    name: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    utilization: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What the configuration should hold. Of what is not mentioned, nothing changes.

    In the mappings of settings a value of None removes the setting. ``meta`` edits meta attributes of
    resources that exist, by resource. ``absent`` are ids of objects to remove.
    """

    primitives: tuple[Primitive, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    properties: Mapping[str, str | None] = field(default_factory=dict)
    resource_defaults: Mapping[str, str | None] = field(default_factory=dict)
    operation_defaults: Mapping[str, str | None] = field(default_factory=dict)
    nodes: tuple[NodeSettings, ...] = ()
    meta: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    levels: tuple[Level, ...] = ()
    absent: frozenset[str] = frozenset()


def _unfolded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
