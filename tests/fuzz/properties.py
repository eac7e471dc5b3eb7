# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to hold of any declaration: refused in words, or accepted and then rendered as it was declared.

Everything that is made of it is parsed back, by other means than those that made it: the domain XML, the
configuration of LXC, the change of the cluster's configuration, and what cloud-init reads.
"""

from __future__ import annotations

import ipaddress
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from ansible_collections.cspp.drover.plugins.module_utils.cluster import cib
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import plan_guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus, NodeStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import KIB
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration
from ansible_collections.cspp.drover.plugins.module_utils.declaration.types import Guest, Nic
from ansible_collections.cspp.drover.plugins.module_utils.guest import definition as definitions
from ansible_collections.cspp.drover.plugins.module_utils.host.guest_arguments import specification
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml, filter_rules, lxc_config

__all__ = ["broken"]

_LONGEST = 1000
CLUSTER: dict[str, Any] = {
    "nodes": {
        "node1": {"memory": 1 << 40, "vcpus": 1024, "addresses": ["10.0.0.11/24"]},
        "node2": {"memory": 1 << 40, "vcpus": 1024, "addresses": ["10.0.0.12/24"], "power_controller": "10.0.0.112"},
    },
    "images": {"debian-13": {"vm": "disk", "container": "rootfs"}, "tiny": {"vm": "kernel"}},
    "pools": {
        "shared": {"type": "directory", "path": "/srv/shared"},
        "own": {"type": "directory", "path": "/srv/own", "shared": False},
    },
    "default_pool": "shared",
    "bridges": {"br0": {}, "br1": {"vlan_aware": True, "mtu": 1400}},
    "nameservers": ["192.0.2.54"],
    "firewall_sets": {"office": ["192.0.2.0/24", "2001:db8:7::/48"]},
    "firewall_groups": {"web": {"in": [{"protocol": "tcp", "ports": [80, 443]}]}},
}
IMAGES = {
    "vm/debian-13": {"path": "/images/a", "files": {"disk": "disk.qcow2"}},
    "vm/tiny": {"path": "/images/b", "files": {"kernel": "kernel", "initrd": "initrd"}, "cmdline": "quiet"},
    "container/debian-13": {"path": "/images/c", "files": {"rootfs": "rootfs.tar"}},
}
CIB = """<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-3.0"><configuration><crm_config/>
<nodes><node id="1" uname="node1"/><node id="2" uname="node2"/></nodes><resources/><constraints/></configuration>
<status/></cib>"""
#: What a container may be told, by the last parts of the keys' names.
_LXC = (
    *("lxc.include", "lxc.idmap", "lxc.arch", "lxc.uts.name", "lxc.rootfs.path", "lxc.start.auto", "lxc.signal.halt"),
    *(
        "lxc.apparmor.profile",
        "lxc.hook.post-stop",
        "lxc.apparmor.allow_nesting",
        "lxc.seccomp.profile",
        "lxc.cgroup2.memory.max",
        "lxc.cgroup2.cpu.max",
    ),
)


def broken(declared: object, *, nft: bool = False) -> tuple[bool, list[str]]:
    """Whether the declaration was accepted, and what does not hold of it. Any exception is a fault as well.

    With ``nft`` the packet filter is checked by that, which takes root.
    """
    declaration = Declaration.read(declared, CLUSTER)
    outline = declaration.outline()
    said = [*outline["problems"], *outline["worth_knowing"]]
    faults = [f"unprintable or long: {line[:200]!r}" for line in said if not line.isprintable() or len(line) > _LONGEST]
    if outline["problems"]:
        return False, faults
    seen: dict[str, dict[str, Any]] = {name: {"held": [], "kept": {}} for name in CLUSTER["nodes"]}
    plan = declaration.plan(IMAGES, list(CLUSTER["nodes"]), "node1", seen)
    made = {entry["name"]: entry for entry in plan["resources"]}
    volumes = [volume for part in plan["nodes"].values() for volume in part["volumes"]]
    twice = [path for path, times in Counter(volume["path"] for volume in volumes).items() if times > 1]
    faults += [f"volume twice: {path}" for path in twice]
    for guest in declaration.present:
        its = made[guest.name]["definition"]
        where = f"guests.{guest.name}"
        faults += (f"{where}: {fault}" for fault in _definition(its))
        rendered = _vm(guest, its) if guest.kind == "vm" else _container(guest, its)
        faults += (f"{where}: {fault}" for fault in rendered)
        own = [volume for volume in volumes if volume["label"].split(".", 1)[1].split(".")[0] == guest.name]
        faults += (f"{where}: {fault}" for fault in _volumes(guest, own))
        faults += (f"{where}: {fault}" for fault in _filter(guest, its, nft=nft))
    return True, [*faults, *_cluster(made)]


def _differ(what: str, found: object, wanted: object) -> Iterator[str]:
    if found != wanted:
        yield f"{what} is {found!r}, declared is {wanted!r}"


def _definition(its: Mapping[str, Any]) -> Iterator[str]:
    """A definition is read back whole, as the agents do it."""
    reading = definitions.read(definitions.compact(its))
    yield from _lost("definition", reading.definition, json.loads(json.dumps(its)))
    yield from (f"definition: {complaint}" for complaint in (*reading.unknown, *reading.problems, *reading.missing))


def _lost(path: str, found: Any, wanted: Any) -> Iterator[str]:
    """What is not in ``found``, which may have more."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from _lost(f"{path}.{key}", found.get(key), value)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, value in enumerate(wanted):
            yield from _lost(f"{path}[{at}]", found[at], value)
    else:
        yield from _differ(path, found, wanted)


