# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether this machine can carry a lab: everything in the way, found before anything is changed."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.command import CommandError, Runner, run
from ..core.parallel import side_by_side
from ..core.quantities import GIB, MIB
from .layout import Lab
from .machine import greets_by_ssh, links, processes
from .network import LabNetwork

__all__ = ["Survey", "missing_packages", "problems", "take_survey"]

DISK_BASE, DISK_PER_NODE = 2 * GIB, 2 * GIB
MEMORY_BASE, MEMORY_PER_NODE = 512 * MIB, 512 * MIB
IP_FREEBIND = 15
BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
#: What overlayfs and systemd-nspawn take for separators in their options.
BAD_IN_PATH = frozenset(",:\\\"' \t\n")


@dataclass(frozen=True)
class Survey:
    """What was seen of this machine. Sizes in bytes."""

    root: bool
    os_release: Mapping[str, str]
    overlay_error: str | None
    has_tun: bool
    bridge_owner: str | None
    networks: Mapping[str, str]
    port_errors: Mapping[str, str]
    answering: Sequence[str]
    foreign_machines: Sequence[str]
    existing_subnet: str | None
    existing_nodes: int
    disk_free: int
    memory_available: int
    bridged_traffic_dropped: bool = False


def problems(lab: Lab, nodes: int, seen: Survey) -> list[str]:
    """Each obstacle with its remedy; ``networks`` of the survey maps a network to where it was seen."""
    found = []
    if not seen.root:
        found.append("This is not root: the lab makes mounts, bridges and containers. Run it as root (sudo -E).")
    release = (seen.os_release.get("ID"), seen.os_release.get("VERSION_ID"))
    if release not in (("debian", "12"), ("debian", "13")):
        name = seen.os_release.get("PRETTY_NAME", "unknown")
        found.append(f"This machine runs {name}: the lab needs Debian 12 or 13. Run it in a virtual machine of that.")
    if unusable := BAD_IN_PATH & set(str(lab.cache)):
        found.append(
            f"The path {lab.cache} contains {sorted(unusable)}, which overlayfs can't take: move the checkout."
        )
    if seen.overlay_error is not None:
        found.append(
            f"An overlay file system can't be mounted in {lab.cache} ({seen.overlay_error}): load the kernel module "
            "`overlay`, and put lab_cache on a file system like ext4 or XFS that is not an overlay itself."
        )
    if not seen.has_tun:
        found.append("There is no /dev/net/tun, which guests need for their network: `modprobe tun`.")
    if seen.bridge_owner not in (None, str(lab.directory)):
        found.append(
            f"The network interface {lab.bridge} exists and belongs to {seen.bridge_owner or 'something else'}: "
            "choose another lab_name, or remove it."
        )
    if seen.existing_subnet not in (None, str(lab.subnet)):
        found.append(
            f"The lab {lab.name} exists with the subnet {seen.existing_subnet}: "
            f"say `-e lab_subnet={seen.existing_subnet}`, or remove it first with `-e lab_state=absent`."
        )
    taken_by = {where for net, where in seen.networks.items() if ipaddress.IPv4Network(net).overlaps(lab.subnet)}
    if taken_by:  # so taken ports and answers there say nothing new
        found.append(f"{lab.subnet} is in use here ({', '.join(sorted(taken_by))}): choose another lab_subnet.")
    else:
        for port, reason in seen.port_errors.items():
            found.append(f"{port} can't be used ({reason}): stop what listens there, or choose another port.")
        if seen.answering:
            found.append(
                f"Something already answers at {', '.join(seen.answering)}: stop it, or choose another lab_subnet."
            )
    if seen.foreign_machines:
        found.append(
            f"Containers of the same names run from elsewhere: {', '.join(seen.foreign_machines)}. "
            "Choose another lab_name, or stop them."
        )
    if seen.bridged_traffic_dropped:
        found.append(
            "This machine's firewall drops what nodes send one another (it filters bridges and drops what it forwards; "
            "Docker sets that up): `sysctl -w net.bridge.bridge-nf-call-iptables=0`."
        )
    new = max(0, nodes - seen.existing_nodes)
    disk, memory = DISK_BASE + new * DISK_PER_NODE, MEMORY_BASE + new * MEMORY_PER_NODE
    if new and seen.disk_free < disk:
        found.append(
            f"{lab.cache} has {size(seen.disk_free)} of disk left, {nodes} nodes need {size(disk)}: make room."
        )
    if new and seen.memory_available < memory:
        found.append(
            f"{size(seen.memory_available)} of memory are available, {nodes} nodes need {size(memory)}: "
            "choose a smaller lab_nodes."
        )
    return found


def size(count: int) -> str:
    return f"{count / GIB:.1f} GiB"


