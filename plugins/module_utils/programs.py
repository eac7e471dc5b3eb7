# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that nodes run, by the names under which they are installed.

The file that starts them (roles/cluster/files/program) knows nothing but :func:`start`, which therefore keeps its name
and its place at the top of the package: what starts in the moment of an upgrade may be that file of the version before.
"""

from __future__ import annotations

import sys

__all__ = ["start"]


def start(name: str) -> int:
    """Be the program of this name, and return its exit status."""
    if name in ("vm", "container"):
        from .agents import glance

        return glance.main(name)
    # Python was started without it, for agents run every few seconds; libvirt's binding is found by it.
    import site

    site.main()
    match name:
        case "peer":
            from .agents.peer_services import main
        case "terminal":
            from .agents.terminals import main
        case "copy":
            from .migration.rsync_shell import launch as main
        case "attach":
            from .agents.attach import main
        case "alert":
            from .agents.power_back import main
        case "ipmitool":
            from .cluster.ipmitool import main
        case "renew":
            from .trust.renewal import main
        case "ceph-alert":
            from .agents.ceph_lost import alert as main
        case "ceph-client":
            from .agents.ceph_client import main
        case "ceph-lost":
            from .agents.ceph_lost import main
        case "deadman":
            from .agents.deadman import main
        case "watch":
            from .agents.watch import main
        case "storage":
            from .agents.storage_back import main
        case "filter":
            from .agents.packet_filter_unit import main
        case "lxcfs":
            from .hypervisor.lxcfs import main
        case "notify":
            from .notify.teller import main
        case "notify-alert":
            from .notify.spool import alert as main
        case "console":
            from .console.service import main
        case "console-health":
            from .console.health import main
        case "steward":
            from .steward.main import main
        case _:
            sys.stderr.write(f"this version of Drover has no program {name}\n")
            return 1
    return main()
