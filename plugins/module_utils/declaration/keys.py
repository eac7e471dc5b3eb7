# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests model: every key there is, described once.

From here come how the YAML is read and what is said of a wrong one (:mod:`sections`), docs/guests.md, and the JSON
Schema for editors. A new key is an entry here and a field in :mod:`types`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..guest.definition import derived_uuid
from . import networks
from .device_keys import CONTAINER_ROOTFS, DISKS, NICS, OF_THE_NODE
from .firewall import FIREWALL
from .key import CONTAINER, VM, Context, Key, Parts
from .types import Ha, Migration, Placement
from .values import (
    BOOLEAN,
    CPU,
    DOWNTIME,
    LEAST_MEMORY,
    MEMORY,
    NAME,
    NAMESERVER,
    RATE,
    SSH_KEY,
    TEXT,
    UUID,
    choice,
    duration,
    image,
    list_of,
    whole,
)

__all__ = ["KEYS", "STATE_KEYS", "children", "ordered"]


def _channels(known: Context) -> int:
    one = known.values["post_copy"] == "fallback" or known.values["bandwidth"] is not None
    return 1 if one else 2


#: The keys that an absent guest has a use for.
STATE_KEYS = (
    Key(
        "state",
        choice("a state", "present", "stopped", "absent"),
        "Stopped keeps the guest and its disks without running it; absent stops it and takes it out of the cluster. "
        "One that is not mentioned is left alone.",
        "stopped",
        default="present",
    ),
    Key(
        "remove_disks",
        BOOLEAN,
        "With `state: absent`, its disks or root file system go as well; by default they stay.",
        "true",
        default=False,
    ),
)

_GUEST = (
    *STATE_KEYS,
    Key(
        "kind",
        choice("a kind of guest", "vm", "container"),
        "A VM migrates while it runs; a container is lighter, and away for a second when it moves.",
        "vm",
        default="vm",
        required="vm or container",
        change="refused",
        change_words="a guest of another kind is another guest",
    ),
    Key("description", TEXT, "What it is for, as status tells it.", "The game server", default=""),
    Key(
        "vcpus",
        whole(1, 1024),
        "Processors; a VM can have 255.",
        "2",
        default=1,
        change_words="a VM on KVM gets more, up to max_vcpus, while it runs; fewer, or more without KVM, by a restart",
    ),
    Key(
        "max_vcpus",
        whole(1, 1024),
        "How far vcpus can grow while the VM runs.",
        "4",
        VM,
        default=lambda known: known.values["vcpus"],
        default_words="vcpus",
        change="restart",
        elsewhere="is for VMs: a container's limits can always be changed while it runs",
    ),
    Key(
        "memory",
        MEMORY,
        "Its memory.",
        "2GiB",
        default=LEAST_MEMORY,
        required="such as 512MiB",
        change_words="a VM gets more than max_memory by a restart",
    ),
    Key(
        "max_memory",
        MEMORY,
        "How far memory can grow while the VM runs.",
        "4GiB",
        VM,
        default=lambda known: known.values["memory"],
        default_words="memory",
        change="restart",
        elsewhere="is for VMs: a container's limits can always be changed while it runs",
    ),
    Key(
        "cpu",
        CPU,
        "A libvirt CPU model that all nodes have, when they differ.",
        "EPYC-Rome",
        VM,
        default_words="the node's own",
        change="restart",
        elsewhere="is for VMs: a container runs on the node's CPU",
    ),
    Key(
        "uuid",
        UUID,
        "The VM's identity, which a system inside may know it by.",
        "c0ffee00-0000-4000-8000-000000000001",
        VM,
        default=lambda known: derived_uuid(known.guest),
        default_words="made from the guest's name",
        change="restart",
        elsewhere="is for VMs: a container has none",
    ),
    Key(
        "screen",
        BOOLEAN,
        "A screen and a keyboard, which the console shows; without, it has a serial port alone.",
        "true",
        VM,
        default=False,
        change="restart",
        elsewhere="is for VMs: a container has a terminal",
    ),
    Key(
        "image",
        image("vm", "kernel"),
        "Instead of a disk to boot from: an image that brings a kernel.",
        "tiny",
        VM,
        change="restart",
        elsewhere="is for VMs: a container has its image in rootfs",
    ),
    *DISKS,
    *CONTAINER_ROOTFS,
    Key(
        "privileged",
        BOOLEAN,
        "True makes the container's root the node's root.",
        "true",
        CONTAINER,
        default=False,
        change="restart",
        elsewhere="is for containers",
    ),
    *NICS,
    *FIREWALL,
    *OF_THE_NODE,
    Key(
        "ssh_keys",
        list_of(SSH_KEY, "list of public SSH keys"),
        "Public keys that open the guest as root, besides guests_ssh_keys.",
        "[ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you@laptop]",
        default=(),
        change="restart",
        change_words="those that somebody in the guest has added are left alone",
    ),
    Key(
        "on_poweroff",
        choice("what follows a shutdown from inside", "restart", "stop"),
        "What follows when the guest is shut down from inside: it starts again, or stays down until somebody starts it "
        "(playbooks/start.yml). One that crashes starts again in any case.",
        "stop",
        default="restart",
    ),
    Key(
        "nameservers",
        list_of(NAMESERVER, "list of IP addresses"),
        "DNS servers.",
        "[192.0.2.53]",
        default=lambda known: networks.nameservers(known.values["nics"], known.cluster),
        default_words="guests_nameservers, else dns of its first bridge",
        change="restart",
    ),
    Key(
        "stop_timeout",
        duration(1_000, 3_600_000),
        "How long the guest may take to shut down; then its power is cut.",
        "2min",
        default=lambda known: 60_000 if known.values["kind"] == "vm" else 30_000,
        default_words="60s for a VM, 30s for a container",
    ),
)

