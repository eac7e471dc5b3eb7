# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that can speak against a move: a row per reason code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Colocation, Primitive
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.preflight import checks
from ansible_collections.cspp.drover.plugins.module_utils.preflight.cluster_checks import ClusterChecks
from ansible_collections.cspp.drover.plugins.module_utils.preflight.reasons import CODES, Finding
from ansible_collections.cspp.drover.plugins.module_utils.preflight.survey import NodeView
from ansible_collections.cspp.drover.tests.unit import cluster_samples
from ansible_collections.cspp.drover.tests.unit.cluster_samples import NODES, guest, live, node, primitive, status

DISK, ROOTFS = "/pool/vms/mc/vda.qcow2", "/pool/containers/mc/rootfs"
NODE_HAS = ("/dev/net/tun", "/srv/media")
DAY = 86400
VM: dict[str, Any] = {
    "virt": "kvm",
    "arch": "x86_64",
    "machine": "pc-q35-10.0",
    "cpu": "<cpu/>",
    "cpu_mode": "custom",
    "host_cpu": None,
    "files": [DISK],
    "media": {"sda": "/root/install.iso"},
    "host_devices": [],
    "confined": True,
    "nics": [{"bridge": "br0", "vlan": 7, "mtu": None}],
}
FACTS: dict[str, Any] = {
    "time": 1000.0,
    "sysctl": {"net.bridge.bridge-nf-call-iptables": 0, "vm.unprivileged_userfaultfd": 1},
    "bridges": {"br0": {"mtu": 1500, "vlan_aware": True, "up": True}},
    "accelerator": "kvm",
    "programs": ["lxc-start", "rsync"],
    "rsync": [3, 5, 0],
    "keys": {"server": "", "client": ""},
    "modules": [],
    "free_ports": 64,
    "libvirt": {"version": 10_000_013, "domains": {}, "guests": {}, "confines": True},
}
THERE = {"exists": True, "used": None, "free": 10 * 2**30, "pool": "one"}
WAY = {"libvirt": "", "peer": "", "stream": "", "certificate": "", "ends": 1000 + 400 * DAY}
TAKES = {"machine": "", "cpu": "", "same_cpu": True}
SUITS: dict[str, Any] = {
    "vms": {"takes": {"mc": TAKES}},
    "paths": {path: dict(THERE) for path in (DISK, ROOTFS, "/root/install.iso", *NODE_HAS)},
    "reach": {"n2": WAY},
    "measure": {},
}


class Case:
    """A guest on n1 that could go to n2 without objections, to be spoiled by a test."""

    def __init__(self, kind: str = "vm") -> None:
        volumes: dict[str, Any] = {
            "vm": {"disks": [{"source": {"type": "file", "path": DISK}}], "migration": {}},
            "container": {
                "rootfs": {"path": ROOTFS},
                "nics": [{"bridge": "br0", "vlan": None, "mtu": None}],
                "devices": ["/dev/net/tun"],
                "mounts": [{"source": "/srv/media", "target": "/media"}],
            },
        }
        self.more = copy.deepcopy({"kind": kind, "uuid": "u-mc", **volumes[kind]})
        self.others: tuple[Any, ...] = ()
        self.seen = status(guest("mc", "n1"), guest("web", "n3"))
        self.facts = {name: copy.deepcopy(FACTS) for name in ("n1", "n2")}
        self.suits = {name: copy.deepcopy(SUITS) for name in ("n1", "n2")}
        self.silent: dict[str, str] = {}
        self.properties: dict[str, str] = {}
        self.ahead = {"n1": 0.0, "n2": 0.0}
        self.guest, self.target = "mc", "n2"
        if kind == "vm":
            self.vm = copy.deepcopy(VM)
            self.facts["n1"]["libvirt"] = {"version": 10_000_013, "domains": {"mc": "u-mc"}, "guests": {"mc": self.vm}}

    @property
    def live(self) -> Configuration:
        return live(primitive(**self.more), *self.others, properties=self.properties)

    def views(self) -> dict[str, NodeView]:
        return {
            name: NodeView(name, error=self.silent[name])
            if name in self.silent
            else NodeView(name, self.facts[name], self.suits[name], ahead=self.ahead[name], blur=0.1)
            for name in self.facts
        }

    def check(self) -> checks.Check:
        return checks.check(self.guest, self.target, ClusterChecks(self.live, self.seen), self.views())


