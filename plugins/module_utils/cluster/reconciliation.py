# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reconciliation of the cluster's configuration (Pacemaker's CIB) with what is wanted of it.

Everything here is pure: XML text and typed objects in, one Difference out. The Difference decides whether
anything changes, says what in words people can read, and carries the whole wanted CIB as XML.

Ownership. Ours are ours whole, save meta attributes that Drover never declares: an administrator sets ``target-role``
or ``maintenance`` in an emergency, and a run of a playbook must not undo that; they are kept, and reported. A
``target-role`` with Drover's mark beside it is Drover's.
Nothing else in the CIB is touched, except that a constraint naming a resource we remove goes with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

from ..core.errors import DroverError, InvalidValue
from .cib_xml import (
    CONSTRAINT_TAGS,
    SETS,
    add_pair,
    alert_element,
    alert_of,
    configuration_of,
    constraint_element,
    constraint_of,
    is_ours,
    level_element,
    level_of,
    ordered,
    parse,
    part_id,
    plain_sets,
    primitive_element,
    primitive_of,
    section_of,
    values_of,
    version_of,
)
from .difference import Change, Difference
from .objects import DISKS_MOVE, FAILED, STOPPED_BY, Alert, Constraint, Level, NodeSettings, Object, Primitive, Wanted
from .recovery import MAX_RELOCATE

__all__ = ["NotOurs", "reconcile"]

