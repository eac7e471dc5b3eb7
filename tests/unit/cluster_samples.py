# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small clusters for the tests of planners: three nodes and whatever runs on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from ansible_collections.cspp.drover.plugins.module_utils.cluster import guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import (
    DISKS_MOVE,
    Constraint,
    NodeSettings,
    Primitive,
    Version,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import (
    ClusterStatus,
    FailedAction,
    NodeStatus,
    ResourceStatus,
)

GIB = 2**30
NODES = ("n1", "n2", "n3")


def definition(name: str = "mc", kind: str = "vm", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "vcpus": 2, "memory": 2 * GIB, "stop_timeout": 60, **more}


def primitive(name: str = "mc", **more: Any) -> Primitive:
    return guests.guest_primitive(definition(name, **more), priority=0, boot="old")


def moving(name: str = "mc") -> Primitive:
    """A VM whose first disk is on its way to another pool; the second has arrived, and of its seed nothing depends."""
    record = {target: {"from": {"path": "/a"}, "to": {"path": "/b"}} for target in ("vda", "vdb", "vdz")}
    found = (("vda", "/a", False), ("vdb", "/b", False), ("vdz", "/a", True))
    disks = [
        {"target": target, "source": {"type": "file", "path": path}, "readonly": seed} for target, path, seed in found
    ]
    return replace(primitive(name, disks=disks), meta={DISKS_MOVE: json.dumps(record)})


def node(name: str, **more: Any) -> NodeStatus:
    bad = {"standby": False, "maintenance": False, "pending": False, "unclean": False, "shutdown": False}
    return NodeStatus(**{"name": name, "online": True, **bad, **more})


def guest(name: str, *nodes: str, **more: Any) -> ResourceStatus:
    usual = {
        "agent": "ocf:drover:vm",
        "role": "Started" if nodes else "Stopped",
        "active": bool(nodes),
        "failed": False,
        "blocked": False,
        "managed": True,
        "maintenance": False,
        "orphaned": False,
        "pending": None,
    }
    return ResourceStatus(**{"name": name, "nodes": nodes, **usual, **more})


def status(*guests: ResourceStatus, nodes: tuple[NodeStatus, ...] | None = None, **more: Any) -> ClusterStatus:
    members = tuple(node(name) for name in NODES) if nodes is None else nodes
    usual = {"dc": "n1", "quorum": True, "fencing": True, "maintenance": False}
    return ClusterStatus(**{**usual, "nodes": members, "resources": guests, **more})


def live(
    *objects: Primitive | Constraint,
    memory: int = 4096,
    standby: tuple[str, ...] = (),
    properties: Mapping[str, str] | None = None,
) -> Configuration:
    room: dict[str, str | None] = {"memory": str(memory), "vcpus": "4"}
    return Configuration(
        Version(0, 1, 0),
        {o.id: o for o in objects if isinstance(o, Primitive)},
        {o.id: o for o in objects if not isinstance(o, Primitive)},
        {name: NodeSettings(name, {"standby": "on"} if name in standby else {}, room) for name in NODES},
        properties or {},
    )


def failure(operation: str, name: str = "mc", where: str = "n1") -> FailedAction:
    return FailedAction(name, operation, where, "error", "no disk", "")


def graph(transcript: str) -> str:
    """The graph of operations for a transcript of ``crm_simulate --simulate``, which lists them as they were played."""
    operations = ET.fromstring(transcript).iterfind("transition/rsc_action")
    lines = [f'<rsc_op id="1">\n  <primitive id="{operation.get("resource")}"/>\n</rsc_op>' for operation in operations]
    return "\n".join(["<transition_graph>", *lines, "</transition_graph>"])


def simulated(argv: Sequence[str], transcript: str) -> str:
    """Answer ``crm_simulate`` with a transcript: its graph is saved where ``argv`` asks for it, its output returned."""
    saved = next(word.partition("=")[2] for word in argv if word.startswith("--save-graph="))
    Path(saved).write_text(graph(transcript), encoding="utf-8")
    return transcript
