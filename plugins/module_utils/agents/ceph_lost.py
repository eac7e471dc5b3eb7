# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node that the cluster has fenced is gone for Ceph too, from the moment its power controller has confirmed it.

Pacemaker tells of it by an alert, which runs as user hacluster and may do nothing but pass the name on, to a socket
that systemd has (see role ceph). What comes out there, as root, believes only the fencer's own record, and then tells
Ceph (ceph/lost.py), by a key that can do nothing else.

The monitors do nothing before they have elected anew, which takes them a second. It does no harm to a monitor that
lives, so that they begin as soon as the cluster has lost sight of the node, while its power is being cut.
"""

from __future__ import annotations

import os
import socket
import sys
import syslog
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..ceph import keys
from ..ceph.admin_socket import FOLDER, SocketError, ask
from ..ceph.lost import TURN, Lost, LostError, SwitchedOnError, turn, verified
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..core.command import CommandError, run
from ..core.node_name import node_name
from ..core.parallel import side_by_side

__all__ = ["SOCKET", "alert", "main"]

SOCKET = "/run/drover-ceph-lost"
ATTRIBUTE = "drover-ceph-client"
#: Beside the name of a node of which nobody knows yet whether its power is off.
_OUT_OF_SIGHT = "out-of-sight"
_CONF = Path("/etc/ceph/ceph.conf")
_PATIENCE = 20


def alert(environment: Mapping[str, str] = os.environ) -> int:
    """Pass on what Pacemaker tells of a fencing that worked, and of a node that was lost. Runs as hacluster."""
    told = {name: environment.get(f"CRM_alert_{name}", "") for name in ("kind", "node", "rc", "desc")}
    # What was done it does not tell (its task is always "st_notify_fence"): the fencer's record does.
    if (told["kind"], told["rc"]) == ("fencing", "0"):
        _pass_on(told["node"])
    elif (told["kind"], told["desc"]) == ("node", "lost"):
        _pass_on(f"{told['node']} {_OUT_OF_SIGHT}")
    return 0


def _pass_on(text: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as passed:
        passed.connect(SOCKET)
        passed.sendall(f"{text}\n".encode())


class Rados:
    """The monitors by librados, as the client that may say that a node is gone."""

    def __init__(self, lost: str) -> None:
        import rados

        self._cluster = rados.Rados(conffile=str(_CONF), name=keys.ALERT)
        self._cluster.conf_set("keyring", f"/etc/ceph/ceph.{keys.ALERT}.keyring")
        # It would look for the lost one as well.
        hosts = {name: host for name, host in monitors().items() if name != lost}
        self._cluster.conf_set("mon_host", " ".join(hosts.values()))
        self._cluster.connect(timeout=_PATIENCE)

    def ask(self, command: Mapping[str, Any]) -> str:
        """The answer of the monitors. Raises LostError."""
        import json

        code, answer, said = self._cluster.mon_command(json.dumps(command), b"", timeout=_PATIENCE)
        if code:
            raise LostError(f"Ceph does not do {command['prefix']}: {said} ({os.strerror(abs(code))})")
        return str(answer.decode())


def monitors() -> dict[str, str]:
    """Where each monitor is, by name, as ceph.conf has it."""
    told = {}
    for line in _CONF.read_text(encoding="utf-8").splitlines():
        key, _equals, value = line.partition(" = ")
        if key in ("mon_host", "mon_initial_members"):
            told[key] = value.split()
    return dict(zip(told["mon_initial_members"], told["mon_host"], strict=True))


def main() -> int:
    """Tell Ceph of the node that is named on the standard input, if it is gone."""
    node, _, sight = sys.stdin.readline(256).strip().partition(" ")
    begun = time.monotonic()
    syslog.openlog("drover-ceph")

    def say(text: str) -> None:
        syslog.syslog(syslog.LOG_NOTICE, f"{text} ({time.monotonic() - begun:.1f} s)")

    here, places = node_name(), monitors()
    mine = turn(here, list(places), node)
    if mine is None:
        return 0
    # Every order of the monitors waits for all of their majority, as it was before: that holds the lost one.
    elects = node in places and not mine
    if sight == _OUT_OF_SIGHT:
        if elects:
            _elect(here, node)
        return 0
    try:
        waiting = [_elect] if elects else []
        known = side_by_side(lambda part: part(here, node), [*waiting, _history, _members, _clients])
        by = verified(known[_history], node, known[_members].split(), time.time())
        time.sleep(TURN * mine)
        _tell(node, by, known[_clients].split(), say, first=not mine)
    except SwitchedOnError:
        return 0  # that is what the alert was about, and no news for Ceph
    except (LostError, ClusterError, CommandError) as error:
        syslog.syslog(syslog.LOG_WARNING, f"Ceph was not told that {node} is gone, or not of all that it had: {error}")
        return 1
    return 0


def _elect(here: str, node: str) -> str:
    """Have the monitors elect anew, unless they have without the node, or are at it."""
    monitor = FOLDER / f"ceph-mon.{here}.asok"
    with suppress(SocketError):
        status = ask(monitor, "mon_status")
        # While they elect it is empty.
        if any(mon["name"] == node and mon["rank"] in status["quorum"] for mon in status["monmap"]["mons"]):
            ask(monitor, "quorum enter")
    return ""


def _history(_here: str, node: str) -> str:
    # Without --verbose it is a digest, in which an event stands for all later ones of its kind.
    return run(["stonith_admin", "--history", node, "--verbose", "--output-as=xml"], timeout=10).stdout


def _members(_here: str, _node: str) -> str:
    return " ".join(member.name for member in Pacemaker().status().nodes)


def _clients(_here: str, node: str) -> str:
    return Pacemaker().attribute(node, ATTRIBUTE) or ""


def _tell(node: str, by: str, clients: list[str], say: Callable[[str], None], *, first: bool) -> None:
    import rados

    try:
        lost = Lost(node, Rados(node), say=say)
        told = lost.look(clients)
        if not first and not told.news:
            return  # another one was quicker
        say(f"{by} has cut the power of {node}")
        lost.tell(told)
    except rados.Error as error:
        raise LostError(f"Ceph does not answer: {error}") from error
