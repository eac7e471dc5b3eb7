# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the guests a user declares to what each module of role guests is told.

:class:`Declaration` is read once in a run, on the controller, and everything that follows comes from it: what is wrong,
which images have to be there, which node makes which volumes, and what the cluster is told.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidValue
from ..core.quantities import MIB, format_size
from ..guest.definition import Definition
from ..storage import seed
from ..storage.volumes import Pool, pools_from
from . import networks
from .definitions import definition
from .id_ranges import Area, Choice, choose
from .known_guests import KnownGuests
from .known_volumes import KnownVolumes
from .moving_disks import MovingDisks, refuse
from .nodes import addresses, capacities
from .pool_promises import promises
from .reader import Reading, read
from .types import Cluster, Guest, Node

__all__ = ["Declaration", "nodes", "permission", "wanted_images"]

Images = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Declaration:
    """Guests as declared, read and judged, and the pools that their volumes are in."""

    reading: Reading
    pools: Mapping[str, Pool]

    @classmethod
    def read(cls, guests: object, cluster: Mapping[str, Any]) -> Declaration:
        """Read the value of ``guests:``.

        ``cluster`` is what they are judged against: ``nodes`` (by name, with memory, vcpus, addresses,
        power_controller, cpu_models), ``images`` (by name and kind of guest, how it boots), ``pools`` and
        ``default_pool`` (role storage's), ``bridges`` (role network's), ``ssh_keys``, ``nameservers``,
        ``firewall_sets``, ``firewall_groups`` (role guests'), ``expected_guests`` (role cluster's cluster_guests).
        Raises InvalidValue for a pool of a type that is not known.
        """
        pools = pools_from(cluster["pools"])
        return cls(read(guests, _cluster(cluster, pools)), pools)

    @property
    def present(self) -> list[Guest]:
        """The guests that are to be there, also those that are not to run."""
        return [guest for guest in self.reading.guests.values() if guest.state != "absent"]

    def outline(self) -> dict[str, Any]:
        """What can be told before any node was asked.

        ``problems`` forbid going on, each with its path; ``worth_knowing`` does not; ``images``, as name and kind,
        are those that ``guests`` are made from or boot from; ``local``, for module local_volumes_info, are the guests
        with volumes on storage of one node's own, and where these are there.
        """
        needed: dict[tuple[str, str], list[str]] = {}
        for guest in self.present:
            for image in dict.fromkeys(guest.images):
                needed.setdefault((image, guest.kind), []).append(guest.name)
        # Of what cannot be, nobody asks where it is: a pool that is not for it has no place for it either.
        sound = () if self.reading.problems else self.present
        own = ((guest.name, _local_paths(guest, self.pools)) for guest in sound)
        return {
            "problems": [str(problem) for problem in self.reading.problems],
            "worth_knowing": list(self.reading.warnings),
            "images": [{"name": name, "kind": kind, "guests": its} for (name, kind), its in sorted(needed.items())],
            "local": [{"name": name, "paths": paths} for name, paths in own if paths],
        }

    def plan(
        self,
        images: Images,
        workers: Sequence[str],
        first: str,
        seen: Mapping[str, Mapping[str, Any]],
        recreate: Collection[str] | bool = False,
        rooms: Mapping[str, Mapping[str, int]] | None = None,
        overcommit: float = 1,
        may_restart: Collection[str] | bool = False,
        id_area: Mapping[str, int] | None = None,
        move_disks: Collection[str] | bool = False,
    ) -> dict[str, Any]:
        """What every module is told once the images are built.

        ``images`` are those, by ``KIND/NAME``, as module image returns them. ``workers`` are the nodes that can be
        worked on; what is shared is the business of the ``first``. ``seen`` is what module local_volumes_info said on
        each. ``recreate`` names the guests (True: all) whose volumes may be made anew though the cluster knows them,
        ``may_restart`` those that may be restarted, ``move_disks`` those whose disks may go to other pools. ``rooms``
        has by node the sizes of its pools by path; up to ``overcommit`` times as much may be promised. ``id_area`` is
        role lxc's ``lxc_id_area``.

        ``resources``, for module guests, has every guest with its definition, its wishes and the ``home`` of one on
        local storage; ``as_they_are`` is the same with the disks that are moved where they are now. ``nodes`` has by
        worker its ``volumes``, those that are there once they were ``moved``, and ``leftovers``, all three for module
        volumes, and ``moves`` for module disk_moves. And there is what is ``worth_knowing``. Raises InvalidValue for an
        image that was not built, for guests whose data is on several nodes or in another pool, and when there are no
        ids for a container.
        """
        known = KnownVolumes.of(seen, recreate)
        moving = MovingDisks.of(seen, known, move_disks)
        homes = self._homes(seen, moving)
        ids = self._ids(seen, Area.read(id_area), may_restart)
        elsewhere: list[str] = []
        small: list[str] = []
        kinds = ("volumes", "moved", "leftovers", "moves")
        parts: dict[str, dict[str, list[Any]]] = {node: {kind: [] for kind in kinds} for node in workers}
        resources: list[dict[str, Any]] = []
        wanted: dict[str, Definition | None] = {}
        for guest in self.reading.guests.values():
            if guest.state == "absent":
                wanted[guest.name] = None
                resources.append({"name": guest.name, "state": "absent", "remove_disks": guest.remove_disks})
                for node, part in parts.items() if guest.remove_disks else ():
                    part["leftovers"] += self._leftovers(guest, shared=node == first)
                continue
            its, home = _definition(guest, self.pools, images, ids), homes.get(guest.name)
            resources.append({**_resource(guest, its), "home": home.node if home else None})
            wanted[guest.name] = its
            elsewhere += moving.judge(guest.name, its, home.node if home else first, workers)
            by_moving = moving.left_out(guest.name, its)
            own = set(_local_paths(guest, self.pools))
            small += _too_small(guest, its, images, known)
            for volume in _volumes(guest, its, self.pools, images):
                maker = home.node if home and volume["path"] in own else first
                if maker in parts:
                    moved = volume["path"] in by_moving
                    has = known.has(guest.name, volume["path"]) or (moved and volume["type"] == "disk")
                    lost = {"known": guest.name} if has else {}
                    parts[maker]["moved" if moved else "volumes"].append(volume | lost)
        if refusals := list(map(str, KnownGuests.of(seen).refusals(wanted))):
            raise InvalidValue("\n- ".join([f"{len(refusals)} problem(s) with guests the cluster knows:", *refusals]))
        if small:
            raise InvalidValue("\n- ".join([f"{len(small)} disk(s) have no room for their image:", *small]))
        promised = promises(self.present, {name: home.node for name, home in homes.items()}, self.pools, rooms or {})
        beyond = [promise for promise in promised if promise.promised > promise.has]
        refused = [promise for promise in beyond if promise.promised > promise.has * overcommit]
        if refused:
            raise InvalidValue(
                "\n- ".join([f"{len(refused)} pool(s) would promise too much:", *map(str, refused)]),
                remedy=f"Add storage or make disks smaller, or allow more than {overcommit:g} times what there is "
                "(storage_overcommit).",
            )
        refuse(elsewhere)
        for node, moves in moving.entries.items():
            parts[node]["moves"] = moves
        as_they_are = [
            {**its, "definition": moving.as_it_is(its["name"], its["definition"])} if moving.moves(its["name"]) else its
            for its in resources
        ]
        worries = [f"{promise}: when it is full, VMs are paused" for promise in beyond]
        told = {"resources": resources, "as_they_are": as_they_are, "nodes": parts}
        return {**told, "worth_knowing": [*worries, *ids.worth_knowing()]}

    def _ids(self, seen: Mapping[str, Mapping[str, Any]], area: Area, permitted: Collection[str] | bool) -> Choice:
        """The ids of each unprivileged container."""
        wanted = [guest.name for guest in self.present if guest.kind == "container" and not guest.privileged]
        known = {name: ids for its in seen.values() for name, ids in (its.get("id_ranges") or {}).items()}
        lent = {node: its["lent"] for node, its in seen.items() if its.get("lent") is not None}
        return choose(wanted, known, area, permitted, lent)

    def _homes(self, seen: Mapping[str, Mapping[str, Any]], moving: MovingDisks) -> dict[str, Home]:
        """The home of each guest on local storage."""
        homes: dict[str, Home] = {}
        given = dict.fromkeys(seen, 0)
        for guest in self.present:
            name = guest.name
            if not _local_paths(guest, self.pools):
                continue
            if moves_on := moving.where(name):
                # What is there of it elsewhere, a move has left.
                homes[name] = Home(moves_on, new=False)
                continue
            known = {its["kept"][name] for its in seen.values() if name in its["kept"]}
            holders = sorted(known) or [node for node, its in seen.items() if name in its["held"]]
            if len(holders) > 1:
                raise InvalidValue(
                    f"guests.{name}: {' and '.join(holders)} each have volumes of it, and the cluster does not know "
                    "which are the true ones: remove the others by hand"
                )
            wished = [node for node in guest.placement.prefer if node in seen]
            node = (holders or wished or [min(given, key=lambda node: (given[node], node))])[0]
            given[node] = given.get(node, 0) + guest.promised_memory
            homes[name] = Home(node, new=not holders)
        return homes

    def _leftovers(self, guest: Guest, *, shared: bool) -> Iterator[dict[str, Any]]:
        """The folders of an absent guest whose disks are to go as well; those on shared storage if it is told so."""
        for pool in self.pools.values():
            for folder in pool.folders(guest.name).values() if shared or not pool.shared else ():
                yield {"type": "folder", "path": folder, "label": f"guests.{guest.name}"}


