# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site: two nodes on one wire, what an administrator would have declared, and what makes each node itself."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "CONTAINER",
    "EXPORT",
    "FENCING",
    "GUEST_VLAN",
    "NODES",
    "PORT",
    "VM",
    "WATCHDOG",
    "Node",
    "group_variables",
    "hosts",
    "identity",
    "seed",
]

#: The node's interfaces: the one that SSH comes in by, which Drover leaves alone, and the one on the nodes' wire.
SSH_PORT, PORT = "enp0s16", "enp0s17"

PREFIX, VLAN_PREFIX = "10.224.0", "10.224.42"
GUEST_VLAN = 42
VM, CONTAINER = "game", "web"
VM_ADDRESS, CONTAINER_ADDRESS = f"{PREFIX}.150", f"{PREFIX}.151"
VM_TAGGED, CONTAINER_TAGGED = f"{VLAN_PREFIX}.150", f"{VLAN_PREFIX}.151"
CONTAINER_MEMORY = 96 << 20

#: What the first node serves as the shared pool.
EXPORT = "/srv/export"


#: A power controller's agent: it answers, and does not do what it is told. So the next level is asked.
DISOBEDIENT = "fence_disobedient"
DISOBEDIENT_AGENT = """\
#!/bin/sh
action=$(sed -n 's/^action=//p'); [ -n "$action" ] || action=${2:-}
case $action in
    metadata) cat <<'IN'
<?xml version="1.0" ?>
<resource-agent name="fence_disobedient" shortdesc="A power controller that answers and obeys nobody">
<longdesc>For a test.</longdesc>
<parameters><parameter name="action"><content type="string" default="reboot"/></parameter></parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/><action name="list"/>
<action name="monitor"/><action name="metadata"/></actions>
</resource-agent>
IN
    ;;
    status | monitor | list) ;;
    *) echo "$action: not obeyed" >&2; exit 1 ;;
esac
"""
#: Seconds of the watchdog: more than an emulated machine takes to count a node as lost.
WATCHDOG = 50
#: What is declared for both nodes once there is to be SBD.
FENCING: dict[str, Any] = {
    "fencing_bmc": {"address": "10.0.2.2", "agent": DISOBEDIENT},
    "fencing_sbd_devices": ["/dev/disk/by-id/virtio-shared"],
    "fencing_watchdog": "softdog",
    "fencing_watchdog_timeout": WATCHDOG,
    "cluster_allow_unfenced": False,
}


@dataclass(frozen=True)
class Node:
    """A node's name and number, and the port of this machine's loopback at which its SSH server answers."""

    name: str
    number: int
    ssh_port: int

    @property
    def address(self) -> str:
        """On the nodes' wire."""
        return f"{PREFIX}.{10 + self.number}"

    @property
    def behind(self) -> str:
        """On QEMU's user network, by which SSH comes in."""
        return f"10.0.2.{14 + self.number}"


#: Their ports are nobody's by IANA's list, and below those that Linux hands out itself.
NODES = (Node("node1", 1, 22461), Node("node2", 2, 22462))


def hosts(folder: Path) -> dict[str, Any]:
    """The inventory's hosts. ``folder`` holds the key and the known hosts."""
    known = f"-o UserKnownHostsFile={folder}/known_hosts -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
    return {
        "nodes": {
            "hosts": {
                node.name: {
                    "ansible_host": "127.0.0.1",
                    "ansible_port": node.ssh_port,
                    "node_address": node.address,
                    "node_ntp_servers": [] if node is NODES[0] else [NODES[0].address],
                    "network_bridges": {
                        "br0": {"ports": [PORT], "addresses": [f"{node.address}/24"], "vlan_aware": True},
                    },
                }
                for node in NODES
            },
            "vars": {
                "ansible_user": "root",
                "ansible_connection": "ssh",
                "ansible_ssh_private_key_file": f"{folder}/ssh_key",
                # As in ansible.cfg, but for the time until a machine that says nothing counts as gone: it may be busy.
                "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=300s -o ServerAliveInterval=60",
                "ansible_ssh_common_args": known,
                "ansible_timeout": 60,
            },
        }
    }


