# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The XML of the cluster's configuration (Pacemaker's CIB): its elements, and the typed objects they stand for.

Ours are primitives of provider ``drover`` and every object whose id starts with ``drover-``.
Format: Pacemaker Explained, "Cluster-Wide Configuration", "Resources" and "Resource Constraints".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from xml.etree import ElementTree as ET

from .objects import (
    PREFIX,
    PROVIDER,
    Alert,
    Colocation,
    Constraint,
    Foreign,
    Level,
    Location,
    Operation,
    Pin,
    Primitive,
    Version,
    Where,
)

__all__ = [
    "CONSTRAINT_TAGS",
    "SETS",
    "add_pair",
    "alert_element",
    "alert_of",
    "configuration_of",
    "constraint_element",
    "constraint_of",
    "is_ours",
    "is_true",
    "level_element",
    "level_of",
    "ordered",
    "parse",
    "part_id",
    "plain_sets",
    "primitive_element",
    "primitive_of",
    "section_of",
    "values_of",
    "version_of",
]

_TRUE = frozenset({"true", "on", "yes", "y", "1"})

CONSTRAINT_TAGS = ("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket")
_REFERENCES = ("rsc", "with-rsc", "first", "then")
SETS = (("params", "instance_attributes"), ("meta", "meta_attributes"), ("utilization", "utilization"))


def parse(cib: str) -> ET.Element:
    # An administrator's comments are part of the configuration: a parser that drops them would delete them.
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    return ET.fromstring(cib, parser=parser)


def configuration_of(root: ET.Element) -> ET.Element:
    return section_of(root, "configuration")


