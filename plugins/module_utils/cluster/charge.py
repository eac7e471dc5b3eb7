# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the cluster takes a guest to run on a node, and would do something about it if it knew that it does not.

Told of the end of a guest that it is about to stop, to move or to leave alone, the cluster would count a failure that
is none, or restart a guest that runs by then. So whatever is not clear is left to the guest's monitor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from .cib_xml import is_true, primitive_of, values_of
from .objects import Primitive
from .status import PENDING

__all__ = ["Charge", "charge", "question"]

#: What a guest's last operation on a node was, if it runs there.
_RUNS_AFTER = frozenset({"start", "migrate_from", "monitor", "reload-agent"})


@dataclass(frozen=True)
class Charge:
    """``resource`` is the guest that the cluster has running on the node; without it, ``why`` says why it is left
    alone."""

    resource: Primitive | None = None
    why: str = ""


def question(guest: str, node: str) -> str:
    """What of the CIB tells (XPath), so that the answer is short however large the cluster is."""
    here = f"//node_state[@uname='{node}']"
    parts = (
        "//crm_config",
        "//rsc_defaults",
        f"//nodes/node[@uname='{node}']",
        f"//primitive[@id='{guest}']",
        f"{here}/transient_attributes",
        f"{here}/lrm/lrm_resources/lrm_resource[@id='{guest}']",
    )
    return "|".join(parts)


def charge(answer: str, guest: str, node: str) -> Charge:
    """Whether the guest is the cluster's to look after on this node, by what ``question`` was answered, or a CIB.

    Raises xml.etree.ElementTree.ParseError on text that isn't XML.
    """
    root = ET.fromstring(answer)
    found = next((one for one in root.iter("primitive") if one.get("id") == guest), None)
    if found is None:
        return Charge(why="the cluster knows no such guest")
    resource = primitive_of(found)
    why = next(_reasons(root, resource, node), "")
    return Charge(why=why) if why else Charge(resource)


def _reasons(root: ET.Element, resource: Primitive, node: str) -> Iterator[str]:
    options = _merged(root, "crm_config", "cluster_property_set")
    if _is_true(options, "maintenance-mode"):
        yield "the cluster is told to leave all guests alone"
    about = {**_node_settings(root, node), **_merged(root, "transient_attributes", "instance_attributes")}
    if _is_true(about, "maintenance"):
        yield f"the cluster is told to leave the guests of {node} alone"
    # Any time since then, or 0.
    if about.get("shutdown", "0") != "0":
        yield f"{node} is going down"
    meta = {**_merged(root, "rsc_defaults", "meta_attributes"), **resource.meta}
    if _is_true(meta, "maintenance") or ("is-managed" in meta and not _is_true(meta, "is-managed")):
        yield "the cluster is told to leave it alone"
    if meta.get("target-role") == "Stopped":
        yield "it is to be stopped"
    yield from _history(root, resource.id, node)


def _history(root: ET.Element, guest: str, node: str) -> Iterator[str]:
    """What in the history of a guest on the node speaks against its running there, as far as the cluster knows."""
    operations = [
        op
        for history in root.iter("lrm_resource")
        if history.get("id") == guest
        for op in history.iter("lrm_rsc_op")
        if op.get("on_node") == node
    ]
    for op in operations:
        if op.get("rc-code") == PENDING and (op.get("operation"), op.get("interval")) != ("monitor", _interval(op)):
            yield f"the cluster is at work with it: {op.get('operation')}"
    ended = [op for op in operations if op.get("rc-code") != PENDING]
    last = max(ended, key=lambda op: int(op.get("call-id", "-1")), default=None)
    if last is not None and last.get("rc-code") != "0":
        yield "the cluster knows that it failed"
    elif last is None or last.get("operation") not in _RUNS_AFTER:
        yield f"the cluster does not take it to run on {node}"


def _interval(op: ET.Element) -> str | None:
    """The interval of a recurring operation."""
    return None if op.get("interval") == "0" else op.get("interval")


def _node_settings(root: ET.Element, node: str) -> dict[str, str]:
    found = next((one for one in root.iter("node") if one.get("uname") == node), None)
    return values_of(found, "instance_attributes")


def _merged(root: ET.Element, tag: str, group: str) -> dict[str, str]:
    return {key: value for part in root.iter(tag) for key, value in values_of(part, group).items()}


def _is_true(values: dict[str, str], name: str) -> bool:
    return is_true(values.get(name, ""))