Spoil = Callable[[Case], object]


def nodes(**of_n2: Any) -> ClusterStatus:
    return status(guest("mc", "n1"), nodes=(node("n1"), node("n2", **of_n2)))


def put(**attributes: Any) -> Spoil:
    return lambda case: vars(case).update(attributes)


def unmanaged(case: Case) -> None:
    case.others = (Primitive(**{**vars(primitive(**case.more)), "meta": {"maintenance": "true"}}),)


def together(score: str, web_on: str) -> Spoil:
    seen = status(guest("mc", "n1"), guest("web", web_on))
    return put(others=(primitive("web", memory=2**20), Colocation("drover-x", "mc", "web", score)), seen=seen)


def way(name: str, value: Any) -> Spoil:
    return lambda case: case.suits["n1"]["reach"]["n2"].update({name: value})


def takes(name: str, value: Any) -> Spoil:
    return lambda case: case.suits["n2"]["vms"]["takes"]["mc"].update({name: value})


def bridge(**changes: Any) -> Spoil:
    return lambda case: case.facts["n2"]["bridges"]["br0"].update(changes)


def path(where: str, **changes: Any) -> Spoil:
    return lambda case: case.suits["n2"]["paths"][where].update(changes)


def sysctl(node: str, name: str, value: int) -> Spoil:
    return lambda case: case.facts[node]["sysctl"].update({name: value})


def modules(node: str, *missing: str) -> Spoil:
    return lambda case: case.facts[node].update(modules=list(missing))


def keys(node: str, end: str) -> Spoil:
    return lambda case: case.facts[node]["keys"].update({end: "key: no"})


def both(*spoils: Spoil) -> Spoil:
    return lambda case: [spoil(case) for spoil in spoils]


