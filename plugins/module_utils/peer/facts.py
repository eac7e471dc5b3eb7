# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node tells about itself and about the way to other nodes, so that a move can be judged before it starts.

Three services for other nodes (see channel.py): ``facts`` is what the node is and what its VMs take along; ``suits`` is
what it makes of other nodes' VMs, of paths, and of the way to other nodes; ``door`` opens a migration port for a
moment, so that the asker can try whether it gets there. All of them look, and leave nothing behind.
"""

from __future__ import annotations

import grp
import json
import os
import re
import shutil
import socket
import ssl
import stat
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ..cluster.sizing import running_buffer
from ..core.command import CommandError, run
from ..core.parallel import side_by_side
from ..hypervisor.accelerator import RECORD
from ..hypervisor.confinement import PKI as QEMU_PKI
from ..hypervisor.confinement import keys
from ..hypervisor.libvirt_migration import LIBVIRT_PORT
from ..hypervisor.link import speed
from ..storage.pool_mark import MARK
from .channel import PKI, Peer, PeerError

__all__ = [
    "BRIDGE_FIREWALL",
    "OLDEST_RSYNC",
    "PLATFORM",
    "POST_COPY",
    "PROGRAMS",
    "accelerator",
    "door",
    "facts",
    "suits",
    "sysctl",
]

#: The ports that migrations come in at (qemu.conf: migration_port_min, _max).
MIGRATION_PORTS = range(49152, 49216)
BRIDGE_FIREWALL = tuple(f"net.bridge.bridge-nf-call-{family}tables" for family in ("ip", "ip6", "arp"))
POST_COPY = "vm.unprivileged_userfaultfd"
PROGRAMS = ("lxc-start", "rsync")
#: The oldest rsync that reads a tree safely which somebody rearranges meanwhile (CVE-2026-53797).
OLDEST_RSYNC = [3, 5, 0]
#: What of a VM decides whether a node can run it (see hypervisor/libvirt_facts.py: digest, takes).
PLATFORM = ("virt", "arch", "machine", "cpu", "cpu_mode", "host_cpu")

#: Kernel modules that guests need, by the device that brings them in.
_DEVICES = {"tun": Path("/dev/net/tun"), "vhost_net": Path("/dev/vhost-net")}
#: And those without a device.
_MODULES = ("veth",)

#: Seconds for libvirt's answers; then it counts as silent. One that has just started looks at QEMU first.
_LIBVIRT_PATIENCE = 8.0
#: Seconds to get to a port of another node.
_REACH_PATIENCE = 2.0
#: Seconds for adding up what a directory holds, and for all of them; what takes longer stays unknown.
_COUNT_PATIENCE, _COUNT_ALL_PATIENCE = 1.0, 6.0
_LISTENING = "0A"
#: libvirt's first byte to a client that it believes; the door does the same.
_WELCOME = b"\x01"


def facts(request: Mapping[str, Any], peer: Peer) -> None:
    """Tell what this node is, and what those of ``guests`` that are VMs and run here take along."""
    guests = request["guests"]
    peer.send(
        {
            "time": time.time(),
            "sysctl": {name: sysctl(name) for name in (*BRIDGE_FIREWALL, POST_COPY)},
            "post_copy": pages_on_demand(),
            "bridges": bridges(),
            "accelerator": accelerator(),
            # Before anything that needs a thread: it forks.
            "keys": keys(),
            "modules": missing_modules(),
            "programs": [program for program in PROGRAMS if shutil.which(program)],
            "rsync": rsync_version(),
            "free_ports": len(MIGRATION_PORTS) - len(taken(MIGRATION_PORTS)),
            "ipc_buffer": running_buffer(),
            "libvirt": of_libvirt(lambda host: host.facts(guests)),
        }
    )


def rsync_version(argv: Sequence[str] = ("rsync", "--version")) -> list[int]:
    """The version of this node's rsync, ``[3, 5, 0]``; empty when it has none, or one that does not tell."""
    try:
        said = run(argv, timeout=5.0).stdout
    except CommandError:
        return []
    found = re.match(r"rsync\s+version v?(\d+)\.(\d+)(?:\.(\d+))?", said)
    return [int(part or 0) for part in found.groups()] if found else []


