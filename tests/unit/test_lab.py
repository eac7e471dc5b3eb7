# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab: what it is called, what would be done to it, what stands in its way, and its nodes' power."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.inventory import lab as lab_inventory
from ansible_collections.cspp.drover.plugins.module_utils.core import atomic
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.lab import bmc as lab_bmc
from ansible_collections.cspp.drover.plugins.module_utils.lab import chassis as lab_chassis
from ansible_collections.cspp.drover.plugins.module_utils.lab import machine as lab_machine
from ansible_collections.cspp.drover.plugins.module_utils.lab import preflight as lab_preflight
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import BmcSettings, Chassis, ChassisError
from ansible_collections.cspp.drover.plugins.module_utils.lab.layout import MAX_NODES, Lab, parameter_problems
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import Process
from ansible_collections.cspp.drover.plugins.module_utils.lab.nodes import LabNodes, NodeSettings
from ansible_collections.cspp.drover.plugins.module_utils.lab.plan import (
    NetworkSeen,
    NodesSeen,
    network_steps,
    nodes_steps,
)
from ansible_collections.cspp.drover.plugins.module_utils.lab.preflight import GIB, Survey, problems

LAB = Lab("try", ipaddress.IPv4Network("10.99.0.0/24"), Path("/checkout/.cache"))


