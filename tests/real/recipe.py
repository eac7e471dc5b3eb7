# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node is before Drover comes: stock Debian 13 with its own kernel and AppArmor, configured by ifupdown.

The packages that the roles will ask for are in it already, for an emulated processor takes long to install them. That
they would be installed otherwise is the business of the lab's scenarios.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

#: A freshly installed Debian server with SSH. AppArmor is what Debian's installer brings along with the kernel.
SERVER = (
    "apparmor",
    "ca-certificates",
    "dbus",
    "grub-pc-bin",
    "grub2-common",
    "ifupdown",
    "initramfs-tools",
    "iproute2",
    "iputils-ping",
    "kmod",
    "linux-image-cloud-amd64",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "systemd-sysv",
    "udev",
    "zstd",
)

#: What role fencing asks for where there is SBD.
SBD = ("fence-agents-sbd", "sbd")

#: What this test needs besides: a file system on which projects have quotas, and a server for the shared pool.
TOOLS = ("nfs-common", "nfs-kernel-server", "xfsprogs", *SBD)

#: What the steps show is shown by the kernel's own log, which auditd would take the denials from.
UNWANTED = "auditd"

#: The disk on which a node finds the files that are its own, and where that is noted.
SEED = "/dev/disk/by-id/virtio-seed"

SEED_UNIT = f"""\
[Unit]
Description=Files of this node's own
DefaultDependencies=no
RequiresMountsFor=/
After=local-fs.target systemd-udevd.service systemd-udev-trigger.service
Before=network-pre.target ifupdown-pre.service networking.service sysinit.target ssh.service
Wants=network-pre.target
ConditionPathExists=!/var/lib/seeded

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/udevadm wait --timeout=60 {SEED}
ExecStart=/usr/bin/tar --extract --no-same-owner --file={SEED} --directory=/
ExecStart=/usr/bin/sh -c "cat /etc/hostname >/proc/sys/kernel/hostname"
ExecStart=/usr/bin/touch /var/lib/seeded

[Install]
WantedBy=sysinit.target
"""

#: As a stock installation leaves it: nothing but ifupdown configures networks. What the roles' packages start has not
#: started yet.
FINISH = """\
#!/bin/sh
set -eu
chroot "$1" sh -eu <<'IN'
for unit in systemd-networkd corosync pacemaker sbd libvirtd libvirt-guests lxc lxc-net chrony; do
    systemctl disable --quiet "$unit.service"
done
systemctl enable --quiet seed.service ssh.service networking.service
IN
"""

_SPELLED = re.compile(r"'([a-z0-9][a-z0-9+.-]+)'")


def role_packages(roles: Path) -> set[str]:
    """Every package that a role installs on nodes, as their defaults say (``ROLE_packages``)."""
    found: set[str] = set()
    for file in sorted(roles.glob("*/defaults/main.yml")):
        role = file.parent.parent.name
        wanted = (yaml.safe_load(file.read_text()) or {}).get(f"{role}_packages", [])
        found.update(_SPELLED.findall(wanted) if isinstance(wanted, str) else wanted)
    return found


def node_recipe(root: Path, size: str = "6GiB") -> dict[str, Any]:
    """The image's recipe, for role images, from the checkout at ``root``."""
    files = root / "roles/images/files"
    return {
        "boot": "disk",
        "suite": "trixie",
        "size": size,
        "packages": sorted({*SERVER, *TOOLS, *role_packages(root / "roles")}),
        "files": {
            "/etc/default/grub.d/drover.cfg": (files / "vm/grub.cfg").read_text(),
            "/etc/locale.conf": "LANG=C.UTF-8\n",
            "/etc/systemd/system/seed.service": SEED_UNIT,
        },
        "scripts": [(files / name).read_text() for name in ("quiet", "vm/finish")] + [FINISH],
    }