_HA = (
    Key(
        "ha",
        Parts("High availability", Ha, switch=True),
        "Whether it is started elsewhere when its node is lost, who goes first, and what becomes of one that fails.",
        "{priority: 100}",
        default=Ha(),
        default_words="true",
    ),
    Key(
        "ha.priority",
        whole(0, 1_000_000),
        "Who goes first when not all can run: the higher.",
        "100",
        default=0,
    ),
    Key(
        "ha.max_restart",
        whole(0, 1000),
        "How often it is started again on the same node when it crashes or is killed; forgotten ten minutes after the "
        "last time (`cluster_failure_timeout`).",
        "1",
        default=3,
    ),
    Key(
        "ha.max_relocate",
        whole(0, 1000),
        "How often it is then started on another node, which counts anew; after that it stays down, and status says "
        "why.",
        "0",
        default=1,
    ),
)

_PLACEMENT = (
    Key(
        "placement",
        Parts("Placement", Placement),
        "Wishes for where it runs; none keeps a guest from running.",
        "{prefer: [node1]}",
    ),
    Key(
        "placement.prefer",
        list_of(NAME, "list of nodes"),
        "Nodes it is started on, the first before the second; never moves a guest that runs.",
        "[node1, node2]",
        default=(),
    ),
    Key(
        "placement.apart_from",
        list_of(NAME, "list of guests"),
        "Guests that are to run on other nodes.",
        "[proxy]",
        default=(),
    ),
    Key(
        "placement.together_with",
        list_of(NAME, "list of guests"),
        "Guests that are to run on the same node.",
        "[database]",
        default=(),
    ),
)

_LIVE_ONLY = "is for VMs: a container is stopped while what has changed last is copied"
_MIGRATION = (
    Key(
        "migration",
        Parts("Migration", Migration),
        "How it moves: a VM while it runs, a container on storage of each node's own by being copied.",
        "{bandwidth: 64MiB}",
    ),
    Key(
        "migration.max_downtime",
        DOWNTIME,
        "The longest pause.",
        "50ms",
        VM,
        default=50,
        default_words="50ms",
        elsewhere=_LIVE_ONLY,
    ),
    Key(
        "migration.bandwidth",
        RATE,
        "What it may take of the wire in a second.",
        "128MiB",
        default_words="four fifths of the wire, shared by all that leave a node; no limit with several channels",
    ),
    Key(
        "migration.timeout",
        duration(1_000, 7 * 24 * 3_600_000),
        "How long a move may take before it is called off.",
        "10min",
        default_words="for a VM four times what copying its memory takes, and a minute; none for a container",
    ),
    Key(
        "migration.auto_converge",
        BOOLEAN,
        "Slow down a VM that changes memory faster than the wire.",
        "false",
        VM,
        default=True,
        elsewhere=_LIVE_ONLY,
    ),
    Key(
        "migration.post_copy",
        choice("a policy", "never", "fallback"),
        "Fallback: rather than be called off, go on at the target and fetch the rest of the memory over the wire; both "
        "nodes and the wire have to last until it is there.",
        "fallback",
        VM,
        default="never",
        elsewhere=_LIVE_ONLY,
    ),
    Key(
        "migration.channels",
        whole(1, 16),
        "At most so many connections, one for every 200 MiB/s that it may use; always 1 with disks on local storage.",
        "4",
        VM,
        default=_channels,
        default_words="2, and 1 with post_copy or a bandwidth",
        elsewhere=_LIVE_ONLY,
    ),
)

KEYS: tuple[Key, ...] = (*_GUEST, *_HA, *_PLACEMENT, *_MIGRATION)


def children(parent: str) -> tuple[Key, ...]:
    """The keys in a mapping, by its path; those of a guest for an empty one."""
    return tuple(key for key in KEYS if key.parent == parent)


def ordered(said: Mapping[str, Any], parent: str = "") -> dict[str, Any]:
    """A guest's declaration, or a mapping in it, with its keys in the order in which the documentation has them."""
    return {name: _inside(said[name], parent, name) for name in sorted(said, key=_place(parent))}


def _place(parent: str) -> Callable[[str], int]:
    """Where a key has its place in a mapping; last what is no key."""
    # What a guest is comes before whether it is to run.
    names = sorted((key.name for key in children(parent)), key=lambda name: name != "kind")
    return lambda name: names.index(name) if name in names else len(names)


def _inside(value: Any, parent: str, name: str) -> Any:
    key = next((key for key in children(parent) if key.name == name), None)
    if key is None or not isinstance(key.type, Parts):
        return value
    if isinstance(value, list):
        return [ordered(one, key.inside) if isinstance(one, Mapping) else one for one in value]
    return ordered(value, key.inside) if isinstance(value, Mapping) else value