class Commands:
    """A runner that remembers what it was asked to run, and answers from a table."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.argvs: list[list[str]] = []

    def __call__(self, argv: Sequence[str], **_options: Any) -> CommandResult:
        self.argvs.append(list(argv))
        return CommandResult(tuple(argv), 0, self.answers.get(argv[0], ""), "")


# -- layout -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "subnet", "nodes", "complaints"),
    [
        ("drover", "10.213.0.0/24", 3, []),
        ("a", "192.168.7.0/24", 1, []),
        ("lab2", "10.1.2.0/24", MAX_NODES, []),
        ("", "10.1.2.0/24", 3, ["lab_name"]),
        ("tenletters", "10.1.2.0/24", 3, ["lab_name"]),
        ("../up", "10.1.2.0/24", 3, ["lab_name"]),
        ("Lab", "10.1.2.0/24", 0, ["lab_name", "lab_nodes"]),
        ("lab", "10.1.2.0/16", 33, ["lab_nodes", "lab_subnet"]),
        ("lab", "10.1.2.0/25", 3, ["lab_subnet"]),
        ("lab", "8.8.8.0/24", 3, ["lab_subnet"]),
        ("lab", "fd00::/64", 3, ["lab_subnet"]),
    ],
)
def test_parameters(name: str, subnet: str, nodes: int, complaints: list[str]) -> None:
    assert [text.split()[0] for text in parameter_problems(name, subnet, nodes)] == complaints


def test_names_and_addresses_fit_and_differ() -> None:
    lab = dataclasses.replace(LAB, name="abcdefghi")
    nodes = lab.every_node()
    assert max(len(name) for name in [lab.bridge, *(node.veth for node in nodes)]) <= 15
    addresses = [lab.gateway, *(node.address for node in nodes), *(node.bmc_address for node in nodes)]
    assert len(set(addresses)) == 2 * MAX_NODES + 1
    assert (nodes[0].address, nodes[0].bmc_address) == ("10.99.0.11", "10.99.0.101")
    assert all(int(address.split(".")[3]) < 150 for address in addresses)


def test_two_checkouts_have_two_package_caches() -> None:
    other = dataclasses.replace(LAB, cache=Path("/elsewhere/.cache"))
    assert LAB.package_cache_address != other.package_cache_address
    assert ipaddress.ip_address(LAB.package_cache_address).is_loopback


# -- plans --------------------------------------------------------------------------------------------

COMPLETE = NetworkSeen({"10.99.0.1/24", "10.99.0.101/32", "10.99.0.102/32"}, package_cache=True, forwarder=True)


@pytest.mark.parametrize(
    ("nodes", "seen", "steps"),
    [
        (
            1,
            NetworkSeen(),
            [
                "create bridge lab-try",
                "add address 10.99.0.1/24",
                "add address 10.99.0.101/32",
                "start package cache /checkout/.cache/lab-cache/packages",
                "start package forwarder 10.99.0.1",
            ],
        ),
        (2, COMPLETE, []),
        (3, COMPLETE, ["add address 10.99.0.103/32"]),
        (1, COMPLETE, ["remove address 10.99.0.102/32"]),
        (2, dataclasses.replace(COMPLETE, forwarder=False), ["start package forwarder 10.99.0.1"]),
        (2, dataclasses.replace(COMPLETE, strays={"vb-try-4"}), ["delete link vb-try-4"]),
        (
            2,
            dataclasses.replace(COMPLETE, package_cache_outdated=True),
            [f"{verb} package cache /checkout/.cache/lab-cache/packages" for verb in ("stop", "start")],
        ),
        (0, NetworkSeen(), []),
        (
            0,
            COMPLETE,
            [
                "stop package forwarder 10.99.0.1",
                "stop package cache /checkout/.cache/lab-cache/packages",
                "delete bridge lab-try",
            ],
        ),
        (
            0,
            dataclasses.replace(COMPLETE, cache_needed_by_others=True),
            ["stop package forwarder 10.99.0.1", "delete bridge lab-try"],
        ),
    ],
)
def test_network_steps(nodes: int, seen: NetworkSeen, steps: list[str]) -> None:
    assert [str(step) for step in network_steps(LAB, nodes, seen)] == steps


HEALTHY = NodesSeen(complete={1, 2}, powered={1, 2}, with_bmc={1, 2})


@pytest.mark.parametrize(
    ("nodes", "seen", "steps"),
    [
        (1, NodesSeen(), ["create node node1", "start BMC of node1", "power on node1"]),
        (2, HEALTHY, []),
        (3, HEALTHY, ["create node node3", "start BMC of node3", "power on node3"]),
        (1, HEALTHY, ["remove node node2"]),
        (0, HEALTHY, ["remove node node1", "remove node node2"]),
        (2, dataclasses.replace(HEALTHY, powered={1}), ["power on node2"]),
        (2, dataclasses.replace(HEALTHY, with_bmc={2}), ["start BMC of node1"]),
        (
            2,
            NodesSeen(complete={1}, half_made={2}, powered={1, 2}, with_bmc={1, 2}),
            ["remove node node2", "create node node2", "start BMC of node2", "power on node2"],
        ),
        (0, NodesSeen(half_made={1}, powered={3}, with_bmc={2}), [f"remove node node{i}" for i in (1, 2, 3)]),
    ],
)
def test_nodes_steps(nodes: int, seen: NodesSeen, steps: list[str]) -> None:
    assert [str(step) for step in nodes_steps(LAB, nodes, seen)] == steps


# -- preflight ----------------------------------------------------------------------------------------

SUITABLE = Survey(
    root=True,
    os_release={"ID": "debian", "VERSION_ID": "13", "PRETTY_NAME": "Debian 13"},
    overlay_error=None,
    has_tun=True,
    bridge_owner=None,
    networks={"192.0.2.0/24": "an address of eth0"},
    port_errors={},
    answering=[],
    foreign_machines=[],
    existing_subnet=None,
    existing_nodes=0,
    disk_free=100 * GIB,
    memory_available=16 * GIB,
)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({}, []),
        ({"bridge_owner": str(LAB.directory), "existing_subnet": "10.99.0.0/24"}, []),
        ({"root": False}, ["root"]),
        ({"os_release": {"ID": "ubuntu", "PRETTY_NAME": "Ubuntu 26.04"}}, ["Ubuntu 26.04"]),
        ({"overlay_error": "no such device"}, ["no such device"]),
        ({"has_tun": False}, ["modprobe tun"]),
        ({"bridge_owner": ""}, ["something else"]),
        ({"bridge_owner": "/elsewhere/.cache/lab/try"}, ["/elsewhere"]),
        ({"networks": {"10.0.0.0/8": "a route by wg0"}}, ["a route by wg0"]),
        (
            {
                "networks": {"10.99.0.0/25": "an address of eth1"},
                "answering": ["10.99.0.11"],
                "port_errors": {"UDP": ""},
            },
            ["an address of eth1"],
        ),
        ({"port_errors": {"UDP 10.99.0.101:623": "Address already in use"}}, ["UDP 10.99.0.101:623"]),
        ({"answering": ["10.99.0.11"]}, ["10.99.0.11"]),
        ({"foreign_machines": ["try-1 (process 7)"]}, ["try-1"]),
        ({"existing_subnet": "10.98.0.0/24"}, ["lab_subnet=10.98.0.0/24"]),
        ({"disk_free": 5 * GIB}, ["5.0 GiB of disk left, 3 nodes need 8.0 GiB"]),
        ({"disk_free": 5 * GIB, "existing_nodes": 3}, []),
        ({"memory_available": 1 * GIB}, ["1.0 GiB of memory"]),
        ({"bridged_traffic_dropped": True}, ["bridge-nf-call-iptables=0"]),
        ({"root": False, "has_tun": False}, ["root", "tun"]),
    ],
)
def test_every_problem_is_named(difference: dict[str, Any], words: list[str]) -> None:
    found = problems(LAB, 3, dataclasses.replace(SUITABLE, **difference))
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_overlayfs_can_not_take_every_path() -> None:
    assert problems(dataclasses.replace(LAB, cache=Path("/a b/.cache")), 3, SUITABLE)


def test_missing_packages() -> None:
    runner = Commands({"dpkg-query": "iproute2 installed\nmmdebstrap config-files\n"})
    assert lab_preflight.missing_packages(["iproute2", "mmdebstrap", "ipmitool"], runner) == ["mmdebstrap", "ipmitool"]


@pytest.mark.parametrize(
    ("switch", "chain", "dropped"),
    [
        ("1", {"family": "ip", "hook": "forward", "policy": "drop"}, True),
        ("1", {"family": "ip", "hook": "forward", "policy": "accept"}, False),
        ("1", {"family": "ip6", "hook": "forward", "policy": "drop"}, False),
        ("1", {"family": "ip", "hook": "input", "policy": "drop"}, False),
        ("0", {"family": "ip", "hook": "forward", "policy": "drop"}, False),
        (None, {}, False),
    ],
)
def test_bridged_traffic(tmp_path: Path, switch: str | None, chain: dict[str, str], dropped: bool) -> None:
    if switch is not None:
        (tmp_path / "switch").write_text(f"{switch}\n")
    chains = {"nftables": [{"metainfo": {}}, {"chain": chain}]}
    runner = Commands({"nft": json.dumps(chains)})
    assert lab_preflight.bridged_traffic_dropped(runner, tmp_path / "switch") is dropped


def test_networks_leave_out_the_labs_own() -> None:
    links = lab_machine.links(
        Commands({"ip": json.dumps([link("eth0", "192.0.2.2", 24), link("lab-try", "10.99.0.1", 24)])})
    )
    routes = [{"dst": "default", "dev": "eth0"}, {"dst": "10.99.0.0/24", "dev": "lab-try"}, {"dst": "172.16.0.0/12"}]
    assert lab_preflight.networks(links, "lab-try", Commands({"ip": json.dumps(routes)})) == {
        "192.0.2.0/24": "an address of eth0",
        "172.16.0.0/12": "a route by elsewhere",
    }


def link(name: str, address: str, length: int) -> dict[str, Any]:
    return {"ifname": name, "addr_info": [{"family": "inet", "local": address, "prefixlen": length}]}


# -- this machine -------------------------------------------------------------------------------------

NODE_MOUNTS = """\
109 88 0:39 / / rw shared:1 - overlay overlay rw,lowerdir=/b,upperdir=/checkout/n1/upper,workdir=/checkout/n1/work
110 109 0:40 / /proc rw - proc proc rw
"""
HOST_MOUNTS = """\
29 1 254:0 / / rw - ext4 /dev/vda rw
88 29 0:39 / /checkout/n1/root rw - overlay try-1 rw,lowerdir=/b,upperdir=/checkout/n1/upper,workdir=/checkout/n1/work
"""
INNER_MOUNTS = "200 88 0:39 /var/lib/lxc/web/rootfs / rw - overlay overlay rw,lowerdir=/b,upperdir=/checkout/n1/upper\n"


@pytest.mark.parametrize(
    ("mounts", "upper"),
    [(NODE_MOUNTS, "/checkout/n1/upper"), (HOST_MOUNTS, None), (INNER_MOUNTS, None), (None, None)],
)
def test_a_process_is_known_by_the_disk_it_writes_to(tmp_path: Path, mounts: str | None, upper: str | None) -> None:
    (tmp_path / "7").mkdir()
    if mounts is not None:
        (tmp_path / "7" / "mountinfo").write_text(mounts)
    assert lab_machine.root_upper_directory(7, tmp_path) == upper


@pytest.mark.parametrize(
    ("namespaces", "leader"),
    [("7", False), ("7\t1", True), ("7\t2", False), ("7\t300\t1", False)],
)
def test_a_leader_is_first_in_a_namespace_just_below(tmp_path: Path, namespaces: str, leader: bool) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text(f"Name:\tinit\nNSpid:\t{namespaces}\n")
    assert lab_machine.is_leader(7, tmp_path) is leader


def test_processes_without_zombies_and_kernel_threads(tmp_path: Path) -> None:
    for pid, command_line in (("7", b"/usr/bin/systemd-nspawn\0--boot\0"), ("8", b"")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(command_line)
        (tmp_path / pid / "cwd").symlink_to("/srv")
    (tmp_path / "meminfo").touch()
    (process,) = lab_machine.processes(tmp_path)
    assert process == Process(7, ("/usr/bin/systemd-nspawn", "--boot"), "/srv")
    assert process.program == "systemd-nspawn"


# -- power --------------------------------------------------------------------------------------------

CHASSIS = Chassis(
    "try-1", "/checkout/n1", "/base", "lab-try", "7c0dbf62-9c54-4d3c-9c5a-2a3f7b5f0a11", "/dev/null", ["/dev/kvm"]
)


class Machine:
    """One node's processes, as the chassis finds them, and the signals it sends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pids: dict[str, int]) -> None:
        self.pids = pids
        self.immortal = False
        self.signals: list[tuple[str, int]] = []
        monkeypatch.setattr(Chassis, "leader", lambda _self: self.pids.get("leader"))
        monkeypatch.setattr(Chassis, "supervisor", lambda _self: self.pids.get("supervisor"))
        monkeypatch.setattr(lab_chassis, "kill", self.kill)

    def kill(self, pid: int, number: int) -> None:
        (name,) = (name for name, known in self.pids.items() if known == pid)
        self.signals.append((name, number))
        if not self.immortal:
            self.pids.clear()


