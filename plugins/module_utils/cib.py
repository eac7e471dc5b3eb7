# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reconciliation of the cluster's configuration (Pacemaker's CIB) with what is wanted of it.

Everything here is pure: XML text and typed objects in, one Difference out. The Difference decides whether
anything changes, says what in words people can read, and carries the whole wanted CIB as XML.

Ownership. Ours are primitives of provider ``drover`` and every object whose id starts with ``drover-``.
Ours are ours whole, save meta attributes that Drover never declares: an administrator sets ``target-role`` or
``maintenance`` in an emergency, and a run of a playbook must not undo that; they are kept, and reported.
Nothing else in the CIB is touched, except that a constraint naming a resource we remove goes with it.

Format: Pacemaker Explained, "Cluster-Wide Configuration", "Resources" and "Resource Constraints".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

__all__ = [
    "PREFIX",
    "PROVIDER",
    "RECOVERY",
    "Change",
    "Colocation",
    "Configuration",
    "Constraint",
    "Difference",
    "Location",
    "NodeSettings",
    "NotOurs",
    "Operation",
    "Pin",
    "Primitive",
    "Version",
    "Wanted",
    "is_secret",
    "read",
    "reconcile",
]

PROVIDER = "drover"
PREFIX = "drover-"

#: Meta attributes of our primitives that are ours to declare. Any other was set by hand and is kept.
OUR_META = frozenset({"allow-migrate", "failure-timeout", "migration-threshold", "priority", "resource-stickiness"})
#: Marks a guest that is out of Pacemaker's hands only while Drover puts it in order after a failed migration.
RECOVERY = "drover-recovery"
#: Parts of the names of parameters whose values are never shown, over all fence agents. A file's path is no secret.
_SECRET = re.compile(r"passw|passphrase|secret|token|credential|community|(\b|_)kg\b|key", re.IGNORECASE)
_PATH = re.compile(r"(file|path|script)\Z", re.IGNORECASE)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


def is_secret(name: str) -> bool:
    """Whether a parameter of this name holds what nobody may see, such as a password, a key, an SNMP community."""
    return bool(_SECRET.search(name)) and not _PATH.search(name)


class NotOurs(Exception):
    """An object that would have to be changed or removed belongs to somebody else."""


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
class Location:
    """A resource's liking for a node: a positive, negative or infinite score."""

    kind: ClassVar[str] = "location"
    id: str
    resource: str
    node: str
    score: str

    @property
    def resources(self) -> tuple[str, ...]:
        return (self.resource,)

    def view(self) -> dict[str, Any]:
        return {"resource": self.resource, "node": self.node, "score": self.score}


@dataclass(frozen=True)
class Pin:
    """A resource that may run on one node only; on none at all when ``node`` is None."""

    kind: ClassVar[str] = "pin"
    id: str
    resource: str
    node: str | None

    @property
    def resources(self) -> tuple[str, ...]:
        return (self.resource,)

    def view(self) -> dict[str, Any]:
        return {"resource": self.resource, "only on": self.node or "no node"}


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
class _Foreign:
    """A constraint of a form that Drover never writes. Read only, to be replaced or removed."""

    kind: ClassVar[str] = "constraint"
    id: str
    xml: str
    resources: tuple[str, ...]

    def view(self) -> dict[str, Any]:
        return {"xml": self.xml}


Constraint = Location | Pin | Colocation
_Object = Primitive | Constraint | _Foreign


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
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One object that differs: ``before`` is None when it is created, ``after`` when it is removed."""

    kind: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def action(self) -> str:
        if self.before is None:
            return "create"
        return "remove" if self.after is None else "update"

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.id}"


@dataclass(frozen=True)
class Difference:
    """All that differs between the live configuration and the wanted one.

    ``xml`` is the whole wanted CIB, one configuration version on; ``live`` the text it was computed from.
    ``kept`` are sentences about settings made by hand that were left standing.
    """

    changes: tuple[Change, ...]
    kept: tuple[str, ...]
    live: str
    xml: str
    version: Version

    @property
    def changed(self) -> bool:
        return bool(self.changes)

    def names(self) -> list[str]:
        """What differs, one short phrase per object."""
        return [str(change) for change in self.changes]

    def diff(self) -> list[dict[str, str]]:
        """The differences in the form in which Ansible shows them, without any secret."""
        shown = []
        for change in self.changes:
            before, after = _masked(change.before, change.after)
            title = f"{change.kind} {change.id}"
            shown.append(
                {
                    "before_header": title,
                    "after_header": title,
                    "before": _text(before),
                    "after": _text(after),
                }
            )
        return shown


@dataclass(frozen=True)
class Configuration:
    """What the planners need to know of a live CIB.

    ``primitives`` and ``constraints`` hold our objects only, ``members`` all names of nodes by their id,
    and ``nodes`` their permanent settings.
    """

    version: Version
    primitives: Mapping[str, Primitive]
    constraints: Mapping[str, Constraint]
    nodes: Mapping[str, NodeSettings]
    properties: Mapping[str, str]

    def guests(self) -> dict[str, Primitive]:
        """The guests among the resources, by name."""
        return {name: p for name, p in self.primitives.items() if p.provider == PROVIDER}

    def recovering(self) -> set[str]:
        """The guests that Drover has taken out of Pacemaker's hands, to put them in order."""
        return {name for name, guest in self.guests().items() if RECOVERY in guest.meta}

    def standby(self) -> set[str]:
        """The nodes that are in standby by a permanent attribute."""
        return {n for n, node in self.nodes.items() if node.attributes.get("standby") in {"on", "true"}}


