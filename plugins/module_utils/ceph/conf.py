# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ceph.conf as every node has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.quantities import parse_size

__all__ = ["MOUNTS", "PORT", "monitor_address", "monitor_endpoint", "render"]

_HEADER = "# Kept by Drover's role ceph.\n"
#: TCP port of a monitor that speaks the second version of the protocol.
PORT = 3300

_SETTINGS = {
    # Authenticated and encrypted, all of it, and nothing of the first version of the protocol.
    "ms_bind_msgr1": "false",
    "ms_cluster_mode": "secure",
    "ms_service_mode": "secure",
    "ms_client_mode": "secure",
    "ms_mon_cluster_mode": "secure",
    "ms_mon_service_mode": "secure",
    "ms_mon_client_mode": "secure",
    "auth_allow_insecure_global_id_reclaim": "false",
    # What the loss of a monitor costs before the next election ends. The lease keeps its default: hosts may be busy.
    "mon_election_timeout": "1",
    "osd_pool_default_size": "3",
    "osd_pool_default_min_size": "2",
    # A drain or a power cut starts no rebuild; a node that stays away for long does not either, for three have no
    # place for it.
    "mon_osd_down_out_interval": "600",
    "mon_osd_down_out_subtree_limit": "host",
    # Each of them needs what Debian lacks or nobody here asks for, and a module disabled later restarts the manager.
    "mgr_initial_modules": '""',
    # Who has just begun knows the cluster as it was, and waits for an OSD that is gone until it asks anew: 10 s by
    # default, in which a guest of the lost node does not start.
    "objecter_tick_interval": "0.5",
    "objecter_timeout": "1",
    # How long a client whose lock was broken stays out. A node may be away, and come back to life, for a day.
    "rbd_blocklist_expire_seconds": "86400",
}

#: Of clients that mount a file system for containers, whose root is not the node's: the kernel judges rights by the
#: user namespace, which the client does not know.
MOUNTS = {"client_permissions": "false", "fuse_default_permissions": "true"}


def monitor_address(address: str) -> str:
    """Where a monitor listens, as Ceph writes it: the second version of the protocol alone."""
    return f"[v2:{monitor_endpoint(address)}]"


def monitor_endpoint(address: str) -> str:
    """The same as "ceph mon add" takes it, to which the port says which version it is."""
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{PORT}"


def render(
    fsid: str,
    monitors: Mapping[str, str],
    *,
    networks: Mapping[str, str] | None = None,
    osd_memory: str | int = 0,
    daemon_memory: str | int = 0,
    file_size: str | int = 0,
    more: Mapping[str, Any] | None = None,
) -> str:
    """The text of ceph.conf.

    ``monitors`` are addresses by name. ``networks`` are ``public`` and ``cluster``, where they are told.
    ``osd_memory`` and ``daemon_memory`` are what an OSD and another daemon of this node take, ``file_size`` how large
    one that is kept in a file is. ``more`` are settings of the user's, which go before Drover's.
    """
    hosts = " ".join(monitor_address(address) for address in monitors.values())
    main = {"fsid": fsid, "mon_host": hosts, "mon_initial_members": " ".join(monitors), **_SETTINGS}
    main.update({f"{kind}_network": network for kind, network in (networks or {}).items() if network})
    if any(":" in address for address in monitors.values()):
        main |= {"ms_bind_ipv6": "true", "ms_bind_ipv4": "false"}
    osd: dict[str, str] = {}
    if osd_memory:
        osd["osd_memory_target"] = str(parse_size(osd_memory))
    if file_size:
        # Read when the OSD is made. What the file's storage seems to be able to do says nothing of a disk.
        osd |= {"bluestore_block_size": str(parse_size(file_size)), "osd_mclock_skip_benchmark": "true"}
    # Half of what it takes in all; more it drops.
    mds = {"mds_cache_memory_limit": str(parse_size(daemon_memory) // 2)} if daemon_memory else {}
    main.update({str(key): str(value) for key, value in (more or {}).items()})
    sections = {"global": main, "osd": osd, "mds": mds, "client.drover": MOUNTS}
    return _HEADER + "".join(
        f"\n[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())
        for name, settings in sections.items()
        if settings
    )
