# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a guest learns its name, addresses, DNS servers and keys.

A VM finds a small disk labelled CIDATA with three files on it: cloud-init's NoCloud data source
(https://docs.cloudinit.io/en/latest/reference/datasources/nocloud.html), with the network in version 2 of its
format. The tiny VM reads the same files. A container gets plain files when its root file system is made, kept as
declared at each of its starts (see told.py); its addresses come from LXC.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.network import reaches
from . import told

__all__ = ["container_files", "vm_files"]

#: Run at each boot with the keys declared: root has these, and of those declared earlier no others. Keys that somebody
#: in the VM has added are left alone. cloud-init itself writes keys only at the first boot.
_KEYS_SCRIPT = """\
umask 077
told=/var/lib/drover/ssh_keys file=/root/.ssh/authorized_keys
mkdir -p /var/lib/drover /root/.ssh
touch "$told" "$file"
[ $# -eq 0 ] || printf '%s\\n' "$@" > "$told.new"
touch "$told.new"
cat "$told" "$told.new" | grep -vxFf - "$file" > "$file.new"
cat "$told.new" >> "$file.new"
mv "$file.new" "$file"
mv "$told.new" "$told"
"""


def vm_files(
    name: str,
    uuid: str,
    nics: Sequence[Mapping[str, Any]],
    *,
    ssh_keys: Sequence[str] = (),
    nameservers: Sequence[str] = (),
) -> dict[str, str]:
    """The files on a VM's seed disk. ``nics`` are those of its definition."""
    return {
        "meta-data": f"instance-id: {uuid}\nlocal-hostname: {name}\n",
        "network-config": "\n".join(["version: 2", *_ethernets(nics, nameservers)]) + "\n",
        "user-data": "\n".join(_user_data(ssh_keys)) + "\n",
    }


def container_files(name: str, *, ssh_keys: Sequence[str] = (), nameservers: Sequence[str] = ()) -> dict[str, str]:
    """Files a container's new root file system gets besides its image, by path."""
    files = {"etc/hostname": f"{name}\n", "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n"}
    files[told.RECORD] = told.record(nameservers, ssh_keys)
    if nameservers:
        files["etc/resolv.conf"] = "".join(f"nameserver {server}\n" for server in nameservers)
    if ssh_keys:
        files["root/.ssh/authorized_keys"] = "".join(f"{key}\n" for key in ssh_keys)
    return files


def _user_data(ssh_keys: Sequence[str]) -> Iterator[str]:
    yield "#cloud-config"
    # A changed address takes effect at the next boot, not only at the first.
    yield "updates:"
    yield "  network:"
    yield "    when: [boot]"
    yield "bootcmd:"
    yield f"  - {json.dumps(['sh', '-c', _KEYS_SCRIPT, 'drover', *ssh_keys])}"
    if ssh_keys:
        yield "disable_root: false"
        yield "ssh_authorized_keys:"
        yield from (f"  - {json.dumps(key)}" for key in ssh_keys)


def _ethernets(nics: Sequence[Mapping[str, Any]], nameservers: Sequence[str]) -> Iterator[str]:
    if nics:
        yield "ethernets:"
    for index, nic in enumerate(nics):
        yield f"  eth{index}:"
        yield "    match:"
        yield f'      macaddress: "{nic["mac"]}"'
        yield f"    set-name: eth{index}"
        if nic["mtu"] is not None:
            yield f"    mtu: {nic['mtu']}"
        if not nic["addresses"]:
            yield "    dhcp4: true"
            continue
        yield "    addresses:"
        yield from (f'      - "{address}"' for address in nic["addresses"])
        if nic["gateways"]:
            yield "    routes:"
        for gateway in map(ipaddress.ip_address, nic["gateways"]):
            # cloud-init passes on-link over where networkd is told, so that the wire is a route of its own.
            if not reaches(nic["addresses"], str(gateway)):
                yield f'      - to: "{gateway}/{gateway.max_prefixlen}"'
                yield "        scope: link"
            yield f'      - to: "{"0.0.0.0/0" if gateway.version == 4 else "::/0"}"'
            yield f'        via: "{gateway}"'
        if nameservers:
            yield "    nameservers:"
            yield "      addresses:"
            yield from (f'        - "{server}"' for server in nameservers)