def _vm(guest: Guest, its: Mapping[str, Any]) -> Iterator[str]:
    text = domain_xml.render(its, "kvm")
    domain = ET.fromstring(text)
    yield from _differ("name", domain.findtext("name"), guest.name)
    yield from _differ("description", its.get("description", ""), guest.description)
    yield from _differ("uuid", domain.findtext("uuid"), guest.uuid)
    yield from _differ("memory", int(domain.findtext("currentMemory", "0")) * KIB, guest.memory)
    yield from _differ("max_memory", int(domain.findtext("memory", "0")) * KIB, guest.max_memory)
    vcpu = domain.find("vcpu")
    assert vcpu is not None
    yield from _differ("vcpus", (int(vcpu.get("current", "0")), int(vcpu.text or 0)), (guest.vcpus, guest.max_vcpus))
    yield from _differ("cpu", domain.findtext("cpu/model"), guest.cpu)
    yield from _differ("kernel", domain.findtext("os/kernel"), "/images/b/kernel" if guest.image else None)
    disks = [_attribute(disk, "target", "dev") for disk in domain.findall("devices/disk")]
    yield from _differ("disks", disks, [disk.target for disk in guest.disks] + ["vdz"])
    pools = [_attribute(disk, "source", "file").split("/")[2] for disk in domain.findall("devices/disk")]
    yield from _differ("pools", pools, [disk.pool for disk in guest.disks] + [guest.seed_pool])
    nics = [
        (
            _attribute(nic, "mac", "address"),
            _attribute(nic, "source", "bridge"),
            _attribute(nic, "vlan/tag", "id") or None,
            _attribute(nic, "mtu", "size") or None,
        )
        for nic in domain.findall("devices/interface")
    ]
    wanted = [(nic.mac, nic.bridge, _text(nic.vlan), _text(nic.mtu)) for nic in guest.nics]
    yield from _differ("nics", nics, wanted)
    taps = [_attribute(nic, "target", "dev") for nic in domain.findall("devices/interface")]
    yield from (f"interface of the node: {tap!r}" for tap in taps if not 0 < len(tap) < 16)
    slots = len(disks) + len(nics)
    if slots > 27:
        yield f"{slots} devices: no slots for them"
    yield from (str(change) for change in domain_xml.difference(text, its) if change.path != "cpu")