@dataclass(frozen=True)
class Home:
    """The node that has the data of a guest on local storage, or is to make it: of a ``new`` guest nobody has any."""

    node: str
    new: bool


def nodes(
    hosts: Sequence[Mapping[str, Any]], reserve: str | int = 0, overcommit: int = 1, memory_overcommit: float = 1
) -> dict[str, dict[str, Any]]:
    """The ``nodes`` of ``cluster`` from the variables of each host; what could not be asked of a node is left out.

    ``reserve`` is the memory that a node keeps for itself, ``overcommit`` the virtual processors for each processor,
    ``memory_overcommit`` by how much of its memory more than that may be promised.
    """
    found: dict[str, dict[str, Any]] = {}
    capacity = capacities(hosts, reserve, overcommit, memory_overcommit)
    for host in hosts:
        name = str(host["inventory_hostname"])
        interfaces = (host.get("node_facts") or {}).get("interfaces") or {}
        own = [address for interface in interfaces.values() for address in interface["addresses"]]
        found[name] = {"addresses": own or [address for address in addresses([host]).values() if _is_ip(address)]}
        if controller := (host.get("fencing_bmc") or {}).get("address"):
            found[name]["power_controller"] = str(controller)
        if models := (host.get("node_facts") or {}).get("cpu_models"):
            found[name]["cpu_models"] = list(models)
        if name in capacity:
            its = capacity[name]["utilization"]
            found[name] |= {"memory": int(its["memory"]) * MIB, "vcpus": int(its["vcpus"])}
    return found


