# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signs of life of a node that is taken for dead: whatever answers at one of its addresses.

A service for other members (see channel.py), for one may still reach the node where another does not.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..cluster.corosync_conf import COROSYNC_CONF, from_file, links
from ..core.command import CommandError, Runner, run
from ..core.parallel import side_by_side
from .channel import Peer
from .members import HOSTS, addresses

__all__ = ["PATIENCE", "at", "of_node", "service"]

#: Seconds that looking takes at most.
PATIENCE = 10.0
#: SSH, libvirt and the service of the nodes: a port that refuses is an answer as well.
_PORTS = (22, 16514, 16515)
_WAIT = 2


def service(request: Mapping[str, Any], peer: Peer) -> None:
    """Tell what of the node ``node`` answers here."""
    peer.send({"signs": of_node(str(request["node"]))})


def of_node(node: str, conf: Path = COROSYNC_CONF, hosts: Path = HOSTS) -> list[str]:
    """What answers at any address that this member knows of a node, a phrase each; empty when nothing does."""
    known = links(from_file(conf.read_text(encoding="utf-8"))).get(node, [])
    other = addresses(hosts.read_text(encoding="utf-8")).get(node)
    places = list(dict.fromkeys([*known, *([other] if other else [])]))
    found = side_by_side(at, places)
    return [sign for place in places for sign in found[place]]


def at(address: str, runner: Runner = run) -> list[str]:
    """What answers at an address: to a ping, to the question whose it is (ARP, NDP), or at a port."""
    work: dict[str, Callable[[], list[str]]] = {"wire": lambda: _wire(address, runner)}
    work.update({str(port): lambda port=port: _port(address, port) for port in _PORTS})  # type: ignore[misc]
    answers = side_by_side(lambda part: work[part](), work)
    return [sign for part in work for sign in answers[part]]


def _wire(address: str, runner: Runner) -> list[str]:
    # What the kernel remembers of the node from before is no sign of life.
    runner(["ip", "neigh", "flush", "to", address], ok=None)
    try:
        pinged = runner(
            ["ping", "-n", "-q", "-c", "2", "-i", "0.5", "-W", str(_WAIT), address], ok=None, timeout=PATIENCE
        )
        if pinged.rc == 0:
            return [f"{address} answers a ping"]
    except CommandError:
        pass  # without ping, connecting to ports has asked just as well
    shown = runner(["ip", "-json", "neigh", "show", "to", address], ok=None).stdout
    if any("lladdr" in entry for entry in json.loads(shown or "[]")):
        return [f"a network card answers for {address}"]
    return []


def _port(address: str, port: int, connect: Callable[..., Any] = socket.create_connection) -> list[str]:
    try:
        connect((address, port), _WAIT).close()
    except ConnectionRefusedError:
        return [f"{address} refuses port {port}"]
    except OSError:
        return []
    return [f"{address} answers at port {port}"]