def _container(guest: Guest, its: Mapping[str, Any]) -> Iterator[str]:
    lines = [line for line in lxc_config.render(its, ("memory", "cpu")).splitlines() if not line.startswith("#")]
    said: dict[str, list[str]] = {}
    for line in lines:
        key, equals, value = line.partition(" = ")
        if not equals:
            yield f"no line of LXC's: {line!r}"
        said.setdefault(key, []).append(value)
    yield from (f"told LXC {key}" for key in said if key not in _LXC and not key.startswith("lxc.net."))
    yield from _differ("name", said["lxc.uts.name"], [guest.name])
    yield from _differ("memory", said["lxc.cgroup2.memory.max"], [str(guest.memory)])
    yield from _differ("vcpus", said["lxc.cgroup2.cpu.max"], [f"{guest.vcpus * 100_000} 100000"])
    yield from _differ("privileged", "lxc.idmap" not in said, guest.privileged)
    size = guest.rootfs and guest.rootfs.size
    yield from _differ("rootfs.size", (its["rootfs"].get("size"), "lxc.seccomp.profile" in said), (size, bool(size)))
    for at, nic in enumerate(guest.nics):
        yield from _lxc_interface(f"lxc.net.{at}", nic, said)
    more = {key for key in said if key.startswith("lxc.net.")} - {
        f"lxc.net.{at}.{key}" for at in range(len(guest.nics)) for key in _LXC_INTERFACE
    }
    yield from (f"told LXC {key}" for key in more)
    yield from (str(change) for change in lxc_config.difference(lxc_config.render(its, ()), its))


_LXC_INTERFACE = (
    *("type", "link", "flags", "name", "hwaddr", "veth.pair", "mtu", "veth.vlan.id"),
    *("ipv4.address", "ipv6.address", "ipv4.gateway", "ipv6.gateway"),
)