ROWS: list[tuple[str, str, Spoil]] = [
    ("unknown_guest", "the guests are: mc", put(guest="nope")),
    ("guest_not_running", "mc is not running", put(seen=status(guest("mc")))),
    ("guest_unmanaged", "leave mc alone", unmanaged),
    ("disks_moving", "disk vda of mc is on its way to another pool", put(others=(cluster_samples.moving(),))),
    ("ha_paused", "high availability is paused by hand", put(properties={"maintenance-mode": "true"})),
    (
        "storage_full",
        "mc is paused until there is room",
        put(seen=status(guest("mc", "n1"), notes={"mc": "paused until there is room"})),
    ),
    ("guest_in_trouble", "failed on n1, n3", put(seen=status(guest("mc", "n1", "n3", failed=True)))),
    ("guest_under_way", "mc is migrating on n1", put(seen=status(guest("mc", "n1", pending="Migrating")))),
    (
        "node_busy",
        "web is on its way",
        put(seen=status(guest("mc", "n1"), guest("web", "n2", pending="Migrating"))),
    ),
    ("unknown_node", "n1, n2, n3", put(target="n9")),
    ("node_in_maintenance", "-e node=n2 -e state=off", put(seen=nodes(standby=True))),
    ("node_offline", "it is unclean", put(seen=nodes(unclean=True))),
    (
        "no_memory",
        "needs 2048 MiB of memory, and 1024 are left",
        put(others=(primitive("big", memory=3 * 2**30, vcpus=1),), seen=status(guest("mc", "n1"), guest("big", "n2"))),
    ),
    (
        "no_memory",
        "and 0 are left",
        put(others=(primitive("big", memory=5 * 2**30, vcpus=1),), seen=status(guest("mc", "n1"), guest("big", "n2"))),
    ),
    (
        "no_vcpus",
        "needs 2 vcpus, and 1 are left",
        put(others=(primitive("big", memory=2**30, vcpus=3),), seen=status(guest("mc", "n1"), guest("big", "n2"))),
    ),
    ("apart", "web runs there", together("-5000", "n2")),
    ("together", "web runs on n1; it would not stay", together("5000", "n1")),
    ("node_silent", "n2 does not answer: refused", put(silent={"n2": "refused"})),
    ("messages_small", "on n2 takes messages of 100B", lambda case: case.facts["n2"].update(ipc_buffer=100)),
    ("node_silent", "n1 does not answer: refused", put(silent={"n1": "refused"})),
    ("libvirt_silent", "libvirt on n2", lambda case: case.facts["n2"].update(libvirt={"error": "no"})),
    ("libvirt_silent", "libvirt on n2", lambda case: case.suits["n2"].update(vms={"error": "no"})),
    ("name_taken", "a domain mc already", lambda case: case.facts["n2"]["libvirt"].update(domains={"mc": "u-2"})),
    ("name_taken", "a domain old already", lambda case: case.facts["n2"]["libvirt"].update(domains={"old": "u-mc"})),
    ("accelerator_missing", "which n2 does not have", lambda case: case.facts["n2"].update(accelerator="tcg")),
    ("machine_unknown", "pc-q35-10.1 is not", takes("machine", "pc-q35-10.1 is not supported")),
    ("qemu_older", "9.2.0, on n1 10.0.13", lambda case: case.facts["n2"]["libvirt"].update(version=9_002_000)),
    ("cpu_lacks_features", "avx512f", takes("cpu", "Host CPU does not provide required features: avx512f")),
    ("cpu_differs", "is another", takes("same_cpu", False)),
    ("host_device", "a device of n1: pci", lambda case: case.vm.update(host_devices=["pci 0000:01"])),
    ("local_media", "change-media mc sda --eject", path("/root/install.iso", exists=False)),
    ("bridge_missing", "n2 has no bridge br0", lambda case: case.facts["n2"].update(bridges={})),
    ("bridge_down", "leads nowhere", bridge(up=False)),
    ("vlan_unaware", "on VLAN 7", bridge(vlan_aware=False)),
    ("mtu_smaller", "MTU of 1400", bridge(mtu=1400)),
    ("mtu_smaller", "has used 9000", lambda case: case.vm["nics"][0].update(mtu=9000)),
    ("storage_missing", f"does not have {DISK}", path(DISK, exists=False)),
    ("storage_differs", f"another storage at {DISK}", path(DISK, pool="two")),
    ("module_missing", "of n2 cannot load the module tun", modules("n2", "tun")),
    ("no_vhost", "slower there", modules("n2", "vhost_net")),
    ("keys_unreadable", "QEMU on n2 cannot read its TLS keys: key: no", keys("n2", "server")),
    ("keys_unreadable", "QEMU on n1 cannot read its TLS keys: key: no", keys("n1", "client")),
    ("apparmor_missing", "does not confine mc on n1", lambda case: case.vm.update(confined=False)),
    ("apparmor_missing", "libvirt on n2", lambda case: case.facts["n2"]["libvirt"].update(confines=False)),
    ("peer_unreachable", "TCP 16515", way("peer", "timed out")),
    ("libvirt_unreachable", "TCP 16514", way("libvirt", "refused")),
    ("stream_unreachable", "49152 to 49215", way("stream", "timed out")),
    ("ports_taken", "all migration ports", lambda case: case.facts["n2"].update(free_ports=0)),
    ("certificate_refused", "expired", way("certificate", "certificate has expired")),
    ("certificate_ending", "3 more days", way("ends", 1000 + 3 * DAY)),
    ("clocks_differ", "differ by 1.5 s", put(ahead={"n1": -1.0, "n2": 0.5})),
    ("bridge_firewall", "n1 passes", sysctl("n1", "net.bridge.bridge-nf-call-iptables", 1)),
    (
        "no_post_copy",
        "may not open /dev/userfaultfd",
        both(
            lambda case: case.more["migration"].update(post_copy="fallback"),
            sysctl("n2", "vm.unprivileged_userfaultfd", 0),
        ),
    ),
    (
        "no_post_copy",
        "may not open /dev/userfaultfd",
        both(
            lambda case: case.more["migration"].update(post_copy="fallback"),
            lambda case: case.facts["n2"].update(post_copy=False),
        ),
    ),
]