def section_of(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def version_of(root: ET.Element) -> Version:
    return Version(int(root.get("admin_epoch", "0")), int(root.get("epoch", "0")), int(root.get("num_updates", "0")))


def is_ours(element: ET.Element) -> bool:
    if element.get("id", "").startswith(PREFIX):
        return True
    return element.tag == "primitive" and element.get("provider") == PROVIDER


def plain_sets(parent: ET.Element | None, tag: str) -> Iterator[ET.Element]:
    """The sets of values that hold at all times: those without a rule."""
    for element in [] if parent is None else parent.findall(tag):
        if element.find("rule") is None:
            yield element


def is_true(value: str) -> bool:
    """Whether Pacemaker takes an option's value for true."""
    return value.lower() in _TRUE


def values_of(parent: ET.Element | None, tag: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for group in plain_sets(parent, tag):
        for pair in group.findall("nvpair"):
            values.setdefault(pair.get("name", ""), pair.get("value", ""))
    return values


def add_pair(group: ET.Element, name: str, value: str) -> None:
    ET.SubElement(group, "nvpair", id=f"{group.get('id')}-{name}", name=name, value=value)


def ordered(primitive: Primitive) -> Primitive:
    operations = tuple(sorted(primitive.operations, key=lambda op: (op.name, op.interval)))
    return replace(primitive, operations=operations)


def primitive_of(element: ET.Element) -> Primitive:
    known = {tag for _field, tag in SETS} | {"operations"}
    extra = [
        ET.tostring(child, encoding="unicode").strip()
        for child in element
        if child.tag not in known or child.find("rule") is not None
    ]
    operations = []
    for op in element.iterfind("operations/op"):
        plain = {"id", "name", "interval", "timeout", "on-fail"}
        if len(op) or set(op.keys()) - plain:
            extra.append(ET.tostring(op, encoding="unicode").strip())
        operations.append(
            Operation(op.get("name", ""), op.get("interval", "0s"), op.get("timeout", ""), op.get("on-fail"))
        )
    return ordered(
        Primitive(
            id=element.get("id", ""),
            cls=element.get("class", ""),
            provider=element.get("provider"),
            type=element.get("type", ""),
            params=values_of(element, "instance_attributes"),
            meta=values_of(element, "meta_attributes"),
            utilization=values_of(element, "utilization"),
            operations=tuple(operations),
            extra=tuple(extra),
        )
    )


def part_id(owner: str, part: str) -> str:
    """The id of a part of an object. No guest's name has a dot: none can be the id of a part of another."""
    return f"{owner}.{part}"


def primitive_element(primitive: Primitive) -> ET.Element:
    element = ET.Element("primitive", id=primitive.id)
    element.set("class", primitive.cls)
    if primitive.provider:
        element.set("provider", primitive.provider)
    element.set("type", primitive.type)
    for name, tag in SETS:
        values: Mapping[str, str] = getattr(primitive, name)
        if values:
            group = ET.SubElement(element, tag, id=part_id(primitive.id, tag))
            for key, value in sorted(values.items()):
                add_pair(group, key, value)
    if primitive.operations:
        operations = ET.SubElement(element, "operations")
        for op in ordered(primitive).operations:
            operations.append(_operation_element(primitive.id, op))
    return element


def _operation_element(owner: str, op: Operation) -> ET.Element:
    element = ET.Element(
        "op", id=part_id(owner, f"{op.name}-{op.interval}"), name=op.name, interval=op.interval, timeout=op.timeout
    )
    if op.on_fail:
        element.set("on-fail", op.on_fail)
    return element


def constraint_of(element: ET.Element) -> Constraint | Foreign:
    name = element.get("id", "")
    known = set(element.keys()) - {"id", "rsc", "node", "score", "with-rsc"}
    if not known and not len(element):
        if element.tag == "rsc_location" and element.get("node"):
            return Location(name, element.get("rsc", ""), element.get("node", ""), element.get("score", ""))
        if element.tag == "rsc_colocation" and element.get("with-rsc"):
            return Colocation(name, element.get("rsc", ""), element.get("with-rsc", ""), element.get("score", ""))
    if element.tag == "rsc_location" and not known:
        for node in {e.get("value") for e in element.iterfind("rule/expression")} or {None}:
            pin = Pin(name, element.get("rsc", ""), node)
            if _same(element, constraint_element(pin)):
                return pin
        for expression in element.iterfind("rule/expression[@value]"):
            attribute, value = expression.get("attribute", ""), expression.get("value", "")
            where = Where(name, element.get("rsc", ""), attribute, value)
            if _same(element, constraint_element(where)):
                return where
    references = [element.get(key) for key in _REFERENCES] + [r.get("id") for r in element.iter("resource_ref")]
    xml = ET.tostring(element, encoding="unicode").strip()
    return Foreign(name, xml, tuple(r for r in references if r))


def constraint_element(constraint: Constraint) -> ET.Element:
    if isinstance(constraint, Colocation):
        element = ET.Element("rsc_colocation", id=constraint.id, rsc=constraint.resource)
        element.set("with-rsc", constraint.with_resource)
        element.set("score", constraint.score)
        return element
    element = ET.Element("rsc_location", id=constraint.id, rsc=constraint.resource)
    if isinstance(constraint, Location):
        element.set("node", constraint.node)
        element.set("score", constraint.score)
        return element
    rule = ET.SubElement(element, "rule", id=part_id(constraint.id, "rule"), score="-INFINITY")
    if isinstance(constraint, Where):
        rule.set("boolean-op", "or")
        for operation, value in (("not_defined", None), ("ne", constraint.value)):
            expression = ET.SubElement(rule, "expression", id=part_id(constraint.id, f"rule-{operation}"))
            expression.set("attribute", constraint.attribute)
            expression.set("operation", operation)
            if value is not None:
                expression.set("value", value)
        return element
    expression = ET.SubElement(rule, "expression", id=part_id(constraint.id, "rule-node"), attribute="#uname")
    expression.set("operation", "defined" if constraint.node is None else "ne")
    if constraint.node is not None:
        expression.set("value", constraint.node)
    return element


def alert_of(element: ET.Element) -> Alert:
    kinds = tuple(sorted(kind.tag.removeprefix("select_") for kind in element.iterfind("select/*")))
    return Alert(element.get("id", ""), element.get("path", ""), kinds, extra=not _plain(element))


def alert_element(alert: Alert) -> ET.Element:
    element = ET.Element("alert", id=alert.id, path=alert.path)
    select = ET.SubElement(element, "select")
    for kind in sorted(alert.select):
        ET.SubElement(select, f"select_{kind}")
    return element


def level_of(element: ET.Element) -> Level:
    index = element.get("index", "0")
    return Level(element.get("id", ""), element.get("target", ""), int(index), element.get("devices", ""))


def level_element(level: Level) -> ET.Element:
    element = ET.Element("fencing-level", id=level.id, target=level.node, index=str(level.level))
    element.set("devices", level.device)
    return element


def _plain(element: ET.Element) -> bool:
    """Whether an alert says nothing but what Drover writes."""
    return {child.tag for child in element} <= {"select"} and set(element.keys()) <= {"id", "path"}


def _same(one: ET.Element, other: ET.Element) -> bool:
    """Whether two elements say the same, whatever their ids are."""
    if one.tag != other.tag or {**one.attrib, "id": ""} != {**other.attrib, "id": ""} or len(one) != len(other):
        return False
    return all(_same(a, b) for a, b in zip(one, other, strict=True))
