# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Synthetic clusters: the CIB that Pacemaker would hold of some hundred guests, made by Drover's own planners.

The guests are declared as a user would, go through the same reading, definitions and reconciliation as by
``guests.yml``, and get the records of operations that Pacemaker's executors leave: a probe on every node, a start and a
monitor where the guest runs. Nothing of it has ever run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from ansible_collections.cspp.drover.plugins.module_utils.cluster import cib, options
from ansible_collections.cspp.drover.plugins.module_utils.cluster import guests as resources
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import NodeSettings, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration

__all__ = ["cluster_of", "declared", "judged_against", "node_names", "specifications"]

GIB = 2**30
#: What a guest takes of its node, in bytes and processors: nodes have room for all guests of a lost one.
_MEMORY, _VCPUS = GIB, 1
_IMAGES = {
    "vm/debian-13": {"path": "/images/debian-13-1", "files": {"disk": "disk.qcow2"}},
    "container/debian-13": {"path": "/images/debian-13-2", "files": {"rootfs": "rootfs.tar"}},
}
_FEATURES = "3.20.0"
_UUID = "3e63d660-eb7e-46d1-a439-eee27a61f017"
_WHEN = "1795341181"


def node_names(count: int) -> list[str]:
    """The names of ``count`` nodes."""
    return [f"node{number}" for number in range(1, count + 1)]


def declared(guests: int, nodes: Sequence[str]) -> dict[str, Any]:
    """``guests:`` as a user writes it: of four guests three VMs and a container, one in ten has company to avoid."""
    found: dict[str, Any] = {}
    for number in range(guests):
        name = f"guest-{number:04d}"
        address = f"10.{64 + number // 65_000}.{number // 250}.{number % 250 + 2}/16"
        guest: dict[str, Any] = {
            "kind": "container" if number % 4 == 3 else "vm",
            "memory": "1GiB",
            "nics": [{"bridge": "br0", "address": address}],
            "ha": {"priority": number % 3 * 10},
            "placement": {"prefer": [nodes[number % len(nodes)]]},
        }
        if number % 10 == 9:
            guest["placement"]["apart_from"] = [f"guest-{number - 1:04d}"]
        if guest["kind"] == "vm":
            guest["disks"] = [{"size": "20GiB", "image": "debian-13"}]
        else:
            guest["rootfs"] = {"image": "debian-13"}
        found[name] = guest
    return found


def judged_against(guests: int, nodes: Sequence[str]) -> dict[str, Any]:
    """What the declaration is judged against: nodes with room, an image, one shared pool."""
    room = {"memory": _room(guests, len(nodes)) * GIB, "vcpus": _room(guests, len(nodes))}
    return {
        "nodes": {name: {"addresses": [f"10.63.0.{at}"], **room} for at, name in enumerate(nodes, 11)},
        "images": {"debian-13": {"vm": "disk", "container": "rootfs"}},
        "pools": {"shared": {"type": "directory", "path": "/srv/drover/shared"}},
        "default_pool": "shared",
        "bridges": {"br0": {}},
        "ssh_keys": [],
        "nameservers": [],
    }


def specifications(guests: int, nodes: Sequence[str]) -> list[dict[str, Any]]:
    """The ``guests`` of module guests, as the role hands them over."""
    seen: dict[str, Any] = {}
    read = Declaration.read(declared(guests, nodes), judged_against(guests, nodes))
    found: list[dict[str, Any]] = read.plan(_IMAGES, nodes, nodes[0], seen)["resources"]
    return found


def cluster_of(guests: int, nodes: Sequence[str], *, running: bool = True) -> str:
    """The CIB of a healthy cluster; unless ``running``, all of the guests are still to be started."""
    specs = [_spec(guest) for guest in specifications(guests, nodes)]
    bare = _bare(nodes, _room(guests, len(nodes)))
    empty = ClusterStatus(nodes[0], True, True, False)
    xml = reconcile(bare, resources.plan_guests(specs, cib.read(bare), empty).wanted).xml
    root = ET.fromstring(xml)
    agents = {spec.name: spec.definition["kind"] for spec in specs if spec.definition}
    for at, state in enumerate(root.iterfind("status/node_state")):
        records = state.find("lrm/lrm_resources")
        assert records is not None
        for number, (name, agent) in enumerate(agents.items()):
            here = running and number % len(nodes) == at
            primitive = root.find(f"configuration/resources/primitive[@id='{name}']")
            assert primitive is not None
            records.append(_record(name, agent, nodes[at], primitive, here))
    return ET.tostring(root, encoding="unicode")