@pytest.mark.parametrize(
    ("pids", "killed"),
    [
        ({"leader": 8, "supervisor": 7}, ["leader"]),
        ({"leader": 8}, ["leader"]),
        ({"supervisor": 7}, ["supervisor"]),
        ({}, []),
    ],
)
def test_cut_power(monkeypatch: pytest.MonkeyPatch, pids: dict[str, int], killed: list[str]) -> None:
    machine = Machine(monkeypatch, pids)
    monkeypatch.setattr(lab_chassis, "PATIENCE", 0)
    runner = Commands()
    CHASSIS.cut_power(runner=runner)
    assert machine.signals == [(name, 9) for name in killed]
    assert not CHASSIS.is_on()
    assert runner.argvs == [["ip", "link", "delete", "vb-try-1"]]


def test_power_is_not_off_before_all_processes_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {"leader": 8, "supervisor": 7})
    machine.immortal = True
    with pytest.raises(ChassisError, match="all processes of try-1"):
        CHASSIS.cut_power(timeout=0.05, runner=Commands())
    assert CHASSIS.is_on()


def test_a_node_has_a_cgroup_of_its_own() -> None:
    plain, scoped = CHASSIS.boot_argv(Path("/cgroup/drover-lab-try-1")), CHASSIS.boot_argv(None)
    container = plain[plain.index("systemd-nspawn") :]
    assert scoped[-len(container) :] == container
    assert ("/cgroup/drover-lab-try-1" in plain, "systemd-run" in plain) == (True, False)
    assert ("systemd-run" in scoped, "--unit=drover-lab-try-1" in scoped) == (True, True)
    assert container[-1] == "--bind=/dev/kvm"


