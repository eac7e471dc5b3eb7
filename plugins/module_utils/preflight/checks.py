# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a guest can go to a node, and everything that speaks against it, before anything is touched.

The cluster's own reasons are those of cluster_checks.py; here they are joined by what the two nodes say of themselves
and of each other (survey.py). Reason codes and their severity are in reasons.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster.guests import guest_of
from ..cluster.sizing import compressed_cib
from ..cluster.status import ClusterStatus
from ..core.quantities import MIB, format_size, rough_size
from ..core.table import columns
from ..guest.definition import Definition, is_local
from ..peer.facts import BRIDGE_FIREWALL, OLDEST_RSYNC, POST_COPY
from .cluster_checks import ClusterChecks
from .reasons import Finding, blocking
from .survey import Going, NodeView, of_the_node, volumes

__all__ = ["Check", "check", "going", "judge", "summary", "told"]

_DAY = 86400.0
#: Days that a certificate has to be good for.
_CERTIFICATE_DAYS = 14
#: Seconds by which clocks may differ.
_CLOCKS = 1.0


@dataclass(frozen=True)
class Check:
    """The answer for one guest and one target: what the cluster has against it, and what the nodes have."""

    guest: str
    source: str | None
    target: str
    known: tuple[Finding, ...] = ()
    seen: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (*self.known, *self.seen)

    @property
    def possible(self) -> bool:
        return not blocking(self.findings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "guest": self.guest,
            "from": self.source,
            "to": self.target,
            "possible": self.possible,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def going(guests: Sequence[str], to: Sequence[str], cluster: ClusterChecks) -> list[Going]:
    """Those of the guests that the nodes have to be asked about, with the nodes they might go to."""
    found = []
    for name in guests:
        if blocking(cluster.immobile(name)):
            continue
        source = cluster.source_of(name)
        if source is None:
            continue
        online = [node.name for node in cluster.status.nodes if node.online and node.name in to and node.name != source]
        definition = guest_of(cluster.live.primitives[name])
        if definition is not None and online:
            found.append(Going(name, definition, source, tuple(online)))
    return found


def check(
    guest: str,
    target: str,
    cluster: ClusterChecks,
    views: Mapping[str, NodeView],
    moving: Iterable[Mapping[str, Any]] = (),
) -> Check:
    """Everything that speaks against a guest's move to a node that it is not on.

    ``moving`` is what the nodes say of moves under way (see moves.gather).
    """
    unable = cluster.immobile(guest)
    if blocking(unable):
        return Check(guest, None, target, tuple(unable))
    source = cluster.source_of(guest)
    known = [*unable, *cluster.objections(guest, target)]
    if source is None:
        return Check(guest, None, target, tuple(known))
    known += _busy(guest, {source, target}, cluster.status, moving)
    seen: list[Finding] = []
    definition = guest_of(cluster.live.primitives[guest])
    if definition is not None and source in views and target in views:
        seen = judge(definition, views[source], views[target], under_way=bool(unable))
        seen += _messages(views[target], len(cluster.live.guests()), len(cluster.status.nodes))
    return Check(guest, source, target, tuple(known), tuple(seen))


def judge(definition: Definition, source: NodeView, target: NodeView, *, under_way: bool = False) -> list[Finding]:
    """What the two nodes have against a guest's move from the one to the other."""
    silent = [view for view in (source, target) if view.error]
    if silent:
        remedy = "'systemctl status drover-peer' there says why; playbooks/site.yml puts it in order"
        return [Finding("node_silent", f"{view.name} does not answer: {view.error}", remedy) for view in silent]
    vm = source.facts["libvirt"].get("guests", {}).get(definition["name"])
    findings = [*_way(definition, source, target), *_clocks(source, target)]
    if definition["kind"] == "vm":
        findings += _virtualisation(definition, vm, source, target, under_way)
    else:
        findings += _programs(definition, source, target)
    nics = definition.get("nics", ()) if vm is None else vm["nics"]
    findings += _modules("tun" if definition["kind"] == "vm" else "veth", vm, nics, source, target)
    findings += _of_the_node(definition, target)
    return [*findings, *_network(nics, source, target), *_storage(definition, vm, source, target)]


def _messages(target: NodeView, guests: int, nodes: int) -> Iterator[Finding]:
    """Whether the cluster's configuration will soon be more than Pacemaker 3.0.0 hands on there in one message."""
    # A node whose Drover is older, or whose Pacemaker is just starting, does not tell.
    buffer, needed = target.facts.get("ipc_buffer"), 2 * compressed_cib(guests, nodes)
    if buffer is not None and buffer < needed:
        message = (
            f"Pacemaker on {target.name} takes messages of {format_size(buffer)}, and {guests} guests on {nodes} nodes "
            f"may need {rough_size(needed)}"
        )
        remedy = f"empty {target.name} (playbooks/maintenance.yml), restart Pacemaker there, and take it back"
        yield Finding("messages_small", message, remedy)


def summary(checks: Sequence[Check], nodes: Sequence[str]) -> list[str]:
    """The answers as lines for a terminal: a table of guests and targets, and each reason once."""
    rows = []
    for guest in dict.fromkeys(one.guest for one in checks):
        mine = {one.target: one for one in checks if one.guest == guest}
        source = next((one.source for one in mine.values() if one.source), None)
        rows.append([guest, source or "-", *(_cell(mine.get(node)) for node in nodes)])
    reasons = dict.fromkeys(line for one in checks for line in told(one.findings))
    return [*columns(["GUEST", "ON", *nodes], rows), *([""] if reasons else []), *reasons]


def told(findings: Iterable[Finding]) -> list[str]:
    """Findings as lines for a terminal: what blocks is marked with ``!``, what warns with ``~``."""
    marks = {"blocks": "!", "warns": "~"}
    return [f"{marks[f.severity]} {f.code}: {f.message}; {f.remedy}" for f in findings]


def _cell(one: Check | None) -> str:
    if one is None:
        return "-"
    codes = list(dict.fromkeys(f.code for f in (one.findings if one.possible else blocking(one.findings))))
    if not one.possible:
        return ", ".join(codes)
    return f"ok ({', '.join(codes)})" if codes else "ok"


def _busy(guest: str, ends: set[str], status: ClusterStatus, moving: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    # Pacemaker knows a guest on its way where it comes from, and only its agent where it goes to.
    known = {said["guest"]: {said.get("from"), said.get("to")} for said in moving}
    for name in dict.fromkeys([*(other.name for other in status.moving), *known]):
        other = status.resource(name)
        busy = {node for node in {*(other.nodes if other else ()), *known.get(name, ())} if node}
        if name != guest and ends & busy:
            message = f"{name} is on its way from or to {' or '.join(sorted(busy))}"
            yield Finding("node_busy", message, "it goes through all the same, and takes longer")


def _way(definition: Definition, source: NodeView, target: NodeView) -> Iterator[Finding]:
    """What lies between the two nodes, as the source finds it."""
    way = source.suits["reach"].get(target.name)
    copied = is_local(definition)
    vm = definition["kind"] == "vm"
    if way is None or not (vm or copied):
        return
    here, there = source.name, target.name
    if way["certificate"]:
        message = f"{here} and {there} do not believe each other: {way['certificate']}"
        yield Finding("certificate_refused", message, "playbooks/site.yml renews the nodes' certificates")
    elif way["ends"] is not None and way["ends"] - target.facts["time"] < _CERTIFICATE_DAYS * _DAY:
        days = (way["ends"] - target.facts["time"]) / _DAY
        message = f"the certificate of {there} is good for {days:.0f} more days"
        why = f"`journalctl -t drover-certificates` on {there} says why it did not renew it"
        yield Finding("certificate_ending", message, f"{why}, playbooks/site.yml does")
    cut = "let {0} reach {1} through the firewall between them"
    if way["peer"]:
        message = f"{here} cannot reach the peer service of {there} (TCP 16515): {way['peer']}"
        yield Finding("peer_unreachable", message, cut.format(here, there))
    if vm and way["libvirt"]:
        message = f"{here} cannot reach libvirt on {there} (TCP 16514): {way['libvirt']}"
        remedy = f"start it ('systemctl status libvirtd-tls.socket' on {there}), or {cut.format(here, there)}"
        yield Finding("libvirt_unreachable", message, remedy)
    if vm and way["stream"]:
        message = f"{here} cannot reach the migration ports of {there} (TCP 49152 to 49215): {way['stream']}"
        yield Finding("stream_unreachable", message, cut.format(here, there))
    if vm and target.facts["free_ports"] <= 0:
        remedy = f"'ss -ltnp' on {there} says by whom; wait for migrations to end, or stop what else listens there"
        yield Finding("ports_taken", f"all migration ports of {there} are taken (TCP 49152 to 49215)", remedy)


def _clocks(source: NodeView, target: NodeView) -> Iterator[Finding]:
    apart = abs(source.ahead - target.ahead)
    if apart - source.blur - target.blur > _CLOCKS:
        message = f"the clocks of {source.name} and {target.name} differ by {apart:.1f} s"
        yield Finding(
            "clocks_differ", message, "'chronyc tracking' on both says why; playbooks/site.yml sets chrony up"
        )


def _virtualisation(
    definition: Definition, vm: Mapping[str, Any] | None, source: NodeView, target: NodeView, under_way: bool
) -> Iterator[Finding]:
    here, there, judged = source.facts["libvirt"], target.facts["libvirt"], target.suits["vms"]
    answers = ((source.name, here), (target.name, there), (target.name, judged))
    silent = {node: said["error"] for node, said in answers if "error" in said}
    for node, error in silent.items():
        message = f"libvirt on {node} does not answer: {error}"
        yield Finding("libvirt_silent", message, f"'systemctl status libvirtd' on {node} says why")
    if silent:
        return
    name, uuid = definition["name"], definition.get("uuid")
    taken = [other for other, its in there["domains"].items() if other == name or its == uuid]
    if taken and not under_way:
        message = f"libvirt on {target.name} has a domain {taken[0]} already"
        remedy = f"look at it there ('virsh dominfo {taken[0]}'); if nobody needs it, 'virsh undefine {taken[0]}'"
        yield Finding("name_taken", message, remedy)
    if vm is None:
        return
    other = "name another node"
    if vm["virt"] == "kvm" and target.facts["accelerator"] != "kvm":
        message = f"{name} runs on KVM, which {target.name} does not have"
        yield Finding("accelerator_missing", message, f"enable virtualisation in its firmware, or {other}")
    elif name in judged["takes"]:
        yield from _processor(name, judged["takes"][name], target.name)
    yield from _confinement(name, vm, source, target)
    if there["version"] // 1000 < here["version"] // 1000:
        message = f"QEMU on {target.name} is {_version(there['version'])}, on {source.name} {_version(here['version'])}"
        yield Finding("qemu_older", message, f"upgrade {target.name} first")
    for device in vm["host_devices"]:
        message = f"{name} has a device of {source.name}: {device}"
        yield Finding(
            "host_device", message, "detach it ('virsh detach-device'), or shut the guest down and start it there"
        )
    policy = definition.get("migration") or {}
    # A node whose Drover is older only tells of the kernel setting.
    if policy.get("post_copy", "never") != "never" and not target.facts.get(
        "post_copy", target.facts["sysctl"].get(POST_COPY)
    ):
        message = f"{name} may fall back to post-copy, but QEMU on {target.name} may not open /dev/userfaultfd"
        yield Finding("no_post_copy", f"{message}: it moves without", "playbooks/site.yml lets it")


def _processor(name: str, takes: Mapping[str, Any], target: str) -> Iterator[Finding]:
    """What the target's QEMU and CPU have against a running VM."""
    if takes["machine"]:
        message = f"{target} does not know the machine of {name}: {takes['machine']}"
        yield Finding("machine_unknown", message, f"upgrade QEMU on {target}, or name another node")
    if takes["cpu"]:
        remedy = "name another node; from its next start on, a `cpu` that all nodes have (such as qemu64) helps"
        yield Finding("cpu_lacks_features", f"{name} has seen more of a CPU than {target} has: {takes['cpu']}", remedy)
    elif not takes["same_cpu"]:
        message = f"{name} was given all of its node's CPU, and the one of {target} is another"
        yield Finding("cpu_differs", message, "name a node with the same CPU, or give the guest another `cpu`")


def _confinement(name: str, vm: Mapping[str, Any], source: NodeView, target: NodeView) -> Iterator[Finding]:
    """What keeps QEMU from its keys, and what does not keep it from the rest of its node."""
    # A node whose Drover is older does not tell.
    for view, end in ((source, "client"), (target, "server")):
        if problem := view.facts.get("keys", {}).get(end):
            message = f"QEMU on {view.name} cannot read its TLS keys: {problem}"
            yield Finding("keys_unreadable", message, "playbooks/site.yml makes them what they have to be")
    if vm.get("confined") is False:
        message = f"AppArmor does not confine {name} on {source.name}"
        remedy = f"restart the guest, once libvirt on {source.name} has AppArmor for its security driver ('aa-status')"
        yield Finding("apparmor_missing", message, remedy)
    if target.facts["libvirt"].get("confines") is False:
        message = f"libvirt on {target.name} has no AppArmor confine what it starts, although the kernel could"
        remedy = "install the package apparmor there and restart libvirtd; 'aa-status' has to name libvirtd then"
        yield Finding("apparmor_missing", message, remedy)


def _modules(
    needed: str, vm: Mapping[str, Any] | None, nics: Sequence[Mapping[str, Any]], source: NodeView, target: NodeView
) -> Iterator[Finding]:
    """Modules for the guest's network interfaces that the target's kernel cannot load."""
    missing = target.facts.get("modules", [])
    remedy = "after an update of the kernel, reboot it; else install a kernel that has it, linux-image-amd64 for one"
    if nics and needed in missing:
        message = f"the kernel of {target.name} cannot load the module {needed}"
        yield Finding("module_missing", message, remedy)
    kvm = vm is not None and vm["virt"] == "kvm"
    if nics and kvm and "vhost_net" in missing and "vhost_net" not in source.facts.get("modules", []):
        message = f"the kernel of {target.name} cannot load the module vhost_net: the guest's network is slower there"
        yield Finding("no_vhost", message, remedy)


def _programs(definition: Definition, source: NodeView, target: NodeView) -> Iterator[Finding]:
    needs = ["lxc-start", *(["rsync"] if is_local(definition) else [])]
    missing = [program for program in needs if program not in target.facts["programs"]]
    if missing:
        message = f"{target.name} lacks {' and '.join(missing)}"
        yield Finding("program_missing", message, "playbooks/site.yml installs what a node needs")
    for view in (source, target) if is_local(definition) else ():
        # A node whose Drover is older does not tell.
        version = view.facts.get("rsync") or []
        if version and version < OLDEST_RSYNC:
            shown = ".".join(map(str, version))
            message = f"rsync {shown} on {view.name} follows links that a container sets while it is read, out of it"
            remedy = "playbooks/site.yml brings it up to date; it needs Debian's security archive for that"
            yield Finding("program_old", message, remedy)


def _network(nics: Sequence[Mapping[str, Any]], source: NodeView, target: NodeView) -> Iterator[Finding]:
    declare = "declare it in network_bridges and run playbooks/site.yml, or name another node"
    for nic in nics:
        name = nic["bridge"]
        here, there = source.facts["bridges"].get(name), target.facts["bridges"].get(name)
        if there is None:
            yield Finding("bridge_missing", f"{target.name} has no bridge {name}", declare)
            continue
        if not there["up"] and (here is None or here["up"]):
            message = f"the bridge {name} of {target.name} leads nowhere"
            yield Finding("bridge_down", message, f"'ip link show master {name}' there shows its ports")
        if nic["vlan"] and not there["vlan_aware"]:
            message = f"the bridge {name} of {target.name} is not VLAN-aware, and the guest is on VLAN {nic['vlan']}"
            yield Finding(
                "vlan_unaware", message, "give it vlan_aware: true in network_bridges and run playbooks/site.yml"
            )
        longest = max(nic["mtu"] or 0, here["mtu"] if here else 0)
        if there["mtu"] < longest:
            message = f"the bridge {name} of {target.name} has an MTU of {there['mtu']}, the guest has used {longest}"
            yield Finding("mtu_smaller", message, "give it the same mtu in network_bridges and run playbooks/site.yml")
    for view in (source, target):
        filtered = [name for name in BRIDGE_FIREWALL if view.facts["sysctl"].get(name)]
        if nics and filtered:
            message = f"{view.name} passes bridged frames to its firewall ({', '.join(filtered)})"
            remedy = "playbooks/site.yml turns that off, unless network_bridge_firewall says otherwise"
            yield Finding("bridge_firewall", message, remedy)


def _storage(
    definition: Definition, vm: Mapping[str, Any] | None, source: NodeView, target: NodeView
) -> Iterator[Finding]:
    here, there = source.suits["paths"], target.suits["paths"]
    local = {path for path, alone in volumes(definition) if alone}
    shared = {path for path, _alone in volumes(definition)} | set(vm["files"] if vm else ())
    gone = [path for path in sorted(shared - local) if path in there and not there[path]["exists"]]
    if gone:
        message = f"{target.name} does not have {', '.join(gone)}"
        yield Finding(
            "storage_missing", message, "mount the storage there; playbooks/site.yml and guests.yml make the rest"
        )
    for path in sorted(shared - local - set(gone)):
        mine, its = here.get(path, {}).get("pool"), there.get(path, {}).get("pool")
        if mine != its:
            message = f"{target.name} has another storage at {path} than {source.name}"
            yield Finding("storage_differs", message, "mount the same storage on both, and run playbooks/site.yml")
            break
    uncounted = sorted(path for path in local if here.get(path, {}).get("exists") and here[path]["used"] is None)
    if uncounted:
        message = f"how much {' and '.join(uncounted)} holds could not be counted in a second"
        yield Finding("size_unknown", message, "see to room on the target; the move compares before it copies anything")
    need = sum(here.get(path, {}).get("used") or 0 for path in local)
    room = min((there[path]["free"] for path in local if path in there), default=need)
    if need > room:
        message = f"{target.name} has {room // MIB} MiB free on its local storage, a copy takes {need // MIB} MiB"
        yield Finding("storage_full", message, "make room there, or name another node")
    for drive, path in (vm["media"] if vm else {}).items():
        if path in there and not there[path]["exists"]:
            message = f"in the drive {drive} is {path}, which {target.name} does not have"
            yield Finding("local_media", message, f"eject it: virsh change-media {definition['name']} {drive} --eject")


def _of_the_node(definition: Definition, target: NodeView) -> Iterator[Finding]:
    there = target.suits["paths"]
    for path, what in of_the_node(definition).items():
        if path in there and not there[path]["exists"]:
            message = f"{target.name} has no {path}, which {definition['name']} is given of its node ({what}s)"
            remedy = "make it there, or name another node; the guest's `placement` can prefer those that have it"
            yield Finding(f"{what}_missing", message, remedy)


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
