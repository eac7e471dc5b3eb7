# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What speaks against a move, by reason code: for people the message and the remedy, for programs the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["CODES", "Finding", "Seen", "Severity", "blocking", "reasons"]

#: Whether a move fails or harms for that reason, or is only less good for it.
Severity = Literal["blocks", "warns"]

#: Every reason code: how severe it is, and when it is given. Codes stay what they are. `make docs` makes a page of it.
CODES: Mapping[str, tuple[Severity, str]] = {
    # what the cluster knows
    "unknown_guest": ("blocks", "the cluster has no guest of that name"),
    "guest_not_running": ("blocks", "the guest is stopped"),
    "ha_paused": ("blocks", "high availability is paused, so nothing moves"),
    "guest_unmanaged": ("blocks", "somebody told the cluster to leave the guest alone"),
    "disks_moving": ("blocks", "a disk of the guest is on its way to another pool, by playbooks/guests.yml"),
    "guest_in_trouble": ("blocks", "the guest failed, is blocked, or is seen on more than one node"),
    "guest_under_way": ("warns", "the guest is being moved or changed already; a move waits for the end of that"),
    "node_busy": ("warns", "another guest is on its way from or to one of the two nodes and shares the wire"),
    "unknown_node": ("blocks", "the cluster has no node of that name"),
    "node_in_maintenance": ("blocks", "the target is in maintenance"),
    "node_offline": ("blocks", "the target is no usable member of the cluster"),
    "no_memory": ("blocks", "the target has too little memory left to give to guests"),
    "no_vcpus": ("blocks", "the target has too few vcpus left to give to guests"),
    "apart": ("blocks", "a guest runs on the target, and the two are to be apart, whoever of them says so"),
    "together": ("blocks", "a guest runs elsewhere, and the two are to be together, whoever of them says so"),
    # what the nodes say
    "node_silent": ("blocks", "a node's peer service does not answer the node that asks"),
    "libvirt_silent": ("blocks", "libvirt does not answer on a node"),
    "name_taken": ("blocks", "libvirt on the target has a domain of the guest's name or UUID"),
    "accelerator_missing": ("blocks", "the guest runs on KVM, and the target has none"),
    "machine_unknown": ("blocks", "QEMU on the target does not know the guest's machine type"),
    "qemu_older": ("warns", "QEMU on the target is older, which its developers test less than the other direction"),
    "cpu_lacks_features": ("blocks", "the target's CPU lacks features that the running guest has seen"),
    "cpu_differs": ("warns", "the guest was promised the node's very CPU (host-passthrough), and the target's differs"),
    "host_device": ("blocks", "the guest has a device of its node"),
    "local_media": ("blocks", "a medium in the guest's drive is a file that the target does not have"),
    "bridge_missing": ("blocks", "the target lacks a bridge that the guest is attached to"),
    "bridge_down": ("warns", "the bridge on the target leads nowhere: it is down or has no carrier"),
    "vlan_unaware": ("blocks", "the guest's VLAN needs a VLAN-aware bridge, and the target's is none"),
    "mtu_smaller": ("blocks", "the bridge on the target takes shorter frames than the source's"),
    "device_missing": ("blocks", "the target does not have a device that the container is given"),
    "mount_missing": ("blocks", "the target does not have a folder or file that the container is given"),
    "storage_missing": ("blocks", "the target does not have a file or directory that the guest lives from"),
    "storage_differs": ("blocks", "the target has another storage at the same place"),
    "storage_full": (
        "blocks",
        "the target's local storage has no room for a copy, or the guest is paused for want of room",
    ),
    "size_unknown": ("warns", "the guest's local storage is too large to be counted in a second; the move itself does"),
    "module_missing": ("blocks", "the target's kernel lacks a module that the guest needs"),
    "no_vhost": ("warns", "the target's kernel lacks vhost_net, which the guest's network is slower without"),
    "keys_unreadable": ("blocks", "QEMU on one of the nodes cannot read its TLS keys"),
    "apparmor_missing": ("warns", "AppArmor is on in a node's kernel, and does not confine the guest's QEMU there"),
    "program_missing": ("blocks", "a program that runs or copies the guest is not installed on the target"),
    "program_old": ("blocks", "the program that copies the guest is too old on a node to do so safely"),
    # what lies between the nodes
    "peer_unreachable": ("blocks", "the source cannot reach the target's peer service (TCP 16515)"),
    "libvirt_unreachable": ("blocks", "the source cannot reach the target's libvirt (TCP 16514)"),
    "stream_unreachable": ("blocks", "the source cannot reach the target's migration ports (TCP 49152 to 49215)"),
    "ports_taken": ("blocks", "all migration ports of the target are taken"),
    "certificate_refused": ("blocks", "one of the nodes does not believe the other's certificate"),
    "certificate_ending": ("warns", "the target's certificate ends within two weeks"),
    "clocks_differ": ("warns", "the two nodes' clocks differ by more than a second"),
    "bridge_firewall": (
        "warns",
        "a node passes bridged frames to its firewall, which may cut connections after a move",
    ),
    "messages_small": ("warns", "the target's Pacemaker was started with message buffers too small for so many guests"),
    "no_post_copy": ("warns", "the guest may fall back to post-copy, and the target does not let it"),
}


@dataclass(frozen=True)
class Finding:
    """One reason: ``message`` says what is the case, ``remedy`` what to do about it."""

    code: str
    message: str
    remedy: str

    @property
    def severity(self) -> Severity:
        return CODES[self.code][0]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "severity": self.severity}

    def __str__(self) -> str:
        return f"{self.message} ({self.code}); {self.remedy}"


#: What the nodes themselves have against a guest's move, by target (see checks.py).
Seen = Mapping[str, Sequence[Finding]]


def blocking(findings: Iterable[Finding]) -> list[Finding]:
    """Those of them that a move can't be made with."""
    return [finding for finding in findings if finding.severity == "blocks"]


def reasons(findings: Iterable[Finding]) -> str:
    """All of them in one sentence, each once."""
    return "; ".join(dict.fromkeys(map(str, findings)))