def test_descriptions_are_read_as_written(tmp_path: Path) -> None:
    chassis = dataclasses.replace(CHASSIS, directory=str(tmp_path))
    settings = BmcSettings("10.99.0.101", 623, "drover", "secret")
    chassis.save(tmp_path)
    settings.save(tmp_path)
    assert (Chassis.load(tmp_path), BmcSettings.load(tmp_path)) == (chassis, settings)
    assert (tmp_path / "bmc.json").stat().st_mode & 0o777 == 0o600


def test_an_exit_status_is_taken_once(tmp_path: Path) -> None:
    chassis = dataclasses.replace(CHASSIS, directory=str(tmp_path))
    assert chassis.take_exit_status() is None
    chassis.exit_file.write_text("")  # just being written
    assert chassis.take_exit_status() is None
    chassis.exit_file.write_text("133\n")
    assert (chassis.take_exit_status(), chassis.take_exit_status()) == (133, None)


@pytest.fixture
def bmc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> lab_bmc.NodeBmc:
    """A BMC without its socket, of a node that starts when told to."""
    machine = Machine(monkeypatch, {})

    def boot(_self: Chassis) -> None:
        machine.pids["leader"] = 8

    monkeypatch.setattr(Chassis, "boot", boot)
    monkeypatch.setattr(Chassis, "unplug", lambda _self, _runner: None)
    monkeypatch.setattr("pyghmi.ipmi.bmc.Bmc.__init__", lambda _self, *_args, **_options: None)
    chassis = dataclasses.replace(CHASSIS, directory=str(tmp_path))
    return lab_bmc.NodeBmc(chassis, BmcSettings("127.0.0.1", 0, "drover", "secret"))


