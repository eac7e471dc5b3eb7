# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model a user writes: guests as YAML, read and judged as a whole before anything is touched.

``read`` turns the YAML into :class:`declared.Guest` objects and collects everything that is wrong with it, each with
its path in the YAML.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

from ..core import parse
from ..core.quantities import MIB, format_size, parse_duration
from ..guest.definition import derived_mac, derived_uuid
from .placement import impossibilities, worries
from .types import Cluster, Disk, Guest, Kind, Migration, Nic, Placement, Rootfs

__all__ = ["Reading", "read"]

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_TARGET = re.compile(r"vd[a-y]")
_SSH_KEY = re.compile(r"(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+( .*)?")
_MAX_DOWNTIME_CEILING_MS = 300
_LEAST_MEMORY = 32 * MIB
_NONE: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What ``read`` made of the YAML: guests by name, what forbids going on, and what is only worth knowing."""

    guests: Mapping[str, Guest]
    problems: tuple[parse.Problem, ...]
    warnings: tuple[str, ...]


def read(guests: object, cluster: Cluster) -> Reading:
    """Read the value of ``guests:`` and judge it as a whole. Problems come in the order of the guests."""
    if not isinstance(guests, Mapping):
        return Reading({}, (parse.Problem("guests", "is not a mapping from names to guests"),), ())
    found: dict[str, Guest] = {}
    problems: dict[str, list[parse.Problem]] = {}
    for name, entry in ((str(key), entry) for key, entry in guests.items()):
        path = f"guests.{name}"
        its = problems.setdefault(name, [])
        its += (parse.Problem(path, message) for message in _name_problems(name, cluster))
        if not isinstance(entry, Mapping):
            its.append(parse.Problem(path, "is not a mapping with the guest's properties"))
        else:
            found[name] = _guest(name, parse.Fields(entry, path, its), cluster)
    present = {name: guest for name, guest in found.items() if guest.state == "present"}
    for name, at, text in (*_duplicates(present, cluster), *impossibilities(present, cluster.nodes)):
        problems[name].append(parse.Problem(f"guests.{name}.{at}", text))
    warnings = (*worries(present, cluster.nodes), *_bound(present, cluster))
    return Reading(found, tuple(dict.fromkeys(chain.from_iterable(problems.values()))), warnings)


# --- reading one guest ---------------------------------------------------------------------------------------


def _guest(name: str, fields: parse.Fields, cluster: Cluster) -> Guest:
    state = fields.take("state", parse.member(("present", "absent"), "a state"), "present")
    remove_disks = fields.take("remove_disks", parse.boolean, False)
    if state == "absent":
        return Guest(name, state="absent", remove_disks=remove_disks)
    if remove_disks:
        fields.note("remove_disks", "only goes with state: absent")
    kind: Kind = fields.require("kind", _kind, "vm", "vm or container")
    ha, priority = _ha(fields)
    own_keys = fields.take("ssh_keys", parse.list_of(_ssh_key), _NONE)
    guest = Guest(
        name,
        kind=kind,
        description=fields.take("description", parse.string, ""),
        memory=fields.require("memory", _memory, _LEAST_MEMORY, "such as 512MiB"),
        nics=tuple(_nic(name, index, nic, cluster) for index, nic in enumerate(fields.each("nics"))),
        ssh_keys=tuple(dict.fromkeys([*cluster.ssh_keys, *own_keys])),
        nameservers=fields.take("nameservers", parse.list_of(parse.ip), tuple(cluster.nameservers)),
        ha=ha,
        priority=priority,
        placement=_placement(fields.section("placement")),
        stop_timeout=fields.take("stop_timeout", parse.positive(parse_duration), 60_000 if kind == "vm" else 30_000),
    )
    return _vm(guest, fields, cluster) if kind == "vm" else _container(guest, fields, cluster)


def _vm(guest: Guest, fields: parse.Fields, cluster: Cluster) -> Guest:
    vcpus = fields.take("vcpus", parse.count, 1)
    max_vcpus = fields.take("max_vcpus", parse.count, vcpus)
    max_memory = fields.take("max_memory", _memory, guest.memory)
    if max_vcpus < vcpus:
        fields.note("max_vcpus", f"is less than the {vcpus} vcpus it starts with")
    if max_memory < guest.memory:
        fields.note("max_memory", f"is less than the {format_size(guest.memory)} it starts with")
    image = fields.take("image", _image(cluster, "vm", "kernel"), None)
    disks = tuple(_disk(index, disk, cluster) for index, disk in enumerate(fields.each("disks")))
    pools = {disk.pool for disk in disks} or {cluster.default_pool}
    targets = [disk.target for disk in disks]
    for target in sorted({target for target in targets if targets.count(target) > 1}):
        fields.note("disks", f"{target} is the target of more than one")
    if not disks and "disks" not in fields.values and "image" not in fields.values:
        fields.note(
            "disks", "is missing: the VM has nothing to boot from, e.g. disks: [{size: 8GiB, image: debian-13}]"
        )
    guest = replace(
        guest,
        vcpus=vcpus,
        max_vcpus=max_vcpus,
        max_memory=max_memory,
        cpu=fields.take("cpu", parse.string, None),
        uuid=fields.take("uuid", parse.uuid, derived_uuid(guest.name)),
        image=image,
        disks=disks,
        seed_pool=disks[0].pool if disks else cluster.default_pool,
        migration=_migration(fields.section("migration"), local=bool(pools.intersection(cluster.local_pools))),
    )
    fields.done({"rootfs": "is for containers: a VM has disks", "privileged": "is for containers"})
    return guest


def _container(guest: Guest, fields: parse.Fields, cluster: Cluster) -> Guest:
    rootfs = fields.section("rootfs")
    guest = replace(
        guest,
        vcpus=fields.take("vcpus", parse.count, 1),
        privileged=fields.take("privileged", parse.boolean, False),
        rootfs=Rootfs(
            image=rootfs.require("image", _image(cluster, "container", "rootfs"), "", "such as debian-13"),
            size=rootfs.take("size", parse.size, None),
            pool=rootfs.take("pool", parse.member(cluster.pools, "a storage pool"), cluster.default_pool),
        ),
    )
    rootfs.done()
    only_vm = "is for VMs: a container"
    if guest.rootfs is not None and guest.rootfs.pool in cluster.local_pools:
        guest = replace(guest, migration=_copying(fields.section("migration")))
    fields.done(
        {
            "disks": f"{only_vm} has a rootfs",
            "image": f"{only_vm} has its image in rootfs",
            "cpu": f"{only_vm} runs on the node's CPU",
            "uuid": f"{only_vm} has none",
            "max_vcpus": f"{only_vm}'s limits can always be changed while it runs",
            "max_memory": f"{only_vm}'s limits can always be changed while it runs",
            "migration": f"{only_vm} on shared storage moves by stopping and starting",
        }
    )
    return guest


def _disk(index: int, fields: parse.Fields, cluster: Cluster) -> Disk:
    target = parse.matching(_TARGET, "a disk name from vda to vdy")
    disk = Disk(
        target=fields.take("target", target, f"vd{chr(ord('a') + index)}"),
        size=fields.require("size", parse.size, 0, "such as 20GiB"),
        image=fields.take("image", _image(cluster, "vm", "disk"), None),
        pool=fields.take("pool", parse.member(cluster.pools, "a storage pool"), cluster.default_pool),
    )
    fields.done()
    return disk


def _nic(name: str, index: int, fields: parse.Fields, cluster: Cluster) -> Nic:
    bridge = parse.string if cluster.bridges is None else parse.member(cluster.bridges, "a bridge in network_bridges")
    addresses = _one_or_more(fields, "address", "addresses", parse.address)
    gateways = _one_or_more(fields, "gateway", "gateways", parse.ip)
    networks = [ipaddress.ip_interface(address) for address in addresses]
    for gateway in map(ipaddress.ip_address, gateways):
        if not any(gateway in interface.network for interface in networks):
            fields.note("gateway", f"{gateway} is not on the network of any address of this interface")
        elif any(gateway == interface.ip for interface in networks):
            fields.note("gateway", f"{gateway} is the interface's own address")
    nic = Nic(
        bridge=fields.require("bridge", bridge, "", "such as br0"),
        mac=fields.take("mac", parse.mac, derived_mac(name, index)),
        vlan=fields.take("vlan", parse.within(1, 4094), None),
        mtu=fields.take("mtu", parse.within(576, 9216), None),
        addresses=addresses,
        gateways=gateways,
    )
    fields.done()
    return nic


def _one_or_more(fields: parse.Fields, one: str, more: str, parser: Callable[[Any], str]) -> tuple[str, ...]:
    """Both spellings of a value that is mostly single: ``address: A`` and ``addresses: [A, B]``."""
    single = fields.take(one, parser, None)
    several = fields.take(more, parse.list_of(parser), _NONE)
    if single is not None and several:
        fields.note(one, f"give either {one} or {more}")
    return several if single is None else (single,)


def _ha(fields: parse.Fields) -> tuple[bool, int]:
    if isinstance(fields.values.get("ha"), Mapping):
        section = fields.section("ha")
        priority = section.take("priority", parse.within(0, 1_000_000), 0)
        section.done()
        return True, priority
    return fields.take("ha", parse.boolean, True), 0


def _placement(fields: parse.Fields) -> Placement:
    names = parse.list_of(parse.string)
    placement = Placement(
        prefer=fields.take("prefer", names, _NONE),
        apart_from=fields.take("apart_from", names, _NONE),
        together_with=fields.take("together_with", names, _NONE),
    )
    fields.done()
    return placement


def _migration(fields: parse.Fields, *, local: bool) -> Migration:
    default = Migration()
    post_copy = fields.take("post_copy", _post_copy, default.post_copy)
    bandwidth = fields.take("bandwidth", _bandwidth, default.bandwidth)
    one_channel = post_copy == "fallback" or bandwidth is not None
    migration = Migration(
        max_downtime=fields.take("max_downtime", _downtime, default.max_downtime),
        bandwidth=bandwidth,
        timeout=fields.take("timeout", parse.positive(parse_duration), None),
        auto_converge=fields.take("auto_converge", parse.boolean, default.auto_converge),
        post_copy=post_copy,
        channels=fields.take("channels", parse.within(1, 16), 1 if one_channel else default.channels),
    )
    if migration.post_copy == "fallback" and migration.channels > 1:
        fields.note("channels", "parallel channels and post_copy exclude each other: leave out one of them")
    elif migration.bandwidth is not None and migration.channels > 1:
        fields.note(
            "channels",
            "parallel channels with a bandwidth can cost the VM its life when the target fails: leave out one of them",
        )
    if migration.post_copy == "fallback" and local:
        fields.note(
            "post_copy",
            "the VM has disks on storage of one node's own, and would lose what it wrote when its post-copy fails",
        )
    fields.done()
    return migration


def _copying(fields: parse.Fields) -> Migration:
    """What can be said of the move of a container whose root file system is copied."""
    default = Migration()
    migration = Migration(
        bandwidth=fields.take("bandwidth", _bandwidth, default.bandwidth),
        timeout=fields.take("timeout", parse.positive(parse_duration), None),
    )
    fields.done({"max_downtime": "is for VMs: a container is stopped while what has changed last is copied"})
    return migration


# --- judging all guests together -----------------------------------------------------------------------------


def _name_problems(name: str, cluster: Cluster) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield "a guest's name is a host name: lower-case letters, digits and dashes, at most 63, a letter first"
    if name.startswith("drover-"):
        yield "names that start with drover- are kept for Drover's own objects in the cluster"
    if name in cluster.nodes:
        yield "is the name of a node"


def _duplicates(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """What two guests cannot both have, as (guest, path within it, message)."""
    owners = {str(ipaddress.ip_address(address)): owner for address, owner in cluster.taken.items()}
    macs: dict[str, str] = {}
    uuids: dict[str, str] = {}
    for name, guest in guests.items():
        if guest.uuid in uuids:
            yield name, "uuid", f"{guest.uuid} is also that of {uuids[guest.uuid]}"
        elif guest.uuid:
            uuids[guest.uuid] = f"guests.{name}"
        for index, nic in enumerate(guest.nics):
            at = f"nics[{index}]"
            path = f"guests.{name}.{at}"
            if (first := macs.setdefault(nic.mac, path)) != path:
                yield name, f"{at}.mac", f"{nic.mac} is also that of {first}"
            for address in nic.addresses:
                ip = address.partition("/")[0]
                if (owner := owners.setdefault(ip, path)) != path:
                    yield name, f"{at}.address", f"{ip} is also the address of {owner}"


def _bound(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[str]:
    """What high availability cannot do."""
    for name, guest in guests.items():
        pools = {disk.pool for disk in guest.disks} | ({guest.rootfs.pool} if guest.rootfs else {guest.seed_pool})
        local = sorted(pools.intersection(cluster.local_pools))
        if local and guest.ha:
            yield (
                f"{name} is on storage of one node's own (pool {', '.join(local)}): when that node is lost, it waits "
                "for its return"
            )


# --- parsers of this model's own -----------------------------------------------------------------------------


def _memory(value: object) -> int:
    memory = parse.size(value)
    if memory < _LEAST_MEMORY:
        raise ValueError(f"{format_size(memory)} is too little to start anything: give {format_size(_LEAST_MEMORY)}")
    return memory


def _bandwidth(value: object) -> int:
    # 128MiB and 128MiB/s both read as what is meant.
    return parse.size(value.removesuffix("/s") if isinstance(value, str) else value)


def _downtime(value: object) -> int:
    downtime = parse.positive(parse_duration)(value)
    if downtime > _MAX_DOWNTIME_CEILING_MS:
        raise ValueError(f"a pause of more than {_MAX_DOWNTIME_CEILING_MS}ms cuts connections: ask for less")
    return downtime


def _post_copy(value: object) -> Literal["never", "fallback"]:
    return "never" if parse.member(("never", "fallback"), "a policy")(value) == "never" else "fallback"


def _kind(value: object) -> Kind:
    return "vm" if parse.member(("vm", "container"), "a kind of guest")(value) == "vm" else "container"


def _image(cluster: Cluster, kind: Kind, boot: str) -> Callable[[object], str]:
    known = {name for name, kinds in cluster.images.items() if kind in kinds}
    image = parse.member(known, f"an image for a {kind}")

    def read_image(value: object) -> str:
        name = image(value)
        if (its := cluster.images[name][kind]) != boot:
            place = {"kernel": "image of the VM itself", "disk": "image of the VM's first disk"}[its]
            raise ValueError(f"{name!r} boots from a {its}: make it the {place}")
        return name

    return read_image


_ssh_key = parse.matching(_SSH_KEY, "a public SSH key such as 'ssh-ed25519 AAAA… you@laptop'")
