#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the roles need to know of a node before they touch it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Tell a node's system, size, packages and host keys
version_added: 0.1.0
description:
  - One quick look for all roles, in place of the general fact gathering, which takes seconds a node.
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Look at the node
  cspp.drover.node_info:
  register: node
"""

RETURN = r"""
os:
  description: C(ID), C(VERSION_ID) and the other keys of C(/etc/os-release).
  type: dict
  returned: always
machine:
  description: Architecture of the node, as C(uname -m) tells it.
  type: str
  returned: always
hostname:
  description: The name that the node has now.
  type: str
  returned: always
memory:
  description: Memory of the node in bytes.
  type: int
  returned: always
cpus:
  description: Processors of the node.
  type: int
  returned: always
packages:
  description: Names of the Debian packages installed.
  type: list
  elements: str
  returned: always
versions:
  description: Versions of the installed packages that Drover needs a certain version of.
  type: dict
  returned: always
  sample: {rsync: 3.5.0+ds1-0+deb13u2}
host_keys:
  description: Public SSH host keys, as in C(ssh_host_*_key.pub) without the comment.
  type: list
  elements: str
  returned: always
interfaces:
  description:
    - Network interfaces by name, with C(mac), C(bridge) (the bridge it is a port of, or none) and C(addresses)
      (with prefix).
  type: dict
  returned: always
id_ranges:
  description: Lines of C(/etc/subuid) and C(/etc/subgid), by C(subuid) and C(subgid).
  type: dict
  returned: always
bridge_firewall:
  description: Kernel settings that are on and pass bridged frames to the node's firewall.
  type: list
  elements: str
  returned: always
cpu_models:
  description: Names of the CPU models of x86 that libvirt knows here; none before it is installed.
  type: list
  elements: str
  returned: always
userfaultfd:
  description: Whether the node has the device for user-space paging.
  type: bool
  returned: always
resolver:
  description:
    - C(manager), who keeps C(/etc/resolv.conf) - C(file) when it is a plain file or not there, C(systemd-resolved), or
      what it is a link to - and C(kept), the lines in it that are settings other than servers.
  type: dict
  returned: always
ifupdown:
  description: Interfaces that C(/etc/network/interfaces) configures, other than the loopback.
  type: list
  elements: str
  returned: always
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.peer.facts import BRIDGE_FIREWALL, sysctl

#: Packages of which roles need a certain version.
_VERSIONED = ("rsync",)
#: Files beside those of the models, which tell of vendors and features.
_NO_MODELS = ("x86_vendors", "x86_features")


def packages() -> dict[str, str]:
    """Installed packages with their versions, without the architecture."""
    shown = run(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Package} ${Version}\n"]).stdout
    # The second letter is the state; the first says what somebody wants of it, "h" to keep it as it is.
    return dict(sorted(line[3:].split() for line in shown.splitlines() if line[1:3] == "i "))


def interfaces() -> dict[str, dict[str, Any]]:
    """Interfaces with their MAC address, master and addresses."""
    return {
        link["ifname"]: {
            "mac": link.get("address"),
            "bridge": link.get("master"),
            "addresses": [f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", [])],
        }
        for link in json.loads(run(["ip", "-json", "address", "show"]).stdout)
    }


def lines(file: Path) -> list[str]:
    """The file's lines, none when it is not there."""
    return file.read_text().splitlines() if file.is_file() else []


def cpu_models(folder: Path = Path("/usr/share/libvirt/cpu_map")) -> list[str]:
    """CPU models of x86 that libvirt has a description of."""
    return sorted(file.stem.removeprefix("x86_") for file in folder.glob("x86_*.xml") if file.stem not in _NO_MODELS)


def resolver(file: Path = Path("/etc/resolv.conf")) -> dict[str, Any]:
    """Who keeps the file that programs look for name servers in, and what else it says."""
    manager = "file"
    if file.is_symlink():
        target = str(file.readlink())
        manager = "systemd-resolved" if "systemd/resolve" in target else target
    kept = [
        line for line in lines(file) if line.split() and line.split()[0] in ("search", "domain", "options", "sortlist")
    ]
    return {"manager": manager, "kept": kept}


def ifupdown() -> list[str]:
    """Interfaces with a stanza in /etc/network/interfaces or interfaces.d."""
    names: set[str] = set()
    for file in [Path("/etc/network/interfaces"), *sorted(Path("/etc/network/interfaces.d").glob("*"))]:
        if file.is_file():
            words = (line.split() for line in file.read_text().splitlines())
            names.update(w[1] for w in words if len(w) > 3 and w[0] == "iface" and w[3] != "loopback")
    return sorted(names)


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    with fail_on_error(module, remedy="Drover's nodes are Debian machines with iproute2 and dpkg."):
        installed = packages()
        module.exit_json(
            changed=False,
            os=platform.freedesktop_os_release(),
            machine=platform.machine(),
            hostname=platform.node(),
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            cpus=os.cpu_count(),
            packages=list(installed),
            versions={name: installed[name] for name in _VERSIONED if name in installed},
            host_keys=[
                " ".join(file.read_text().split()[:2]) for file in sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))
            ],
            interfaces=interfaces(),
            id_ranges={name: lines(Path("/etc", name)) for name in ("subuid", "subgid")},
            ifupdown=ifupdown(),
            cpu_models=cpu_models(),
            userfaultfd=os.path.exists("/dev/userfaultfd"),
            resolver=resolver(),
            bridge_firewall=[name for name in BRIDGE_FIREWALL if sysctl(name)],
        )


if __name__ == "__main__":
    main()
