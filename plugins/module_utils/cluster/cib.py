# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster's configuration (Pacemaker's CIB) as planners see it: what of it is Drover's, and what nodes have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .cib_xml import configuration_of, constraint_of, is_ours, parse, primitive_of, values_of, version_of
from .objects import PROVIDER, RECOVERY, Constraint, Foreign, NodeSettings, Primitive, Version
from .recovery import Failures, failures_of

__all__ = ["Configuration", "read"]


@dataclass(frozen=True)
class Configuration:
    """What the planners need to know of a live CIB.

    ``primitives`` and ``constraints`` hold our objects only, ``members`` all names of nodes by their id,
    and ``nodes`` their permanent settings. ``failures`` are what guests have failed at of late, by guest and node.
    """

    version: Version
    primitives: Mapping[str, Primitive]
    constraints: Mapping[str, Constraint]
    nodes: Mapping[str, NodeSettings]
    properties: Mapping[str, str]
    failures: Mapping[str, Mapping[str, Failures]] = field(default_factory=dict)

    def guests(self) -> dict[str, Primitive]:
        """The guests among the resources, by name."""
        return {name: p for name, p in self.primitives.items() if p.provider == PROVIDER}

    def recovering(self) -> set[str]:
        """The guests that Drover has taken out of Pacemaker's hands, to put them in order."""
        return {name for name, guest in self.guests().items() if RECOVERY in guest.meta}

    def standby(self) -> set[str]:
        """The nodes that are in standby by a permanent attribute."""
        return {n for n, node in self.nodes.items() if node.attributes.get("standby") in {"on", "true"}}


@lru_cache(maxsize=2)
def read(cib: str) -> Configuration:
    """Parse a CIB. Raises xml.etree.ElementTree.ParseError on text that isn't XML.

    The last two are remembered: one run looks at the same CIB from several sides, and a large one takes its time.
    """
    root = parse(cib)
    configuration = configuration_of(root)
    primitives = {}
    for element in configuration.iterfind("resources//primitive"):
        if is_ours(element):
            primitives[element.get("id", "")] = primitive_of(element)
    constraints: dict[str, Constraint] = {}
    for element in configuration.iterfind("constraints/*"):
        if is_ours(element) and not isinstance(found := constraint_of(element), Foreign):
            constraints[found.id] = found
    nodes = {}
    for element in configuration.iterfind("nodes/node"):
        name = element.get("uname", "")
        nodes[name] = NodeSettings(name, values_of(element, "instance_attributes"), values_of(element, "utilization"))
    properties = values_of(configuration.find("crm_config"), "cluster_property_set")
    return Configuration(version_of(root), primitives, constraints, nodes, properties, failures_of(root))