def suits(request: Mapping[str, Any], peer: Peer) -> None:
    """Judge. ``platforms`` are what VMs need (see PLATFORM), ``paths`` are to be looked at, ``count`` are those whose
    size matters, ``reach`` are nodes to get to, ``measure`` are VMs here whose use of memory is wanted."""
    counted, until = set(request["count"]), time.monotonic() + _COUNT_ALL_PATIENCE
    work: dict[str, Callable[[], Any]] = {
        "platforms": lambda: of_libvirt(lambda host: {"takes": [host.takes(one) for one in request["platforms"]]}),
        "paths": lambda: {
            path: look(path, count=path in counted and time.monotonic() < until) for path in request["paths"]
        },
        "reach": lambda: side_by_side(reach, request["reach"]),
        "measure": lambda: side_by_side(lambda name: of_libvirt(lambda host: host.measure(name)), request["measure"]),
    }
    peer.send(side_by_side(lambda part: work[part](), work))


def door(_request: Mapping[str, Any], peer: Peer, pki: Path = QEMU_PKI) -> None:
    """Open a port that a migration could come in at, tell its number, and close it when somebody came. With ``tls`` in
    the answer, whoever comes is greeted as QEMU would, with QEMU's certificate."""
    address = peer.stream.getsockname()[0]
    context = _context(ssl.Purpose.CLIENT_AUTH, *_qemu(pki, "server"))
    # From the top: libvirt takes them from the bottom.
    for port in reversed(MIGRATION_PORTS):
        with closing(socket.socket(peer.stream.family, socket.SOCK_STREAM)) as listener:
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, port))
                listener.listen(1)
            except OSError:
                continue
            peer.send({"port": port, "tls": context is not None})
            listener.settimeout(_REACH_PATIENCE)
            with suppress(OSError), listener.accept()[0] as plain:
                plain.settimeout(_REACH_PATIENCE)
                if context is not None:
                    with context.wrap_socket(plain, server_side=True) as stream:
                        stream.sendall(_WELCOME)
            return
    peer.send({"port": None})


def reach(node: str, pki: Path = PKI, qemu_pki: Path = QEMU_PKI) -> dict[str, Any]:
    """The way from here to a node: what is wrong with the way to its ``libvirt``, its ``peer`` service and its
    migration ports (``stream``), and with certificates, the nodes' and QEMU's (``certificate``), each empty when
    nothing is; when the first of the other's ``ends``, and the ``speed`` of the wire in bytes a second, where known."""
    way: dict[str, Any] = {"libvirt": "", "peer": "", "stream": "", "certificate": "", "ends": None, "speed": None}
    refused: dict[str, str] = {}
    ends: list[float] = []

    def greet(who: str, plain: socket.socket, context: ssl.SSLContext) -> None:
        try:
            with context.wrap_socket(plain, server_hostname=node) as stream:
                ends.append(ssl.cert_time_to_seconds(str((stream.getpeercert() or {})["notAfter"])))
                # A word of welcome, which comes once the other end has believed our certificate.
                if stream.recv(1) != _WELCOME:
                    refused[who] = f"{who} on {node} does not believe this node's certificate"
        except ssl.SSLError as error:
            refused[who] = f"{who} on {node}: {_said(error)}"

    def libvirt() -> None:
        context = _context(ssl.Purpose.SERVER_AUTH, pki / "ca.crt", pki / "node.crt", pki / "node.key")
        try:
            with socket.create_connection((node, LIBVIRT_PORT), _REACH_PATIENCE) as plain:
                if context is None:
                    refused["libvirt"] = f"this node's own certificate in {pki} does not serve"
                else:
                    greet("libvirt", plain, context)
        except OSError as error:
            way["libvirt"] = _said(error)

    def stream() -> None:
        try:
            with Peer.connect(node, {"do": "door"}, _REACH_PATIENCE) as peer:
                opened = peer.receive()
                if opened["port"] is not None:
                    # Without one, QEMU does not get at its keys, which is told elsewhere.
                    context = _context(ssl.Purpose.SERVER_AUTH, *_qemu(qemu_pki, "client"))
                    try:
                        with socket.create_connection((node, opened["port"]), _REACH_PATIENCE) as plain:
                            # A node whose Drover is older only opens and closes.
                            if opened.get("tls") and context is not None:
                                greet("QEMU", plain, context)
                    except OSError as error:
                        way["stream"] = _said(error)
        except PeerError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                refused["the peer service"] = _said(error)
            else:
                way["peer"] = _said(error)

    def wire() -> None:
        way["speed"] = speed(node)

    side_by_side(lambda part: part(), [libvirt, stream, wire])
    way["certificate"] = "; ".join(dict.fromkeys(refused.values()))
    way["ends"] = min(ends, default=None)
    return way


def _qemu(pki: Path, end: str) -> tuple[Path, Path, Path]:
    return pki / "ca-cert.pem", pki / f"{end}-cert.pem", pki / f"{end}-key.pem"


