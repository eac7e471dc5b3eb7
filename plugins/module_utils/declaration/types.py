# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user declares, as types: guests with their defaults filled in, and the cluster they are judged against."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Bridge",
    "Cluster",
    "Disk",
    "Guest",
    "Ha",
    "Kind",
    "Migration",
    "Mount",
    "Nic",
    "Node",
    "Placement",
    "Rootfs",
]

Kind = Literal["vm", "container"]


@dataclass(frozen=True)
class Node:
    """What a node has to give; None where it could not be asked."""

    memory: int | None = None
    vcpus: int | None = None


@dataclass(frozen=True)
class Bridge:
    """A bridge that guests can be on, as the nodes declare it; None and nothing where it is kept by other means.

    ``dns`` are the servers that the nodes ask through it, ``networks`` those that the nodes themselves are in, by
    ``gateway`` if need be.
    """

    vlan_aware: bool | None = None
    mtu: int | None = None
    dns: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    gateway: str | None = None


@dataclass(frozen=True)
class Cluster:
    """What guests are judged against.

    ``images`` tells by name and kind of guest how an image boots: ``disk``, ``kernel`` or ``rootfs``. Of the ``pools``
    those in ``local_pools`` are every node's own, and ``kinds`` are their types; root file systems are in
    ``rootfs_pool`` by default, where there is one. ``bridges`` are those declared, ``cpu_models`` those that libvirt
    knows on every node; either is None when they are not known. ``taken`` are IP addresses that are no guest's, and
    whose. Pacemaker was set up for ``expected_guests``. ``firewall_sets`` are networks by name,
    ``firewall_groups`` firewalls by name, as they stand in the YAML.
    """

    nodes: Mapping[str, Node]
    images: Mapping[str, Mapping[str, str]]
    pools: Collection[str]
    default_pool: str
    local_pools: Collection[str] = ()
    rootfs_pool: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    bridges: Mapping[str, Bridge] | None = None
    taken: Mapping[str, str] = field(default_factory=dict)
    cpu_models: Collection[str] | None = None
    expected_guests: int | None = None
    ssh_keys: Sequence[str] = ()
    nameservers: Sequence[str] = ()
    firewall_sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    firewall_groups: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Disk:
    """A disk of a VM; ``image`` is what a new one starts as a copy of, ``size`` is in bytes."""

    target: str
    size: int
    image: str | None
    pool: str


@dataclass(frozen=True)
class Rootfs:
    """The root file system of a container; ``size`` in bytes is kept where the pool has quotas."""

    image: str
    size: int | None
    pool: str


@dataclass(frozen=True)
class Nic:
    """A network interface, with addresses as ADDRESS/PREFIX."""

    bridge: str
    mac: str
    vlan: int | None
    mtu: int | None
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    trusted: bool = False


@dataclass(frozen=True)
class Ha:
    """High availability: which of the guests goes first when not all can run, and how often one that fails is started
    again where it was, and then on another node."""

    priority: int = 0
    max_restart: int = 3
    max_relocate: int = 1


@dataclass(frozen=True)
class Incoming:
    """What may come to a guest. Of no ``ports`` all are meant, by ``from_`` None everybody; networks as texts."""

    protocol: str = "any"
    ports: tuple[str, ...] = ()
    from_: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Outgoing:
    """What a guest may send, likewise."""

    protocol: str = "any"
    ports: tuple[str, ...] = ()
    to: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Firewall:
    """What passes at a guest's interfaces; None is everything."""

    in_: tuple[Incoming, ...] | None = None
    out: tuple[Outgoing, ...] | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mount:
    """A folder or file of the node that a container has at a place of its own."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class Placement:
    """Wishes: nodes in the order of preference, guests to be apart from, guests to be together with."""

    prefer: tuple[str, ...] = ()
    apart_from: tuple[str, ...] = ()
    together_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Migration:
    """Live migration, see guest/migration_policy.Policy. ``max_downtime`` and ``timeout`` in ms, ``bandwidth`` in
    bytes/s."""

    max_downtime: int = 50
    bandwidth: int | None = None
    timeout: int | None = None
    auto_converge: bool = True
    post_copy: Literal["never", "fallback"] = "never"
    channels: int = 2


@dataclass(frozen=True)
class Guest:
    """A guest as declared, defaults filled in. Sizes are bytes, times milliseconds.

    An absent guest has only a name, and whether its disks go as well.
    """

    name: str
    kind: Kind = "vm"
    state: Literal["present", "stopped", "absent"] = "present"
    remove_disks: bool = False
    description: str = ""
    vcpus: int = 1
    max_vcpus: int = 1
    memory: int = 0
    max_memory: int = 0
    cpu: str | None = None
    uuid: str = ""
    screen: bool = False
    image: str | None = None
    disks: tuple[Disk, ...] = ()
    seed_pool: str = ""
    rootfs: Rootfs | None = None
    privileged: bool = False
    nics: tuple[Nic, ...] = ()
    devices: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ssh_keys: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    firewall: Firewall = Firewall()
    ha: Ha | None = Ha()
    placement: Placement = Placement()
    migration: Migration = Migration()
    stop_timeout: int = 60_000
    on_poweroff: Literal["restart", "stop"] = "restart"

    @property
    def promised_memory(self) -> int:
        """The memory in bytes that it may come to use, see guest/definition.promised_memory."""
        return max(self.memory, self.max_memory)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images the guest needs."""
        disks = [disk.image for disk in self.disks]
        return tuple(name for name in [self.image, self.rootfs and self.rootfs.image, *disks] if name)
