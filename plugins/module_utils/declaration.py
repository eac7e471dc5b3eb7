# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the guests a user declares to what each module of role guests is told.

All functions take the value of ``guests:`` and ``cluster``, what they are judged against, as the role has it:
``nodes`` (by name, with memory, vcpus, addresses), ``images`` (by name and kind of guest, how it boots), ``pools``
and ``default_pool`` (role storage's), ``bridges``, ``ssh_keys``, ``nameservers``. ``images`` are the images as built,
by ``KIND/NAME``, as module image returns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import seed
from .declared import Cluster, Guest, Node
from .defining import definition
from .definition import Definition
from .model import Reading, read
from .nodes import addresses, capacities
from .storage import Pool, pools_from
from .units import MIB

__all__ = [
    "homes",
    "images_needed",
    "leftovers",
    "local",
    "nodes",
    "permission",
    "problems",
    "report",
    "resources",
    "restarts",
    "volumes",
    "warnings",
]

Images = Mapping[str, Mapping[str, Any]]


def problems(guests: object, cluster: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the guests, each with its path."""
    return [str(problem) for problem in _read(guests, cluster).problems]


def warnings(guests: object, cluster: Mapping[str, Any]) -> list[str]:
    """What is possible, but not what the user may think."""
    return list(_read(guests, cluster).warnings)


def nodes(hosts: Sequence[Mapping[str, Any]], reserve: str | int = 0) -> dict[str, dict[str, Any]]:
    """The ``nodes`` of ``cluster`` from the variables of each host; what could not be asked of a node is left out.

    ``reserve`` is the memory that a node keeps for itself.
    """
    found: dict[str, dict[str, Any]] = {}
    for host, capacity in ((host, capacities([host], reserve)) for host in hosts):
        name = str(host["inventory_hostname"])
        interfaces = (host.get("node_facts") or {}).get("interfaces") or {}
        own = [address for interface in interfaces.values() for address in interface["addresses"]]
        found[name] = {"addresses": own or list(addresses([host]).values())}
        if name in capacity:
            its = capacity[name]["utilization"]
            found[name] |= {"memory": int(its["memory"]) * MIB, "vcpus": int(its["vcpus"])}
    return found


def permission(value: object) -> list[str] | bool:
    """For module guests, from what people write for ``guests_allow_restart``: names, a list of them, or ``all``."""
    names = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    stripped = [str(name).strip() for name in names]
    return True if value is True or "all" in stripped else [name for name in stripped if name]


def images_needed(guests: object, cluster: Mapping[str, Any]) -> list[dict[str, str]]:
    """The images that guests are made from or boot from, as name and kind."""
    needed = {(image, guest.kind) for guest in _present(guests, cluster) for image in guest.images}
    return [{"name": name, "kind": kind} for name, kind in sorted(needed)]


def local(guests: object, cluster: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For module local_volumes_info: the guests with volumes on storage of one node's own, and where they are there."""
    pools = pools_from(cluster["pools"])
    found = {guest.name: _local_paths(guest, pools) for guest in _present(guests, cluster)}
    return [{"name": name, "paths": paths} for name, paths in found.items() if paths]


def homes(
    guests: object, cluster: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Which node has the volumes of each guest on local storage, or is to make them.

    ``seen`` is what module local_volumes_info said on each node. By guest a mapping with ``node``, and ``new`` for a
    guest whose volumes nobody has. Raises ValueError for one whose volumes are on several nodes, and nobody knows
    which are the true ones.
    """
    found: dict[str, dict[str, Any]] = {}
    given = dict.fromkeys(seen, 0)
    declared = {guest.name: guest for guest in _present(guests, cluster)}
    for name in (entry["name"] for entry in local(guests, cluster)):
        kept = {its["kept"][name] for its in seen.values() if name in its["kept"]}
        holders = sorted(kept) or [node for node, its in seen.items() if name in its["held"]]
        if len(holders) > 1:
            raise ValueError(
                f"guests.{name}: {' and '.join(holders)} each have volumes of it, and the cluster does not know which "
                "are the true ones: remove the others by hand"
            )
        wished = [node for node in declared[name].placement.prefer if node in seen]
        node = (holders or wished or [min(given, key=lambda node: (given[node], node))])[0]
        given[node] = given.get(node, 0) + declared[name].memory
        found[name] = {"node": node, "new": not holders}
    return found


def volumes(
    guests: object,
    cluster: Mapping[str, Any],
    images: Images,
    where: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """For module volumes on one node: its part of the volumes of all guests that are to be.

    ``where`` says which: ``node``, its name; ``first``, whether the shared ones are its business; and ``homes``, as
    :func:`homes` found them. A root file system that the cluster knows of is not made anew on local storage: it may
    be on its way to another node.
    """
    pools = pools_from(cluster["pools"])
    found = []
    for guest in _present(guests, cluster):
        home = where["homes"].get(guest.name, {"node": None, "new": True})
        own = set(_local_paths(guest, pools))
        for volume in _volumes(guest, pools, images):
            here = home["node"] == where["node"] if volume["path"] in own else where["first"]
            if here and (home["new"] or volume["type"] != "rootfs"):
                found.append(volume)
    return found


def leftovers(guests: object, cluster: Mapping[str, Any], first: bool) -> list[dict[str, Any]]:
    """For module volumes on one node: the folders of absent guests whose disks are to go as well.

    Those on shared storage are the business of the ``first`` node.
    """
    return [
        {"type": "folder", "path": folder, "label": f"guests.{guest.name}"}
        for guest in _read(guests, cluster).guests.values()
        if guest.state == "absent" and guest.remove_disks
        for pool in pools_from(cluster["pools"]).values()
        if first or not pool.shared
        for folder in pool.folders(guest.name).values()
    ]


def resources(
    guests: object, cluster: Mapping[str, Any], images: Images, where: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """For module guests: every guest with its definition and its wishes. ``where`` is what :func:`homes` found."""
    pools = pools_from(cluster["pools"])
    return [
        {**_resource(guest, _definition(guest, pools, images)), "home": where.get(guest.name, {}).get("node")}
        if guest.state == "present"
        else {"name": guest.name, "state": "absent"}
        for guest in _read(guests, cluster).guests.values()
    ]


def restarts(states: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the guests that need a restart for their changes; ``states`` is what each node says of those it runs."""
    return sorted(
        name
        for state in states
        for name, guest in state.items()
        if any(change["how"] == "restart" for change in guest["changes"])
    )


def report(
    outcome: Mapping[str, Any], states: Iterable[Mapping[str, Any]], worth_knowing: Iterable[str] = ()
) -> list[str]:
    """For people: a line per guest with its node, what has come of its changes, and what the cluster does about it all.

    ``outcome`` is the result of module guests, ``states`` what module guest_state_info said on each node before.
    """
    guests = outcome["guests"]
    changes = {name: guest["changes"] for state in states for name, guest in state.items()}
    width = max(map(len, guests), default=0)
    lines: list[str] = []
    for name, guest in sorted(guests.items()):
        lines.append(f"{name:{width}}  {guest['state']}" + (f" on {guest['node']}" if guest["node"] else ""))
        lines += (f"{'':{width}}    {_change(change, guest)}" for change in changes.get(name, ()))
    lines += (f"The cluster: {sentence}" for sentence in outcome["plan"])
    lines += (f"Left as it was set by hand: {setting}" for setting in outcome["kept"])
    lines += (f"Worth knowing: {warning}" for warning in worth_knowing)
    pending = sorted(name for name, guest in guests.items() if guest["pending_restart"])
    if pending:
        lines += [
            "What waits for a restart comes with the next one. To restart now:",
            f"  ansible-playbook playbooks/guests.yml -e guests_allow_restart={','.join(pending)}",
        ]
    return lines or ["No guest is declared to be there."]


def _change(change: Mapping[str, Any], guest: Mapping[str, Any]) -> str:
    what = f"{change['path']}: {change['before'] or 'nothing'} -> {change['after'] or 'nothing'}"
    return f"{what} (waits for a restart)" if change["how"] == "restart" and guest["pending_restart"] else what


def _read(guests: object, cluster: Mapping[str, Any]) -> Reading:
    known = cluster["nodes"]
    return read(
        guests,
        Cluster(
            nodes={name: Node(node.get("memory"), node.get("vcpus")) for name, node in known.items()},
            images=cluster["images"],
            pools=cluster["pools"],
            default_pool=cluster["default_pool"],
            local_pools=[name for name, pool in pools_from(cluster["pools"]).items() if not pool.shared],
            bridges=cluster.get("bridges") or None,
            taken={
                address.partition("/")[0]: f"node {name}"
                for name, node in known.items()
                for address in node.get("addresses", ())
            },
            ssh_keys=cluster.get("ssh_keys", ()),
            nameservers=cluster.get("nameservers", ()),
        ),
    )


def _present(guests: object, cluster: Mapping[str, Any]) -> list[Guest]:
    return [guest for guest in _read(guests, cluster).guests.values() if guest.state == "present"]


def _image(images: Images, kind: str, name: str) -> dict[str, Any]:
    """An image with the paths of its files made absolute. Raises ValueError when it was not built."""
    try:
        image = images[f"{kind}/{name}"]
    except KeyError:
        raise ValueError(f"image {name} for a {kind} was not built: run role images for it") from None
    return {**image, "files": {key: f"{image['path']}/{file}" for key, file in image["files"].items()}}


def _definition(guest: Guest, pools: Mapping[str, Pool], images: Images) -> Definition:
    kernels = {}
    if guest.image:
        image = _image(images, "vm", guest.image)
        kernels[guest.image] = {**image["files"], "cmdline": image["cmdline"]}
    return definition(guest, pools, kernels)


def _local_paths(guest: Guest, pools: Mapping[str, Pool]) -> list[str]:
    """The places of the guest's volumes on storage of one node's own."""
    if guest.rootfs is not None:
        sources = [pools[guest.rootfs.pool].rootfs(guest.name)]
    else:
        sources = [pools[disk.pool].disk(guest.name, disk.target) for disk in guest.disks]
        sources.append(pools[guest.seed_pool].seed(guest.name))
    return [source["path"] for source in sources if source.get("shared") is False]


def _volumes(guest: Guest, pools: Mapping[str, Pool], images: Images) -> Iterator[dict[str, Any]]:
    path = f"guests.{guest.name}"
    its = _definition(guest, pools, images)
    if guest.rootfs is not None:
        folders = pools[guest.rootfs.pool].folders(guest.name)
        yield {
            "type": "rootfs",
            "path": its["rootfs"]["path"],
            "label": f"{path}.rootfs",
            "image": _image(images, "container", guest.rootfs.image)["files"]["rootfs"],
            "files": seed.container_files(guest.name, ssh_keys=guest.ssh_keys, nameservers=guest.nameservers),
            "idmap": None if guest.privileged else its["idmap"],
            "rival": folders["vm"],
        }
        return
    rival = pools[guest.seed_pool].folders(guest.name)["container"]
    for index, disk in enumerate(guest.disks):
        yield {
            "type": "disk",
            "path": its["disks"][index]["source"]["path"],
            "label": f"{path}.disks[{index}]",
            "size": disk.size,
            "image": _image(images, "vm", disk.image)["files"]["disk"] if disk.image else None,
        }
    yield {
        "type": "seed",
        "path": its["disks"][-1]["source"]["path"],
        "label": path,
        "rival": rival,
        "files": seed.vm_files(
            guest.name, guest.uuid, its["nics"], ssh_keys=guest.ssh_keys, nameservers=guest.nameservers
        ),
    }


def _resource(guest: Guest, its: Definition) -> dict[str, Any]:
    return {
        "name": guest.name,
        "state": "present",
        "definition": its,
        "ha": {"priority": guest.priority} if guest.ha else False,
        "prefer": list(guest.placement.prefer),
        "apart_from": list(guest.placement.apart_from),
        "together_with": list(guest.placement.together_with),
    }