def _context(purpose: ssl.Purpose, believed: Path, certificate: Path, key: Path) -> ssl.SSLContext | None:
    """What proves both ends with these files; None when they do not serve."""
    try:
        context = ssl.create_default_context(purpose, cafile=believed)
        context.load_cert_chain(certificate, key)
    except OSError:
        return None
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def missing_modules(devices: Mapping[str, Path] = _DEVICES, kernel: Path | None = None) -> list[str]:
    """The kernel modules that guests need and this node's kernel can't load."""
    missing = []
    for name, device in devices.items():
        # Opening it loads the module.
        try:
            os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
        except OSError:
            missing.append(name)
    kernel = kernel or Path("/lib/modules", os.uname().release)
    built = [_read(kernel / list_) for list_ in ("modules.dep", "modules.builtin")]
    # A kernel whose modules are elsewhere, like that of a container's host, has them all as far as can be seen.
    if any(built):
        there = {Path(line.partition(":")[0]).name.partition(".")[0] for text in built for line in text.splitlines()}
        missing += [name for name in _MODULES if name not in there and not Path("/sys/module", name).exists()]
    return missing


def look(path: str, *, count: bool = False) -> dict[str, Any]:
    """What is at a path: whether it ``exists``, the bytes ``used`` by it (None: not counted) and ``free`` around it,
    and the ``pool`` that it is in."""
    place = Path(path)
    there = next((folder for folder in (place, *place.parents) if folder.exists()), Path("/"))
    room = os.statvfs(there)
    return {
        "exists": place.exists(),
        "used": _used(place, time.monotonic() + _COUNT_PATIENCE) if count and place.exists() else None,
        "free": room.f_bavail * room.f_frsize,
        "pool": _pool(place),
    }


def bridges(net: Path = Path("/sys/class/net")) -> dict[str, dict[str, Any]]:
    """This node's bridges by name."""
    return {
        link.name: {
            "mtu": int(_read(link / "mtu") or 0),
            "vlan_aware": _read(link / "bridge" / "vlan_filtering") == "1",
            # The kernel refuses to tell of one that is down.
            "up": _read(link / "carrier") == "1",
        }
        for link in sorted(net.iterdir())
        if (link / "bridge").is_dir()
    }


def of_libvirt(question: Callable[[Any], dict[str, Any]], connect: Callable[[], Any] | None = None) -> dict[str, Any]:
    """libvirt's answer, or its ``error``. A daemon that hangs is given up."""

    def asked(connect: Callable[[], Any] | None) -> dict[str, Any]:
        from ..hypervisor.libvirt_connection import HostError
        from ..hypervisor.libvirt_facts import LibvirtFacts

        try:
            return question((connect or LibvirtFacts)())
        except (HostError, ImportError) as error:
            return {"error": str(error)}

    return side_by_side(asked, [connect], patience=_LIBVIRT_PATIENCE).get(connect, {"error": "it does not answer"})


def accelerator() -> str | None:
    """What this node's VMs run on, kvm or tcg; None while nobody has found out."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(RECORD.read_text(encoding="utf-8"))["accelerator"])
    return None


def sysctl(name: str) -> int | None:
    """A kernel setting; None where the kernel has none of that name."""
    text = _read(Path("/proc/sys", *name.split(".")))
    return int(text) if text.lstrip("-").isdigit() else None


def pages_on_demand(device: Path = Path("/dev/userfaultfd"), group: str = "libvirt-qemu") -> bool:
    """Whether QEMU may fetch a VM's memory on demand: by its device, or because everybody may."""
    with suppress(OSError, KeyError):
        status = device.stat()
        if status.st_gid == grp.getgrnam(group).gr_gid and status.st_mode & 0o060 == 0o060:
            return True
    return sysctl(POST_COPY) == 1


def taken(ports: Collection[int], proc: Path = Path("/proc/net")) -> set[int]:
    """Those of the ports that somebody listens at here."""
    taken = set()
    for table in ("tcp", "tcp6"):
        for line in _read(proc / table).splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == _LISTENING and port in ports:
                taken.add(port)
    return taken


def _used(path: Path, deadline: float) -> int | None:
    """Bytes on the disk; None when counting takes too long."""
    total, folders = 0, [str(path)]
    # Of what has several names: it takes its place once.
    linked: set[tuple[int, int]] = set()
    if not path.is_dir():
        return path.stat().st_blocks * 512
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if time.monotonic() > deadline:
                    return None
                with suppress(OSError):  # it vanished
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        folders.append(entry.path)
                    elif status.st_nlink > 1:
                        if (status.st_dev, status.st_ino) in linked:
                            continue
                        linked.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
    return total


def _pool(path: Path) -> str | None:
    marks = (_read(folder / MARK) for folder in path.parents)
    return next((mark for mark in marks if mark), None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _said(error: Exception) -> str:
    return str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error)