def read(cib: str) -> Configuration:
    """Parse a CIB. Raises xml.etree.ElementTree.ParseError on text that isn't XML."""
    root = _parse(cib)
    configuration = _configuration(root)
    primitives = {}
    for element in configuration.iterfind("resources//primitive"):
        if _is_ours(element):
            primitives[element.get("id", "")] = _primitive(element)
    constraints: dict[str, Constraint] = {}
    for element in configuration.iterfind("constraints/*"):
        if _is_ours(element) and not isinstance(found := _constraint(element), _Foreign):
            constraints[found.id] = found
    nodes = {}
    for element in configuration.iterfind("nodes/node"):
        name = element.get("uname", "")
        nodes[name] = NodeSettings(name, _values(element, "instance_attributes"), _values(element, "utilization"))
    properties = _values(configuration.find("crm_config"), "cluster_property_set")
    return Configuration(_version(root), primitives, constraints, nodes, properties)


def reconcile(cib: str, wanted: Wanted) -> Difference:
    """Compare a live CIB with what is wanted of it.

    Raises NotOurs when a wanted or absent id belongs to an object that isn't ours, ValueError for ids and
    nodes that can't be, and xml.etree.ElementTree.ParseError on text that isn't XML.
    """
    root = _parse(cib)
    work = _Reconciliation(_configuration(root))
    work.settings(wanted)
    for node in wanted.nodes:
        work.node(node)
    for primitive in wanted.primitives:
        work.primitive(primitive)
    for name, values in wanted.meta.items():
        work.meta(name, values)
    for constraint in wanted.constraints:
        work.constraint(constraint)
    work.remove(wanted.absent)
    version = _version(root)
    if work.changes:
        root.set("epoch", str(version.epoch + 1))
        root.set("num_updates", "0")
    xml = ET.tostring(root, encoding="unicode") if work.changes else cib
    return Difference(tuple(work.changes), tuple(work.kept), cib, xml, version)


# ---------------------------------------------------------------------------------------------------------
# Carrying the differences into the tree


