# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node that has left its cluster must not keep: whatever opens a door of those that stay."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DroverError
from ..notify.receivers import FILE as RECEIVERS
from ..reporting.drift import FILE as DECLARED
from ..trust.keyfiles import SECRETS

__all__ = ["DepartureError", "traces"]

#: Files, and folders of which all files are meant. The folders stay: packages made them, and with their owners.
_TRACES = (
    # corosync's and Pacemaker's keys, and the authorities' own.
    str(SECRETS.relative_to("/")),
    "etc/corosync/corosync.conf",
    "etc/corosync/qdevice/net",
    "etc/pacemaker/authkey",
    # The node's certificates with their keys.
    "etc/drover/pki",
    "etc/pki/CA/cacert.pem",
    "etc/pki/libvirt",
    "etc/pki/qemu/ca-cert.pem",
    "etc/pki/qemu/server-cert.pem",
    "etc/pki/qemu/server-key.pem",
    "etc/pki/qemu/client-cert.pem",
    "etc/pki/qemu/client-key.pem",
    # The configuration of the cluster has the passwords of all power controllers in it; logs tell of changes.
    "var/lib/pacemaker/cib",
    "var/lib/pacemaker/pengine",
    "var/lib/pacemaker/blackbox",
    "var/log/pacemaker",
    "var/lib/corosync",
    # What was declared has guests' secrets in it, receivers of notifications have passwords.
    str(DECLARED.relative_to("/")),
    str(RECEIVERS.relative_to("/")),
    # Whom it takes for a node.
    "etc/ssh/ssh_known_hosts2",
)


class DepartureError(DroverError):
    """The node has not left yet."""


def traces(root: Path) -> list[Path]:
    """The files of the cluster below ``root`` that are there, links as they are."""
    found: list[Path] = []
    for name in _TRACES:
        path = root / name
        if path.is_symlink() or path.is_file():
            found.append(path)
        elif path.is_dir():
            found += sorted(one for one in path.rglob("*") if one.is_symlink() or not one.is_dir())
    return found