def missing_packages(packages: Sequence[str], runner: Runner = run) -> list[str]:
    """Those Debian packages that are not installed here."""
    shown = runner(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages], ok=None).stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def take_survey(lab: Lab, nodes: int, package_port: int, bmc_port: int, runner: Runner = run) -> Survey:
    """Look at this machine. Mounts nothing outside a mount namespace of its own, and leaves nothing behind."""
    shown = links(runner)
    described = json.loads(lab.description.read_text()) if lab.description.is_file() else {}
    existing = len(described.get("nodes", []))
    bridge = shown.get(lab.bridge)
    network = LabNetwork(lab, package_port, runner)
    seen = network.see()
    own_bridge = bridge is not None and bridge.get("ifalias") == str(lab.directory)
    new_nodes = [] if own_bridge else lab.nodes(nodes)
    ports = {
        f"UDP {node.bmc_address}:{bmc_port}": (socket.SOCK_DGRAM, node.bmc_address, bmc_port) for node in new_nodes
    }
    if not seen.forwarder:
        ports[f"TCP {lab.gateway}:{package_port}"] = (socket.SOCK_STREAM, lab.gateway, package_port)
    if not seen.package_cache:
        address = lab.package_cache_address
        ports[f"TCP {address}:{package_port}"] = (socket.SOCK_STREAM, address, package_port)
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return Survey(
        root=os.geteuid() == 0,
        os_release=os_release(),
        overlay_error=overlay_error(lab.cache, runner) if os.geteuid() == 0 else None,
        has_tun=Path("/dev/net/tun").exists(),
        bridge_owner=None if bridge is None else bridge.get("ifalias", ""),
        networks=networks(shown, lab.bridge, runner),
        port_errors={name: error for name, port in ports.items() if (error := port_error(*port))},
        answering=answering([node.address for node in new_nodes]),
        foreign_machines=foreign_machines(lab),
        existing_subnet=described.get("subnet"),
        existing_nodes=existing,
        disk_free=shutil.disk_usage(nearest(lab.cache)).free,
        memory_available=int(memory["MemAvailable"].split()[0]) * 1024,
        bridged_traffic_dropped=bridged_traffic_dropped(runner),
    )


def os_release(file: Path = Path("/etc/os-release")) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def nearest(path: Path) -> Path:
    """The path itself or its nearest ancestor that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def overlay_error(cache: Path, runner: Runner) -> str | None:
    """Why an overlay can't be mounted below ``cache``; None when it can."""
    try:
        with tempfile.TemporaryDirectory(dir=nearest(cache), prefix=".overlay-") as directory:
            for name in ("lower", "upper", "work", "root"):
                (Path(directory) / name).mkdir()
            options = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
            mount = ["mount", "-t", "overlay", "-o", options, "overlay", f"{directory}/root"]
            runner(["unshare", "--mount", *mount], timeout=10)
    except (CommandError, OSError) as error:
        return str(error)
    return None


def networks(shown: Mapping[str, Any], bridge: str, runner: Runner) -> dict[str, str]:
    """IPv4 networks this machine has an address in or a route to, except by ``bridge``."""
    found = {}
    for name, link in shown.items():
        for info in link["addr_info"]:
            if info["family"] == "inet" and name != bridge:
                network = ipaddress.IPv4Interface(f"{info['local']}/{info['prefixlen']}").network
                found[str(network)] = f"an address of {name}"
    for route in json.loads(runner(["ip", "-json", "-4", "route", "show", "table", "main"], timeout=10).stdout or "[]"):
        if route["dst"] != "default" and route.get("dev") != bridge:
            found.setdefault(str(ipaddress.IPv4Network(route["dst"])), f"a route by {route.get('dev', 'elsewhere')}")
    return found


def bridged_traffic_dropped(runner: Runner, switch: Path = BRIDGE_FILTER) -> bool:
    """Whether frames between two ports of a bridge pass the firewall's forward chain, and that drops by default."""
    if not switch.exists() or switch.read_text().strip() != "1":
        return False
    try:
        chains = json.loads(runner(["nft", "--json", "list", "chains"], timeout=10).stdout)["nftables"]
    except CommandError:  # no nft here: nothing to know
        return False
    return any(
        item["chain"].get("hook") == "forward" and item["chain"].get("policy") == "drop"
        for item in chains
        if "chain" in item and item["chain"]["family"] in ("ip", "inet")
    )


def port_error(kind: int, address: str, port: int) -> str | None:
    """Why a server can't listen there; the address need not exist yet."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        try:
            probe.bind((address, port))
        except OSError as error:
            return os.strerror(error.errno or errno.EINVAL)
    return None


def answering(addresses: Sequence[str]) -> list[str]:
    """Those at which an SSH server answers: no lab is here yet, so it is somebody else's."""
    return [address for address, found in side_by_side(greets_by_ssh, addresses).items() if found]


def foreign_machines(lab: Lab) -> list[str]:
    """Machines with this lab's names that run from another directory than this lab's."""
    own = {f"--machine={node.machine}" for node in lab.every_node()}
    roots = {f"--directory={node.directory}/root" for node in lab.every_node()}
    return [
        f"{argument.removeprefix('--machine=')} (process {process.pid})"
        for process in processes()
        if process.program == "systemd-nspawn" and not roots & set(process.argv)
        for argument in process.argv
        if argument in own
    ]