CONTAINER_ROWS: list[tuple[str, str, Spoil]] = [
    ("storage_missing", f"does not have {ROOTFS}", path(ROOTFS, exists=False)),
    ("device_missing", "n2 has no /dev/net/tun", path("/dev/net/tun", exists=False)),
    ("mount_missing", "n2 has no /srv/media", path("/srv/media", exists=False)),
    ("module_missing", "of n2 cannot load the module veth", modules("n2", "veth", "tun")),
    ("program_missing", "lacks lxc-start", lambda case: case.facts["n2"].update(programs=["rsync"])),
    ("bridge_missing", "n2 has no bridge br0", lambda case: case.facts["n2"].update(bridges={})),
]


def on_local_storage(case: Case) -> None:
    case.more["rootfs"]["shared"] = False
    case.suits["n1"]["paths"][ROOTFS]["used"] = 2**30
    case.suits["n2"]["paths"][ROOTFS]["exists"] = False


LOCAL_ROWS: list[tuple[str, str, Spoil]] = [
    ("storage_full", "1023 MiB free on its local storage, a copy takes 1024 MiB", path(ROOTFS, free=2**30 - 1)),
    (
        "size_unknown",
        "could not be counted in a second",
        lambda case: case.suits["n1"]["paths"][ROOTFS].update(used=None),
    ),
    ("program_missing", "lacks rsync", lambda case: case.facts["n2"].update(programs=["lxc-start"])),
    ("program_old", "rsync 3.4.1 on n2", lambda case: case.facts["n2"].update(rsync=[3, 4, 1])),
    ("program_old", "rsync 3.2.7 on n1", lambda case: case.facts["n1"].update(rsync=[3, 2, 7])),
    ("peer_unreachable", "TCP 16515", way("peer", "timed out")),
]


def found_by(case: Case, spoil: Spoil) -> tuple[Finding, ...]:
    assert case.check().findings == ()
    spoil(case)
    return case.check().findings


def assert_one(findings: tuple[Finding, ...], code: str, words: str) -> None:
    assert [finding.code for finding in findings] == [code]
    assert words in str(findings[0])
    assert findings[0].remedy


@pytest.mark.parametrize(("code", "words", "spoil"), ROWS, ids=[f"{row[0]}-{i}" for i, row in enumerate(ROWS)])
def test_a_vm(code: str, words: str, spoil: Spoil) -> None:
    case = Case()
    assert_one(found_by(case, spoil), code, words)
    assert case.check().possible == (CODES[code][0] == "warns")


@pytest.mark.parametrize(("code", "words", "spoil"), CONTAINER_ROWS, ids=[row[0] for row in CONTAINER_ROWS])
def test_a_container(code: str, words: str, spoil: Spoil) -> None:
    assert_one(found_by(Case("container"), spoil), code, words)


@pytest.mark.parametrize(("code", "words", "spoil"), LOCAL_ROWS, ids=[row[0] for row in LOCAL_ROWS])
def test_a_container_on_local_storage(code: str, words: str, spoil: Spoil) -> None:
    case = Case("container")
    on_local_storage(case)
    assert_one(found_by(case, spoil), code, words)


def test_a_copy_may_fill_the_storage_of_the_target() -> None:
    case = Case("container")
    on_local_storage(case)
    assert found_by(case, path(ROOTFS, free=2**30)) == ()


def test_a_container_on_shared_storage_needs_no_way_between_the_nodes() -> None:
    case = Case("container")
    way("peer", "timed out")(case)
    way("libvirt", "refused")(case)
    case.facts["n2"]["libvirt"] = {"error": "no"}
    assert case.check().findings == ()