def _room(guests: int, nodes: int) -> int:
    """GiB of memory, and processors, of each node: all guests fit when one node is away."""
    return -(-guests // max(1, nodes - 1)) + 2


def _spec(guest: Mapping[str, Any]) -> resources.GuestSpec:
    return resources.GuestSpec(
        name=guest["name"],
        definition=guest["definition"],
        priority=guest["ha"]["priority"],
        prefer=tuple(guest["prefer"]),
        apart_from=tuple(guest["apart_from"]),
        together_with=tuple(guest["together_with"]),
        home=guest["home"],
    )


def _bare(nodes: Sequence[str], room: int) -> str:
    """A cluster without guests, as Drover configures it. Raises nothing."""
    versions = {"crm_feature_set": _FEATURES, "validate-with": "pacemaker-4.0"}
    root = ET.Element(
        "cib", {**versions, "epoch": "10", "num_updates": "1", "admin_epoch": "0", "have-quorum": "1", "dc-uuid": "1"}
    )
    configuration = ET.SubElement(root, "configuration")
    for section in ("crm_config", "nodes", "resources", "constraints"):
        ET.SubElement(configuration, section)
    status = ET.SubElement(root, "status")
    members = configuration.find("nodes")
    assert members is not None
    for number, name in enumerate(nodes, 1):
        ET.SubElement(members, "node", {"id": str(number), "uname": name})
        joined = {"in_ccm": _WHEN, "crmd": _WHEN, "join": "member", "expected": "member"}
        state = ET.SubElement(status, "node_state", {"id": str(number), "uname": name, **joined})
        ET.SubElement(ET.SubElement(state, "lrm", {"id": str(number)}), "lrm_resources")
    wanted = Wanted(
        properties={**options.cluster_properties(len(nodes), fenced=False), "migration-limit": "2"},
        resource_defaults={**options.RESOURCE_DEFAULTS, "resource-stickiness": "1000"},
        nodes=tuple(NodeSettings(name, utilization={"memory": str(room * 1024), "vcpus": str(room)}) for name in nodes),
    )
    return reconcile(ET.tostring(root, encoding="unicode"), wanted).xml


def _record(name: str, agent: str, node: str, primitive: ET.Element, here: bool) -> ET.Element:
    """What a node's executor has on record of a guest."""
    found = ET.Element("lrm_resource", {"id": name, "type": agent, "class": "ocf", "provider": "drover"})
    params = {pair.get("name", ""): pair.get("value", "") for pair in primitive.iterfind("instance_attributes/nvpair")}
    if here:
        found.append(_operation(name, node, "start", 0, 0, params))
        found.append(_operation(name, node, "monitor", 10_000, 0, params))
    else:
        found.append(_operation(name, node, "monitor", 0, 7, params))
    return found


def _operation(name: str, node: str, task: str, interval: int, rc: int, params: Mapping[str, str]) -> ET.Element:
    ident = f"{name}_monitor_{interval}" if interval else f"{name}_last_0"
    timeout = {"CRM_meta_timeout": "30000"} if interval else {}
    restart = {"op-force-restart": "  boot  ", "op-restart-digest": _digest({"boot": params["boot"]})}
    return ET.Element(
        "lrm_rsc_op",
        {
            "id": ident,
            "operation_key": f"{name}_{task}_{interval}",
            "operation": task,
            "crm-debug-origin": "controld_update_resource_history",
            "crm_feature_set": _FEATURES,
            "transition-key": f"7:2:{rc}:{_UUID}",
            "transition-magic": f"0:{rc};7:2:{rc}:{_UUID}",
            "exit-reason": "",
            "on_node": node,
            "call-id": "28",
            "rc-code": str(rc),
            "op-status": "0",
            "interval": str(interval),
            "last-rc-change": _WHEN,
            "exec-time": "26",
            "queue-time": "0",
            "op-digest": _digest({**timeout, **params}),
            **({} if interval else restart),
        },
    )


def _digest(params: Mapping[str, str]) -> str:
    """The MD5 by which Pacemaker tells that parameters have changed (``pcmk__digest_operation``)."""
    element = ET.Element("parameters", dict(sorted(params.items())))
    text = ET.tostring(element, encoding="unicode").replace(" />", "/>")
    return hashlib.md5(f" {text}\n".encode(), usedforsecurity=False).hexdigest()
