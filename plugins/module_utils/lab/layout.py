# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a lab is called and where it lives: every name, address and path follows from four values."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MAX_NODES", "Lab", "Node", "parameter_problems"]

MAX_NODES = 32
#: Names become network interfaces (``vb-NAME-32``), and those have at most 15 characters.
NAME = re.compile(r"[a-z][a-z0-9]{0,8}")
FIRST_NODE = 11
FIRST_BMC = 101


@dataclass(frozen=True)
class Node:
    """One node of a lab: a machine with a network card, a disk and a power controller (BMC)."""

    lab: Lab
    index: int

    @property
    def name(self) -> str:
        return f"node{self.index}"

    @property
    def machine(self) -> str:
        """What systemd-nspawn calls it; unique on this host."""
        return f"{self.lab.name}-{self.index}"

    @property
    def veth(self) -> str:
        """The host's end of its network cable, named by systemd-nspawn."""
        return f"vb-{self.machine}"

    @property
    def address(self) -> str:
        return self.lab.host_address(FIRST_NODE - 1 + self.index)

    @property
    def bmc_address(self) -> str:
        return self.lab.host_address(FIRST_BMC - 1 + self.index)

    @property
    def directory(self) -> Path:
        return self.lab.nodes_directory / self.name

    @property
    def bmc_log(self) -> Path:
        return self.lab.directory / f"bmc-{self.name}.log"

    @property
    def console_log(self) -> Path:
        return self.lab.directory / f"console-{self.name}.log"


@dataclass(frozen=True)
class Lab:
    """One instance: its name, its network and where on this machine its state and caches are kept."""

    name: str
    subnet: ipaddress.IPv4Network
    cache: Path

    @property
    def directory(self) -> Path:
        """Everything that `absent` removes."""
        return self.cache / "lab" / self.name

    @property
    def shared_cache(self) -> Path:
        """What all instances share, and `absent` keeps."""
        return self.cache / "lab-cache"

    @property
    def lock(self) -> Path:
        """Held by whoever changes this lab."""
        return self.shared_cache / f"{self.name}.lock"

    @property
    def package_cache_lock(self) -> Path:
        """Held by whoever starts or stops the package cache."""
        return self.shared_cache / "packages.lock"

    @property
    def package_cache(self) -> Path:
        return self.shared_cache / "packages"

    @property
    def image_cache(self) -> Path:
        return self.shared_cache / "images"

    @property
    def nodes_directory(self) -> Path:
        return self.directory / "nodes"

    @property
    def shared_directory(self) -> Path:
        """The directory that all nodes of this instance see."""
        return self.directory / "shared"

    @property
    def description(self) -> Path:
        """The file that says a lab is here: written last, read by the inventory plugin."""
        return self.directory / "lab.json"

    @property
    def ssh_key(self) -> Path:
        return self.directory / "ssh_key"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def secrets(self) -> Path:
        return self.directory / "secrets.json"

    @property
    def bridge(self) -> str:
        return f"lab-{self.name}"

    @property
    def gateway(self) -> str:
        """This machine's own address in the lab."""
        return self.host_address(1)

    @property
    def package_cache_address(self) -> str:
        """Where the package cache listens, for the instances on this machine only.

        Two checkouts have two caches, so the loopback address follows from the cache's path.
        """
        digest = hashlib.sha256(str(self.package_cache).encode()).digest()
        return f"127.{digest[0]}.{digest[1]}.1"

    def host_address(self, number: int) -> str:
        return str(self.subnet.network_address + number)

    def node(self, index: int) -> Node:
        return Node(self, index)

    def nodes(self, count: int) -> list[Node]:
        return [self.node(index) for index in range(1, count + 1)]

    def every_node(self) -> list[Node]:
        """All nodes that an instance of this name could ever have had."""
        return self.nodes(MAX_NODES)


def parameter_problems(name: str, subnet: str, nodes: int) -> list[str]:
    """What is wrong with the values a user gave, each with its remedy; empty when all is well."""
    problems = []
    if not NAME.fullmatch(name):
        problems.append(
            f"lab_name {name!r} can't be used: take a lower-case letter followed by at most eight "
            "lower-case letters or digits (it becomes part of network interface names)."
        )
    if not 1 <= nodes <= MAX_NODES:
        problems.append(f"lab_nodes is {nodes}: take a number from 1 to {MAX_NODES}.")
    try:
        network = ipaddress.IPv4Network(subnet)
    except ValueError as error:
        problems.append(f"lab_subnet {subnet!r} is not an IPv4 network ({error}): take one like 10.213.0.0/24.")
    else:
        if network.prefixlen != 24 or not network.is_private:
            problems.append(f"lab_subnet {subnet} must be a private network with prefix length 24, like 10.213.0.0/24.")
    return problems