def _is_ip(text: str) -> bool:
    """Whether it is an IP address; a node that could not be asked may be known by a host name alone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def wanted_images(
    images: Iterable[Mapping[str, Any]], seen: Mapping[str, Mapping[str, Any]], recreate: Collection[str] | bool = False
) -> list[dict[str, Any]]:
    """The ``images`` of :meth:`Declaration.outline` for module image: fresh are those that a new guest is made from."""
    known = KnownVolumes.of(seen, recreate)
    return [
        {"name": its["name"], "kind": its["kind"], "fresh": any(known.new(guest) for guest in its["guests"])}
        for its in images
    ]


def permission(value: object) -> list[str] | bool:
    """For module guests, from what people write for ``guests_allow_restart``: names, a list of them, or ``all``."""
    names = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    stripped = [str(name).strip() for name in names]
    return True if value is True or "all" in stripped else [name for name in stripped if name]


def _cluster(cluster: Mapping[str, Any], pools: Mapping[str, Pool]) -> Cluster:
    known = cluster["nodes"]
    return Cluster(
        nodes={name: Node(node.get("memory"), node.get("vcpus")) for name, node in known.items()},
        images=cluster["images"],
        pools=cluster["pools"],
        default_pool=cluster["default_pool"],
        rootfs_pool=cluster.get("rootfs_pool"),
        kinds={name: str(pool.get("type")) for name, pool in cluster["pools"].items()},
        local_pools=[name for name, pool in pools.items() if not pool.shared],
        bridges=networks.bridges(cluster.get("bridges") or {}) or None,
        taken=networks.machines(known, cluster["pools"]),
        cpu_models=_common(node["cpu_models"] for node in known.values() if node.get("cpu_models")),
        expected_guests=cluster.get("expected_guests"),
        ssh_keys=cluster.get("ssh_keys", ()),
        nameservers=cluster.get("nameservers", ()),
        firewall_sets=cluster.get("firewall_sets", {}),
        firewall_groups=cluster.get("firewall_groups", {}),
    )


def _common(lists: Iterable[Collection[str]]) -> frozenset[str] | None:
    """What is in all of them; None when there is no list."""
    sets = [frozenset(entries) for entries in lists]
    return frozenset.intersection(*sets) if sets else None


def _image(images: Images, kind: str, name: str) -> dict[str, Any]:
    """An image with the paths of its files made absolute. Raises InvalidValue when it was not built."""
    try:
        image = images[f"{kind}/{name}"]
    except KeyError:
        raise InvalidValue(f"image {name} for a {kind} was not built: run role images for it") from None
    return {**image, "files": {key: f"{image['path']}/{file}" for key, file in image["files"].items()}}


def _definition(guest: Guest, pools: Mapping[str, Pool], images: Images, ids: Choice) -> Definition:
    kernels = {}
    if guest.image:
        image = _image(images, "vm", guest.image)
        kernels[guest.image] = {**image["files"], "cmdline": image["cmdline"]}
    return definition(guest, pools, kernels, ids.ranges.get(guest.name))


def _local_paths(guest: Guest, pools: Mapping[str, Pool]) -> list[str]:
    """The places of the guest's volumes on storage of one node's own."""
    if guest.rootfs is not None:
        sources = [pools[guest.rootfs.pool].rootfs(guest.name)]
    else:
        sources = [pools[disk.pool].disk(guest.name, disk.target) for disk in guest.disks]
        sources.append(pools[guest.seed_pool].seed(guest.name))
    return [source["path"] for source in sources if source.get("shared") is False]


def _too_small(guest: Guest, its: Definition, images: Images, known: KnownVolumes) -> Iterator[str]:
    """Disks to be made that are smaller than what they are to be a copy of."""
    for index, disk in enumerate(guest.disks):
        least = int(_image(images, "vm", disk.image).get("size") or 0) if disk.image else 0
        if disk.size < least and not known.has(guest.name, its["disks"][index]["source"]["path"]):
            yield (
                f"guests.{guest.name}.disks[{index}].size: {format_size(disk.size)} is less than the "
                f"{format_size(least)} of image {disk.image}"
            )


def _volumes(guest: Guest, its: Definition, pools: Mapping[str, Pool], images: Images) -> Iterator[dict[str, Any]]:
    path = f"guests.{guest.name}"
    if guest.rootfs is not None:
        folders = pools[guest.rootfs.pool].folders(guest.name)
        yield {
            "type": "rootfs",
            "path": its["rootfs"]["path"],
            "size": guest.rootfs.size or 0,
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
        "state": guest.state,
        "definition": its,
        "ha": {**vars(guest.ha)} if guest.ha else False,
        "prefer": list(guest.placement.prefer),
        "apart_from": list(guest.placement.apart_from),
        "together_with": list(guest.placement.together_with),
    }