def group_variables(public_key: str) -> dict[str, Any]:
    """What is declared for all of them. Everything that has a limit in seconds is given an emulated machine's time."""
    return {
        "network_takeover": True,
        "network_rollback_after": 300,
        "cluster_name": "real",
        # There is no power controller here, and no node is to be given up because this machine is busy.
        "cluster_allow_unfenced": True,
        "cluster_token": 20000,
        "images_probe_timeout": 180,
        "guests_timeout": 900,
        "storage_pools": {
            "shared": {
                "type": "directory",
                "path": "/srv/drover/shared",
                "mount": {"src": f"{NODES[0].address}:{EXPORT}", "fstype": "nfs4", "options": "hard,noatime"},
            },
            # For the container, whose thousands of files the shared pool takes too long to write here.
            "local": {"type": "directory", "path": "/srv/drover/local", "shared": False},
        },
        "guests_ssh_keys": [public_key],
        "guests": {
            VM: {
                "kind": "vm",
                "image": "tiny",
                "memory": "192MiB",
                "nics": [
                    {"bridge": "br0", "address": f"{VM_ADDRESS}/24"},
                    {"bridge": "br0", "address": f"{VM_TAGGED}/24", "vlan": GUEST_VLAN},
                ],
                "placement": {"prefer": ["node1"]},
                # Emulated inside of what is emulated, pages are copied slowly: its way is shown here, not its speed.
                "migration": {"max_downtime": "300ms", "timeout": "10min"},
            },
            CONTAINER: {
                "kind": "container",
                "memory": f"{CONTAINER_MEMORY >> 20}MiB",
                "rootfs": {"image": "debian-13", "pool": "local"},
                "nics": [
                    {"bridge": "br0", "address": f"{CONTAINER_ADDRESS}/24"},
                    {"bridge": "br0", "address": f"{CONTAINER_TAGGED}/24", "vlan": GUEST_VLAN},
                ],
                "placement": {"prefer": ["node2"]},
            },
        },
    }


def identity(node: Node, *, host_key: str, host_key_public: str, login_key_public: str) -> dict[str, tuple[int, str]]:
    """The files that make a node itself: mode and text by path.

    Both its interfaces are ifupdown's, as Debian's installer leaves them.
    """
    files = {
        "etc/hostname": (0o644, f"{node.name}\n"),
        "etc/hosts": (0o644, f"127.0.0.1 localhost\n127.0.1.1 {node.name}\n"),
        "etc/resolv.conf": (0o644, "nameserver 10.0.2.3\n"),
        "etc/network/interfaces": (
            0o644,
            "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n"
            f"auto {SSH_PORT}\niface {SSH_PORT} inet static\n    address {node.behind}/24\n    gateway 10.0.2.2\n\n"
            f"auto {PORT}\niface {PORT} inet static\n    address {node.address}/24\n",
        ),
        "etc/ssh/ssh_host_ed25519_key": (0o600, host_key),
        "etc/ssh/ssh_host_ed25519_key.pub": (0o644, host_key_public),
        "root/.ssh/authorized_keys": (0o600, login_key_public),
        f"usr/sbin/{DISOBEDIENT}": (0o755, DISOBEDIENT_AGENT),
    }
    if node is NODES[0]:
        # The other node's clock follows this one, which follows this machine's.
        files["etc/chrony/conf.d/real.conf"] = (0o644, f"local stratum 8\nallow {PREFIX}.0/24\n")
        files["etc/exports.d/real.exports"] = (
            0o644,
            f"{EXPORT} {PREFIX}.0/24(rw,async,no_root_squash,no_subtree_check)\n",
        )
    return files


def seed(file: Path, files: Mapping[str, tuple[int, str]], folders: Mapping[str, Path]) -> None:
    """Write the disk that a node unpacks at its first boot: a tar file of ``files`` and ``folders``, by path there."""
    with tarfile.open(file, "w") as archive:
        for path, (mode, text) in files.items():
            entry, content = tarfile.TarInfo(path), text.encode()
            entry.mode, entry.size = mode, len(content)
            archive.addfile(entry, io.BytesIO(content))
        for path, folder in folders.items():
            archive.add(folder, path.lstrip("/"))
