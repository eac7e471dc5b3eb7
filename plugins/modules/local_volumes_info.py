#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which guests have their volumes on this node's own storage."""

from __future__ import annotations

DOCUMENTATION = r"""
module: local_volumes_info
short_description: Tell which guests have volumes on a node's own storage, and what the cluster knows of all
version_added: 0.2.0
description:
  - Looks for the volumes of guests on storage that is not shared, and asks the cluster where it knows them to be. Every
    member knows that, so it is enough to ask one.
  - A root file system that has been copied to another node does not count.
options:
  guests:
    description: The guests, each with its O(guests[].name) and the O(guests[].paths) of its volumes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the guest.
        type: str
        required: true
      paths:
        description: Where its volumes would be.
        type: list
        elements: path
        required: true
  names:
    description: All guests, of which the cluster is asked by which volumes it knows them.
    type: list
    elements: str
    default: []
  lends:
    description: Lines of C(/etc/subuid) that count as written, as they would be by the run whose dry run this is.
    type: list
    elements: str
    default: []
  move_disks:
    description: Guests whose disks may go to other pools; V(true) are all. Of these RV(moves) is told.
    type: raw
    default: false
    version_added: 0.5.0
  ask_cluster:
    description: Whether this node is to ask the cluster.
    type: bool
    default: true
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Look for volumes
  cspp.drover.local_volumes_info:
    guests:
      - {name: website, paths: [/srv/drover/local/containers/website/rootfs]}
    names: [website, minecraft]
"""

RETURN = r"""
held:
  description: Names of the guests that have a volume here.
  type: list
  elements: str
  returned: always
kept:
  description: By guest, the node that has its data as far as the cluster knows.
  type: dict
  returned: always
known:
  description: By guest that the cluster knows, the paths of its volumes, by a disk's target or C(rootfs).
  type: dict
  returned: always
  sample: {minecraft: {vda: /srv/drover/shared/vms/minecraft/vda.qcow2}}
guests:
  description:
    - Every guest of the cluster by name, with its C(kind), C(uuid), C(macs), C(addresses), and the C(images) that its
      volumes were made from.
  type: dict
  returned: always
moves:
  description:
    - By VM whose disks may be moved, or whose move was begun, the node that it is C(on) as it runs there or its data is
      there (none otherwise), the sources of its C(disks) by target, and the targets whose move was C(begun).
  type: dict
  returned: always
  sample: {minecraft: {on: node1, disks: {}, begun: [vda]}}
id_ranges:
  description: By unprivileged container that the cluster knows, its range of user and group ids.
  type: dict
  returned: always
  sample: {website: {start: 10065536, count: 65536}}
lent:
  description: The ranges of ids that this node lends to containers, each with its start and its size.
  type: list
  elements: list
  returned: always
  sample: [[10000000, 268435456]]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration, read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.disks import record_of
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import data_id, guest_of
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.choice import chosen
from ansible_collections.cspp.drover.plugins.module_utils.declaration.known_guests import identity
from ansible_collections.cspp.drover.plugins.module_utils.declaration.known_volumes import places
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import IDMAP
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_receiver import Folder


def held(paths: list[str]) -> bool:
    """Whether any of a guest's volumes is here, and is not one that has moved away."""
    return any(Path(path).exists() and not Folder(Path(path)).moved.exists() for path in paths)


def kept(live: Configuration, guests: list[str]) -> dict[str, str]:
    """Where the cluster knows their data to be."""
    places_of = ((name, live.constraints.get(data_id(name))) for name in guests)
    return {name: place.node for name, place in places_of if isinstance(place, Location)}


def known(live: Configuration, guests: list[str]) -> dict[str, dict[str, str]]:
    """By which volumes the cluster knows them."""
    resources = live.guests()
    return {name: places(guest_of(resources[name]) or {}) for name in guests if name in resources}


def everybody(live: Configuration) -> dict[str, dict[str, Any]]:
    """What every guest of the cluster is known by."""
    return {name: identity(guest_of(resource) or {}) for name, resource in live.guests().items()}


def id_ranges(live: Configuration) -> dict[str, Any]:
    """The ids of all unprivileged containers."""
    definitions = {name: guest_of(resource) or {} for name, resource in live.guests().items()}
    return {
        name: its.get("idmap") or IDMAP
        for name, its in definitions.items()
        if its.get("kind") == "container" and not its.get("privileged")
    }


def moves(cluster: Pacemaker, live: Configuration, guests: list[str], asked: Any) -> dict[str, dict[str, Any]]:
    """Where the VMs are whose disks may be moved, or are on their way, and what was begun."""
    resources = live.guests()
    begun = {name: record for name in guests if name in resources and (record := record_of(resources[name]))}
    wanted = [name for name in guests if name in resources and (name in begun or chosen(name, asked))]
    vms = {name: its for name in wanted if (its := guest_of(resources[name])) and its.get("kind") == "vm"}
    if not vms:
        return {}
    status = cluster.status()
    data = kept(live, list(vms))
    return {
        name: {
            "on": (seen.node if (seen := status.resource(name)) else None) or data.get(name),
            "disks": {disk["target"]: disk["source"] for disk in its["disks"]},
            "begun": sorted(begun.get(name, {})),
        }
        for name, its in vms.items()
    }


def lent(more: Sequence[str] = (), folder: Path = Path("/etc")) -> list[list[int]]:
    """What root may give to containers, of users and of groups; ``more`` are lines that both files are to have."""
    found: list[set[tuple[int, int]]] = []
    for name in ("subuid", "subgid"):
        file = folder / name
        lines = file.read_text(encoding="ascii", errors="replace").splitlines() if file.exists() else []
        lines += more
        fields = [line.split(":") for line in lines if line.count(":") == 2]
        found.append({(int(a), int(b)) for who, a, b in fields if who in ("root", "0") and (a + b).isdigit()})
    return sorted(map(list, found[0] & found[1]))


def main() -> None:
    guest = {"name": {"type": "str", "required": True}, "paths": {"type": "list", "elements": "path", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "guests": {"type": "list", "elements": "dict", "required": True, "options": guest},
            "names": {"type": "list", "elements": "str", "default": []},
            "lends": {"type": "list", "elements": "str", "default": []},
            "move_disks": {"type": "raw", "default": False},
            "ask_cluster": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    wanted: list[dict[str, Any]] = module.params["guests"]
    with fail_on_error(module, what="The cluster cannot be asked where guests have their data"):
        cluster = Pacemaker()
        live = read(cluster.query()) if module.params["ask_cluster"] else None
        moving = moves(cluster, live, module.params["names"], module.params["move_disks"]) if live else {}
    module.exit_json(
        changed=False,
        kept=kept(live, [entry["name"] for entry in wanted]) if live else {},
        known=known(live, module.params["names"]) if live else {},
        guests=everybody(live) if live else {},
        moves=moving,
        id_ranges=id_ranges(live) if live else {},
        lent=lent(module.params["lends"]),
        held=[entry["name"] for entry in wanted if held(entry["paths"])],
    )


if __name__ == "__main__":
    main()