class _Reconciliation:
    """Edits the configuration element in place and records every difference on the way."""

    def __init__(self, configuration: ET.Element) -> None:
        self.configuration = configuration
        self.changes: list[Change] = []
        self.kept: list[str] = []
        self.owners = {
            element.get("id", ""): element
            for section in ("resources", "constraints")
            for element in _section(configuration, section).iter()
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
            parent = _section(self.configuration, section)
            for name, (old, new) in _edit_values(parent, tag, set_id, values).items():
                before = None if old is None else {name: old}
                after = None if new is None else {name: new}
                self.changes.append(Change(kind, name, before, after))

    def node(self, wanted: NodeSettings) -> None:
        element = next((e for e in self.configuration.iterfind("nodes/node") if e.get("uname") == wanted.name), None)
        if element is None:
            raise ValueError(
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
            _section(self.configuration, "resources").append(_primitive_element(wanted))
            self.changes.append(Change(wanted.kind, wanted.id, None, wanted.view()))
            return
        live = _primitive(element)
        by_hand = {name: value for name, value in live.meta.items() if name not in OUR_META}
        by_hand = {name: value for name, value in by_hand.items() if name not in wanted.meta}
        if by_hand:
            told = ", ".join(f"{name}={value}" for name, value in sorted(by_hand.items()))
            self.kept.append(f"{wanted.id} keeps {told}, which was set by hand")
            wanted = replace(wanted, meta={**wanted.meta, **by_hand})
        if live == _ordered(wanted):
            return
        _edit_primitive(element, live, wanted)
        self.changes.append(Change(wanted.kind, wanted.id, live.view(), wanted.view()))

    def meta(self, name: str, values: Mapping[str, str | None]) -> None:
        element = self._owned(name, "primitive")
        if element is None:
            raise ValueError(f"there is no guest {name} in this cluster")
        before = _primitive(element)
        _edit_values(element, "meta_attributes", f"{name}-meta_attributes", values)
        after = _primitive(element)
        if before != after:
            self.changes.append(Change(before.kind, name, before.view(), after.view()))

    def constraint(self, wanted: Constraint) -> None:
        element = self._owned(wanted.id, *_CONSTRAINT_TAGS)
        section = _section(self.configuration, "constraints")
        new = _constraint_element(wanted)
        if element is None:
            section.append(new)
            self.changes.append(Change(wanted.kind, wanted.id, None, wanted.view()))
            return
        live = _constraint(element)
        if live == wanted:
            return
        section[list(section).index(element)] = new
        self.changes.append(Change(wanted.kind, wanted.id, live.view(), wanted.view()))

    def remove(self, absent: Iterable[str]) -> None:
        gone: set[str] = set()
        parents = {child: parent for parent in self.configuration.iter() for child in parent}
        for name in sorted(absent):
            element = self._owned(name, "primitive", *_CONSTRAINT_TAGS)
            if element is None or element not in parents:
                continue
            parents[element].remove(element)
            live: _Object
            if element.tag == "primitive":
                gone.add(name)
                live = _primitive(element)
            else:
                live = _constraint(element)
            self.changes.append(Change(live.kind, name, live.view(), None))
        section = _section(self.configuration, "constraints")
        for element in list(section):
            dangling = _constraint(element) if isinstance(element.tag, str) else None
            if dangling is not None and gone.intersection(dangling.resources):
                section.remove(element)
                self.changes.append(Change(dangling.kind, dangling.id, dangling.view(), None))

    def _owned(self, name: str, *tags: str) -> ET.Element | None:
        """The live element of this id, None if there is none. Raises NotOurs for somebody else's."""
        if not _NAME.match(name):
            raise ValueError(
                f"{name!r} can't be the name of an object in the cluster: "
                "it has to start with a letter and hold only letters, digits, '-', '_' and '.'"
            )
        element = self.owners.get(name)
        if element is None:
            return None
        if element.tag not in tags or not _is_ours(element):
            raise NotOurs(
                f"the cluster's configuration already has a {element.tag} named {name}, which is not "
                "Drover's: choose another name, or remove that object first"
            )
        return element


# ---------------------------------------------------------------------------------------------------------
# Between XML and objects

_CONSTRAINT_TAGS = ("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket")
_REFERENCES = ("rsc", "with-rsc", "first", "then")
_SETS = (("params", "instance_attributes"), ("meta", "meta_attributes"), ("utilization", "utilization"))


def _parse(cib: str) -> ET.Element:
    # An administrator's comments are part of the configuration: a parser that drops them would delete them.
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    return ET.fromstring(cib, parser=parser)


def _configuration(root: ET.Element) -> ET.Element:
    return _section(root, "configuration")


def _section(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def _version(root: ET.Element) -> Version:
    return Version(int(root.get("admin_epoch", "0")), int(root.get("epoch", "0")), int(root.get("num_updates", "0")))


def _is_ours(element: ET.Element) -> bool:
    if element.get("id", "").startswith(PREFIX):
        return True
    return element.tag == "primitive" and element.get("provider") == PROVIDER


def _plain_sets(parent: ET.Element | None, tag: str) -> Iterator[ET.Element]:
    """The sets of values that hold at all times: those without a rule."""
    for element in [] if parent is None else parent.findall(tag):
        if element.find("rule") is None:
            yield element


def _values(parent: ET.Element | None, tag: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for group in _plain_sets(parent, tag):
        for pair in group.findall("nvpair"):
            values.setdefault(pair.get("name", ""), pair.get("value", ""))
    return values


def _edit_values(
    parent: ET.Element, tag: str, set_id: str, values: Mapping[str, str | None]
) -> dict[str, tuple[str | None, str | None]]:
    """Give the named values, drop those that are None; returns {name: (old, new)} of what differed."""
    live = _values(parent, tag)
    edits: dict[str, tuple[str | None, str | None]] = {}
    for name, new in sorted(values.items()):
        old = live.get(name)
        if old == new:
            continue
        edits[name] = (old, new)
        pairs = [
            (group, pair)
            for group in _plain_sets(parent, tag)
            for pair in group.findall("nvpair")
            if pair.get("name") == name
        ]
        for group, pair in pairs:
            if new is None:
                group.remove(pair)
            else:
                pair.set("value", new)
        if not pairs and new is not None:
            groups = list(_plain_sets(parent, tag)) or [ET.SubElement(parent, tag, id=set_id)]
            _add_pair(groups[0], name, new)
    return edits


def _add_pair(group: ET.Element, name: str, value: str) -> None:
    ET.SubElement(group, "nvpair", id=f"{group.get('id')}-{name}", name=name, value=value)


def _ordered(primitive: Primitive) -> Primitive:
    operations = tuple(sorted(primitive.operations, key=lambda op: (op.name, op.interval)))
    return replace(primitive, operations=operations)


def _primitive(element: ET.Element) -> Primitive:
    known = {tag for _field, tag in _SETS} | {"operations"}
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
    return _ordered(
        Primitive(
            id=element.get("id", ""),
            cls=element.get("class", ""),
            provider=element.get("provider"),
            type=element.get("type", ""),
            params=_values(element, "instance_attributes"),
            meta=_values(element, "meta_attributes"),
            utilization=_values(element, "utilization"),
            operations=tuple(operations),
            extra=tuple(extra),
        )
    )


def _primitive_element(primitive: Primitive) -> ET.Element:
    element = ET.Element("primitive", id=primitive.id)
    element.set("class", primitive.cls)
    if primitive.provider:
        element.set("provider", primitive.provider)
    element.set("type", primitive.type)
    for name, tag in _SETS:
        values: Mapping[str, str] = getattr(primitive, name)
        if values:
            group = ET.SubElement(element, tag, id=f"{primitive.id}-{tag}")
            for key, value in sorted(values.items()):
                _add_pair(group, key, value)
    if primitive.operations:
        operations = ET.SubElement(element, "operations")
        for op in _ordered(primitive).operations:
            operations.append(_operation_element(primitive.id, op))
    return element


def _operation_element(owner: str, op: Operation) -> ET.Element:
    element = ET.Element(
        "op", id=f"{owner}-{op.name}-{op.interval}", name=op.name, interval=op.interval, timeout=op.timeout
    )
    if op.on_fail:
        element.set("on-fail", op.on_fail)
    return element


def _edit_primitive(element: ET.Element, live: Primitive, wanted: Primitive) -> None:
    """Make the live element the wanted one, keeping what is right already with its ids and its place."""
    new = _primitive_element(wanted)
    element.attrib.update(new.attrib)
    if live.extra:
        element[:] = list(new)
        return
    for name, tag in _SETS:
        values: Mapping[str, str] = getattr(wanted, name)
        gone = {key: None for key in getattr(live, name) if key not in values}
        _edit_values(element, tag, f"{wanted.id}-{tag}", {**values, **gone})
        for group in element.findall(tag):
            if not len(group):
                element.remove(group)
    if live.operations != _ordered(wanted).operations:
        for old in element.findall("operations"):
            element.remove(old)
        operations = new.find("operations")
        if operations is not None:
            element.append(operations)


def _constraint(element: ET.Element) -> Constraint | _Foreign:
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
            if _same(element, _constraint_element(pin)):
                return pin
    references = [element.get(key) for key in _REFERENCES] + [r.get("id") for r in element.iter("resource_ref")]
    xml = ET.tostring(element, encoding="unicode").strip()
    return _Foreign(name, xml, tuple(r for r in references if r))


def _constraint_element(constraint: Constraint) -> ET.Element:
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
    rule = ET.SubElement(element, "rule", id=f"{constraint.id}-rule", score="-INFINITY")
    expression = ET.SubElement(rule, "expression", id=f"{constraint.id}-rule-node", attribute="#uname")
    expression.set("operation", "defined" if constraint.node is None else "ne")
    if constraint.node is not None:
        expression.set("value", constraint.node)
    return element


def _same(one: ET.Element, other: ET.Element) -> bool:
    if one.tag != other.tag or one.attrib != other.attrib or len(one) != len(other):
        return False
    return all(_same(a, b) for a, b in zip(one, other, strict=True))


# ---------------------------------------------------------------------------------------------------------
# For people


def _unfolded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _masked(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Both views with secrets hidden, so that a changed secret still shows as a change."""

    def hide(view: dict[str, Any], other: dict[str, Any], word: str) -> dict[str, Any]:
        params = view.get("params")
        if not isinstance(params, dict):
            return view
        known = other.get("params", {})
        shown = {
            name: (value if not is_secret(name) else "(hidden)" if known.get(name) == value else word)
            for name, value in params.items()
        }
        return {**view, "params": shown}

    return (
        None if before is None else hide(before, after or {}, "(hidden, old)"),
        None if after is None else hide(after, before or {}, "(hidden, new)"),
    )


def _text(value: Any, indent: str = "") -> str:
    """A nested value as text close to YAML, one line per leaf."""
    if value is None:
        return ""
    lines = []
    pairs = value.items() if isinstance(value, dict) else (("-", item) for item in value)
    for key, item in pairs:
        label = f"{indent}-" if key == "-" else f"{indent}{key}:"
        if isinstance(item, (dict, list)) and item:
            lines.append(f"{label}\n{_text(item, indent + '  ')}")
        else:
            lines.append(f"{label} {item if isinstance(item, str) else json.dumps(item)}\n")
    return "".join(lines)