@pytest.mark.parametrize(
    "spoil",
    [
        keys("n1", "server"),
        keys("n2", "client"),
        modules("n1", "tun", "vhost_net"),
        # Neither node has it: the guest's network is no slower there.
        both(modules("n1", "vhost_net"), modules("n2", "vhost_net")),
        both(lambda case: case.vm.update(virt="qemu"), modules("n2", "vhost_net")),
        # No AppArmor in these kernels.
        lambda case: (case.vm.update(confined=None), case.facts["n2"]["libvirt"].update(confines=None)),
        # Drover on the nodes is older, and does not tell.
        lambda case: [case.facts[node].pop(fact) for node in ("n1", "n2") for fact in ("keys", "modules")],
        lambda case: (case.vm.pop("confined"), case.facts["n2"]["libvirt"].pop("confines")),
        # A second, and what the two looks may be wrong by.
        put(ahead={"n1": -1.0, "n2": 0.2}),
        way("ends", 1000 + 14 * DAY),
        lambda case: case.facts["n2"].update(free_ports=1),
        # The same release of QEMU, and a later one.
        lambda case: case.facts["n2"]["libvirt"].update(version=10_000_000),
        lambda case: case.facts["n2"]["libvirt"].update(version=10_001_000),
        bridge(mtu=9000),
        lambda case: case.facts["n2"]["libvirt"].update(domains={"a": "u-a", "web": "u-web"}),
        # It has led nowhere so far.
        lambda case: [case.facts[node]["bridges"]["br0"].update(up=False) for node in ("n1", "n2")],
    ],
)
def test_what_does_not_matter_to_a_vm(spoil: Spoil) -> None:
    assert found_by(Case(), spoil) == ()


def test_every_code_is_given_for_something() -> None:
    assert {code for code, _words, _spoil in (*ROWS, *CONTAINER_ROWS, *LOCAL_ROWS)} == set(CODES)


def test_a_guest_under_way_is_expected_on_the_target() -> None:
    case = Case()
    case.facts["n2"]["libvirt"]["domains"] = {"mc": "u-mc"}
    case.seen = status(guest("mc", "n1", pending="Migrating"))
    assert [finding.code for finding in case.check().findings] == ["guest_under_way"]


def test_a_guest_between_two_nodes_is_under_way_and_not_in_trouble() -> None:
    case = Case()
    case.seen = status(guest("mc", "n1", "n2", pending="Migrating"))
    assert [finding.code for finding in case.check().findings] == ["guest_under_way"]
    assert checks.going(["mc"], ["n2"], ClusterChecks(live(primitive()), case.seen)) == []


def test_where_another_guest_goes_its_agent_knows() -> None:
    seen = status(guest("mc", "n1"), guest("web", "n3", pending="Migrating"))
    moving = [{"guest": "web", "from": "n3", "to": "n2"}]
    objects = live(primitive(), primitive("web"))
    [busy] = checks.check("mc", "n2", ClusterChecks(objects, seen), {}, moving).findings
    assert (busy.code, busy.message) == ("node_busy", "web is on its way from or to n2 or n3")
    assert checks.check("mc", "n2", ClusterChecks(objects, seen), {}).findings == ()


def test_only_nodes_that_are_online_are_asked_and_only_for_guests_that_run() -> None:
    seen = status(guest("mc", "n1"), guest("web"), nodes=(node("n1"), node("n2"), node("n3", online=False)))
    cluster = ClusterChecks(live(primitive(), primitive("web")), seen)
    going = checks.going(["nope", "web", "mc"], NODES, cluster)
    assert [(one.name, one.source, one.targets) for one in going] == [("mc", "n1", ("n2",))]


def test_a_summary_has_a_row_per_guest_and_each_reason_once() -> None:
    case = Case()
    sysctl("n1", "net.bridge.bridge-nf-call-iptables", 1)(case)
    warned = case.check()
    bridge(mtu=1400)(case)
    blocked = checks.Check("web", "n1", "n2", seen=case.check().seen)
    lines = checks.summary([warned, blocked], ["n1", "n2", "n3"])
    assert lines[:4] == [
        "GUEST  ON  n1  n2                    n3",
        "mc     n1  -   ok (bridge_firewall)  -",
        "web    n1  -   mtu_smaller           -",
        "",
    ]
    assert [line.partition(":")[0] for line in lines[4:]] == ["~ bridge_firewall", "! mtu_smaller"]