def _lxc_interface(prefix: str, nic: Nic, said: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield from _differ("bridge", said[f"{prefix}.link"], [nic.bridge])
    yield from _differ("mac", said[f"{prefix}.hwaddr"], [nic.mac])
    yield from _differ("vlan", said.get(f"{prefix}.veth.vlan.id"), None if nic.vlan is None else [str(nic.vlan)])
    addresses = [*said.get(f"{prefix}.ipv4.address", ()), *said.get(f"{prefix}.ipv6.address", ())]
    yield from _differ("addresses", sorted(addresses), sorted(nic.addresses))
    gateways = [*said.get(f"{prefix}.ipv4.gateway", ()), *said.get(f"{prefix}.ipv6.gateway", ())]
    yield from _differ("gateways", sorted(gateways), sorted(nic.gateways))


def _filter(guest: Guest, its: Mapping[str, Any], *, nft: bool) -> Iterator[str]:
    """The packet filter knows each interface with its addresses, and takes the rules of the guest's firewall."""
    ports = filter_rules.ports_of(its)
    yield from _differ("filter", [port.mac for port in ports], [nic.mac for nic in guest.nics])
    for port, nic in zip(ports, guest.nics, strict=False):
        yield from _differ("addresses", list(port.addresses), [address.partition("/")[0] for address in nic.addresses])
    text = filter_rules.base(filter_rules.Facts(enabled=True), scoped=False) + "".join(
        map(filter_rules.admitted, ports)
    )
    if nft and ports:
        checked = run(["unshare", "--net", "nft", "--check", "--file", "-"], stdin=text, ok=None)
        yield from checked.stderr.splitlines()[:3]


def _volumes(guest: Guest, volumes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Disks of the declared sizes, and on them what the guest is told of itself."""
    sizes = [volume["size"] for volume in volumes if volume["type"] == "disk"]
    yield from _differ("sizes of disks", sizes, [disk.size for disk in guest.disks])
    files = [volume["files"] for volume in volumes if "files" in volume]
    if len(files) != 1:
        yield f"{len(files)} volumes tell it who it is"
        return
    yield from (_seed if guest.kind == "vm" else _container_files)(guest, files[0])


def _seed(guest: Guest, files: Mapping[str, str]) -> Iterator[str]:
    meta, user = yaml.safe_load(files["meta-data"]), yaml.safe_load(files["user-data"])
    yield from _differ("host name", meta["local-hostname"], guest.name)
    yield from _differ("instance", meta["instance-id"], guest.uuid)
    yield from _differ("keys", user.get("ssh_authorized_keys", []), list(guest.ssh_keys))
    network = yaml.safe_load(files["network-config"])
    found = network.get("ethernets", {})
    yield from _differ("interfaces", list(found), [f"eth{at}" for at in range(len(guest.nics))])
    for nic, told in zip(guest.nics, found.values(), strict=False):
        yield from _differ("mac", told["match"]["macaddress"], nic.mac)
        yield from _differ("addresses", told.get("addresses", []), list(nic.addresses))
        yield from _differ("DHCP", told.get("dhcp4", False), not nic.addresses)
        routes = [route for route in told.get("routes", []) if "via" in route]
        yield from _differ("gateways", [route["via"] for route in routes], list(nic.gateways))
        on_link = {route["to"] for route in told.get("routes", []) if route.get("scope") == "link"}
        own = [ipaddress.ip_interface(address).network for address in nic.addresses]
        for gateway in map(ipaddress.ip_address, nic.gateways):
            on_the_way = gateway.is_link_local or any(gateway in network for network in own)
            if not on_the_way and f"{gateway}/{gateway.max_prefixlen}" not in on_link:
                yield f"gateway {gateway} cannot be reached"
        if nic.addresses:
            yield from _differ("DNS", told.get("nameservers", {}).get("addresses", []), list(guest.nameservers))


def _container_files(guest: Guest, files: Mapping[str, str]) -> Iterator[str]:
    yield from _differ("host name", files["etc/hostname"].splitlines(), [guest.name])
    servers = [line.removeprefix("nameserver ") for line in files.get("etc/resolv.conf", "").splitlines()]
    yield from _differ("DNS", servers, list(guest.nameservers))
    keys = files.get("root/.ssh/authorized_keys", "").splitlines()
    yield from _differ("keys", keys, list(guest.ssh_keys))
    yield from (f"writes {path}" for path in files if path.startswith("/") or ".." in path.split("/"))


def _cluster(made: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    absent: dict[str, Any] = {
        "definition": None,
        "ha": False,
        "prefer": [],
        "apart_from": [],
        "together_with": [],
        "home": None,
    }
    specs = [specification({**absent, **entry}) for entry in made.values()]
    up = {"online": True, "standby": False, "maintenance": False, "pending": False, "unclean": False, "shutdown": False}
    nodes = tuple(NodeStatus(name, **up) for name in CLUSTER["nodes"])
    status = ClusterStatus("node1", quorum=True, fencing=True, maintenance=False, nodes=nodes)
    wanted = plan_guests(specs, cib.read(CIB), status).wanted
    difference = reconcile(CIB, wanted)
    root = ET.fromstring(difference.xml)
    ids = Counter(element.get("id", "") for element in root.find("configuration").iter() if element.get("id"))  # type: ignore[union-attr]
    yield from (f"the cluster would have {name} {times} times" for name, times in ids.items() if times > 1)
    present = {name: entry for name, entry in made.items() if entry["state"] != "absent"}
    there = cib.read(difference.xml)
    yield from _differ("guests of the cluster", sorted(there.guests()), sorted(present))
    for name, primitive in there.guests().items():
        told = json.loads(primitive.params["definition"])
        stopped = primitive.meta.get("target-role") == "Stopped"
        yield from _differ(f"{name} stopped", stopped, present[name]["state"] == "stopped")
        yield from _differ(f"definition of {name}", told, json.loads(json.dumps(present[name]["definition"])))
    known = {*present, *CLUSTER["nodes"]}
    for constraint in there.constraints.values():
        yield from (f"{constraint.id} is about {name}" for name in constraint.resources if name not in known)
    again = reconcile(difference.xml, wanted)
    yield from (f"a second run would {change}" for change in again.names())


def _attribute(parent: ET.Element, path: str, name: str) -> str:
    element = parent.find(path)
    return "" if element is None else element.get(name, "")


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