def test_bmc_has_the_nodes_power(bmc: lab_bmc.NodeBmc) -> None:
    for request, state in [
        (bmc.power_on, "on"),
        (bmc.power_on, "on"),
        (bmc.power_off, "off"),
        (bmc.power_off, "off"),
        (bmc.power_cycle, "on"),
        (bmc.power_reset, "on"),
    ]:
        assert request() == lab_bmc.COMPLETED
        assert bmc.get_power_state() == state


def test_bmc_says_when_it_failed(bmc: lab_bmc.NodeBmc, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Chassis) -> None:
        raise ChassisError("stuck")

    monkeypatch.setattr(Chassis, "cut_power", fail)
    assert bmc.power_off() == lab_bmc.FAILED


@pytest.mark.parametrize(("status", "state"), [("0", "off"), ("133", "on"), ("137", "off")])
def test_a_node_that_reboots_comes_back(bmc: lab_bmc.NodeBmc, status: str, state: str) -> None:
    bmc.chassis.exit_file.write_text(f"{status}\n")
    bmc.look_after_node()
    assert bmc.get_power_state() == state


# -- nodes and inventory ------------------------------------------------------------------------------


@pytest.fixture
def nodes(tmp_path: Path) -> LabNodes:
    lab = dataclasses.replace(LAB, cache=tmp_path)
    lab.directory.mkdir(parents=True)
    lab.secrets.write_text('{"bmc_password": "secret"}')
    return LabNodes(lab, NodeSettings("/base", "http://10.99.0.1:3142", 623, [], "/plugins"), Commands())


def describe(nodes: LabNodes, count: int) -> None:
    atomic.write(nodes.lab.description, nodes.description(count) or "")


def test_a_described_lab_needs_no_description(nodes: LabNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LabNodes, "see", lambda _self: HEALTHY)
    assert [step.verb for step in nodes.plan(2)] == ["describe lab in"]
    describe(nodes, 2)
    assert nodes.plan(2) == []
    assert nodes.lab.description.stat().st_mode & 0o777 == 0o600


def test_the_inventory_is_what_the_description_says(nodes: LabNodes) -> None:
    describe(nodes, 2)
    lab = json.loads(nodes.lab.description.read_text())
    assert lab_inventory.group_variables(lab)["lab_gateway"] == "10.99.0.1"
    assert [lab_inventory.host_variables(node) for node in lab["nodes"]] == [
        {
            "ansible_host": f"10.99.0.1{index}",
            "bmc_address": f"10.99.0.10{index}",
            "bmc_port": 623,
            "bmc_user": "drover",
            "bmc_password": "secret",
        }
        for index in (1, 2)
    ]