#: Meta attributes of our primitives that are ours to declare. Any other was set by hand and is kept.
OUR_META = frozenset(
    {"allow-migrate", "failure-timeout", "migration-threshold", "priority", "resource-stickiness", MAX_RELOCATE}
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


P = TypeVar("P", Alert, Level)
_PARTS: Mapping[str, Callable[[ET.Element], Alert | Level]] = {"alert": alert_of, "fencing-level": level_of}


class NotOurs(DroverError):
    """An object that would have to be changed or removed belongs to somebody else."""


def reconcile(cib: str, wanted: Wanted) -> Difference:
    """Compare a live CIB with what is wanted of it.

    Raises NotOurs when a wanted or absent id belongs to an object that isn't ours, InvalidValue for ids and
    nodes that can't be, and xml.etree.ElementTree.ParseError on text that isn't XML.
    """
    root = parse(cib)
    work = _Reconciliation(configuration_of(root))
    work.settings(wanted)
    for node in wanted.nodes:
        work.node(node)
    for primitive in wanted.primitives:
        work.primitive(primitive)
    for name, values in wanted.meta.items():
        work.meta(name, values)
    for constraint in wanted.constraints:
        work.constraint(constraint)
    for alert in wanted.alerts:
        work.part(alert, "alerts", alert_of, alert_element)
    for level in wanted.levels:
        work.part(level, "fencing-topology", level_of, level_element)
    work.remove(wanted.absent)
    version = version_of(root)
    if work.changes:
        root.set("epoch", str(version.epoch + 1))
        root.set("num_updates", "0")
    xml = ET.tostring(root, encoding="unicode") if work.changes else cib
    return Difference(tuple(work.changes), tuple(work.kept), cib, xml, version)


class _Reconciliation:
    """Edits the configuration element in place and records every difference on the way."""

    def __init__(self, configuration: ET.Element) -> None:
        self.configuration = configuration
        self.changes: list[Change] = []
        self.kept: list[str] = []
        self.owners = {
            element.get("id", ""): element
            for section in ("resources", "constraints", "alerts", "fencing-topology")
            for part in configuration.iterfind(section)
            for element in part.iter()
            if element.get("id")
        }

    def settings(self, wanted: Wanted) -> None:
        for kind, section, tag, set_id, values in (
            ("property", "crm_config", "cluster_property_set", "cib-bootstrap-options", wanted.properties),
            ("resource default", "rsc_defaults", "meta_attributes", "rsc-options", wanted.resource_defaults),
            ("operation default", "op_defaults", "meta_attributes", "op-options", wanted.operation_defaults),
        ):
            if not values:
                continue
            parent = section_of(self.configuration, section)
            for name, (old, new) in _edit_values(parent, tag, set_id, values).items():
                before = None if old is None else {name: old}
                after = None if new is None else {name: new}
                self.changes.append(Change(kind, name, before, after))

    def node(self, wanted: NodeSettings) -> None:
        element = next((e for e in self.configuration.iterfind("nodes/node") if e.get("uname") == wanted.name), None)
        if element is None:
            raise InvalidValue(
                f"node {wanted.name} is not a member of this cluster; add it to the cluster first (playbooks/site.yml)"
            )
        base = f"nodes-{element.get('id')}"
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for title, tag, set_id, values in (
            ("attributes", "instance_attributes", base, wanted.attributes),
            ("utilization", "utilization", f"{base}-utilization", wanted.utilization),
        ):
            edits = _edit_values(element, tag, set_id, values)
            if old := {name: old for name, (old, _new) in edits.items() if old is not None}:
                before[title] = old
            if new := {name: new for name, (_old, new) in edits.items() if new is not None}:
                after[title] = new
        if before or after:
            self.changes.append(Change("node", wanted.name, before, after))

    def primitive(self, wanted: Primitive) -> None:
        element = self._owned(wanted.id, "primitive")
        if element is None:
            section_of(self.configuration, "resources").append(primitive_element(wanted))
            self.changes.append(Change(wanted.kind, wanted.id, None, wanted.view()))
            return
        live = primitive_of(element)
        ours = OUR_META | ({"target-role", STOPPED_BY, FAILED} if STOPPED_BY in live.meta else set())
        by_hand = {name: value for name, value in live.meta.items() if name not in ours}
        by_hand = {name: value for name, value in by_hand.items() if name not in wanted.meta}
        # What a move of disks has left to do is neither declared nor anybody's hand.
        if moving := by_hand.pop(DISKS_MOVE, None):
            wanted = replace(wanted, meta={**wanted.meta, DISKS_MOVE: moving})
        if by_hand:
            told = ", ".join(f"{name}={value}" for name, value in sorted(by_hand.items()))
            self.kept.append(f"{wanted.id} keeps {told}, which was set by hand")
            wanted = replace(wanted, meta={**wanted.meta, **by_hand})
        if live == ordered(wanted):
            return
        _edit_primitive(element, live, wanted)
        self.changes.append(Change(wanted.kind, wanted.id, live.view(), wanted.view()))

    def meta(self, name: str, values: Mapping[str, str | None]) -> None:
        element = self._owned(name, "primitive")
        if element is None:
            raise InvalidValue(f"there is no guest {name} in this cluster")
        before = primitive_of(element)
        _edit_values(element, "meta_attributes", part_id(name, "meta_attributes"), values)
        after = primitive_of(element)
        if before != after:
            self.changes.append(Change(before.kind, name, before.view(), after.view()))

    def constraint(self, wanted: Constraint) -> None:
        element = self._owned(wanted.id, *CONSTRAINT_TAGS)
        section = section_of(self.configuration, "constraints")
        new = constraint_element(wanted)
        if element is None:
            section.append(new)
            self.changes.append(Change(wanted.kind, wanted.id, None, wanted.view()))
            return
        live = constraint_of(element)
        if live == wanted:
            return
        section[list(section).index(element)] = new
        self.changes.append(Change(wanted.kind, wanted.id, live.view(), wanted.view()))

    def part(
        self, wanted: P, section: str, reading: Callable[[ET.Element], P], writing: Callable[[P], ET.Element]
    ) -> None:
        """An object of a ``section`` of its own, which is written anew when it differs."""
        new = writing(wanted)
        element = self._owned(wanted.id, new.tag)
        live = None if element is None else reading(element)
        if live == wanted:
            return
        parent = section_of(self.configuration, section)
        if element is not None:
            parent.remove(element)
        parent.append(new)
        self.changes.append(Change(wanted.kind, wanted.id, live.view() if live else None, wanted.view()))

    def remove(self, absent: Iterable[str]) -> None:
        gone: set[str] = set()
        parents = {child: parent for parent in self.configuration.iter() for child in parent}
        for name in sorted(absent):
            element = self._owned(name, "primitive", "alert", "fencing-level", *CONSTRAINT_TAGS)
            if element is None or element not in parents:
                continue
            parents[element].remove(element)
            live: Object
            if element.tag == "primitive":
                gone.add(name)
                live = primitive_of(element)
            elif element.tag in _PARTS:
                live = _PARTS[element.tag](element)
            else:
                live = constraint_of(element)
            self.changes.append(Change(live.kind, name, live.view(), None))
        section = section_of(self.configuration, "constraints")
        for element in list(section):
            dangling = constraint_of(element) if isinstance(element.tag, str) else None
            if dangling is not None and gone.intersection(dangling.resources):
                section.remove(element)
                self.changes.append(Change(dangling.kind, dangling.id, dangling.view(), None))

    def _owned(self, name: str, *tags: str) -> ET.Element | None:
        """The live element of this id, None if there is none. Raises NotOurs for somebody else's."""
        if not _NAME.match(name):
            raise InvalidValue(
                f"{name!r} can't be the name of an object in the cluster: "
                "it has to start with a letter and hold only letters, digits, '-', '_' and '.'"
            )
        element = self.owners.get(name)
        if element is None:
            return None
        if element.tag not in tags or not is_ours(element):
            raise NotOurs(
                f"the cluster's configuration already has a {element.tag} named {name}, which is not "
                "Drover's: choose another name, or remove that object first"
            )
        return element


def _edit_values(
    parent: ET.Element, tag: str, set_id: str, values: Mapping[str, str | None]
) -> dict[str, tuple[str | None, str | None]]:
    """Give the named values, drop those that are None; returns {name: (old, new)} of what differed."""
    live = values_of(parent, tag)
    edits: dict[str, tuple[str | None, str | None]] = {}
    for name, new in sorted(values.items()):
        old = live.get(name)
        if old == new:
            continue
        edits[name] = (old, new)
        pairs = [
            (group, pair)
            for group in plain_sets(parent, tag)
            for pair in group.findall("nvpair")
            if pair.get("name") == name
        ]
        for group, pair in pairs:
            if new is None:
                group.remove(pair)
            else:
                pair.set("value", new)
        if not pairs and new is not None:
            groups = list(plain_sets(parent, tag)) or [ET.SubElement(parent, tag, id=set_id)]
            add_pair(groups[0], name, new)
    return edits


def _edit_primitive(element: ET.Element, live: Primitive, wanted: Primitive) -> None:
    """Make the live element the wanted one, keeping what is right already with its ids and its place."""
    new = primitive_element(wanted)
    element.attrib.update(new.attrib)
    if live.extra:
        element[:] = list(new)
        return
    for name, tag in SETS:
        values: Mapping[str, str] = getattr(wanted, name)
        gone = {key: None for key in getattr(live, name) if key not in values}
        _edit_values(element, tag, part_id(wanted.id, tag), {**values, **gone})
        for group in element.findall(tag):
            if not len(group):
                element.remove(group)
    if live.operations != ordered(wanted).operations:
        for old in element.findall("operations"):
            element.remove(old)
        operations = new.find("operations")
        if operations is not None:
            element.append(operations)
