# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command in a container, wherever in the cluster it runs now: ``attach NAME USER COMMAND`` on any node.

Input, both outputs and the exit status are the command's; there is no terminal. 255 says that it did not come to the
command, or lost it, as with ssh.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from ..core.errors import DroverError
from ..hypervisor.lxc_host import LxcHost
from ..migration.whereabouts import elsewhere
from ..peer.channel import Peer, PeerError, Refusal
from ..peer.session import follow, offer
from ..storage.pool_mark import GUEST

__all__ = ["RUNNING", "inside", "main", "service"]

#: The exit status when there was no command to have one.
LOST = 255
#: Seconds that a container may take to be somewhere again: it is away for one or two when it moves.
_PATIENCE, _AGAIN = 30.0, 0.5
#: LXC's word for a container that runs.
RUNNING = "RUNNING"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\$?")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LXC = "/run/drover/lxc"


def main() -> int:
    """Be the command. See the top of this file."""
    try:
        name, user, command = sys.argv[1:4]
        return _attach(name, user, command)
    except ValueError:
        sys.stderr.write("drover attach: say which container, which user, and one command: attach web root 'ls -l'\n")
    except DroverError as error:
        sys.stderr.write(f"drover attach: {error}\n")
    return LOST


def _attach(name: str, user: str, command: str) -> int:
    if not GUEST.fullmatch(name):
        raise PeerError(f"{name!r} is no name of a guest")
    host, until = LxcHost(), time.monotonic() + _PATIENCE
    while True:
        if host.state(name) == RUNNING:
            argv = inside(name, user, command)
            os.execvp(argv[0], argv)
        node = elsewhere(name, 5.0, question="runs")
        if node:
            try:
                return _through(node, {"guest": name, "user": user, "command": command})
            except Refusal as error:  # it has gone on since, or is not up yet; nothing was done
                refusal = str(error)
        else:
            refusal = f"no node has a container {name} that runs"
        if time.monotonic() >= until:
            raise PeerError(refusal, remedy="playbooks/status.yml says how it does.")
        time.sleep(_AGAIN)


def _through(
    node: str,
    request: Mapping[str, str],
    streams: tuple[BinaryIO, BinaryIO, BinaryIO] | None = None,
    connect: Callable[..., Peer] = Peer.connect,
) -> int:
    """Have the command run on that node. Raises Refusal when it was not begun."""
    source, output, errors = streams or (sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer)
    with connect(node, {"do": "attach", **request}) as peer:
        peer.receive()
        return follow(peer, source, output, errors)


def service(request: Mapping[str, Any], peer: Peer, host: LxcHost | None = None) -> None:
    """Service: a command in a container of this node, with its input and outputs at the other end."""
    name = str(request["guest"])
    if (host or LxcHost()).state(name) != RUNNING:
        raise PeerError(f"{name} does not run here")
    argv = inside(name, str(request["user"]), str(request["command"]))
    peer.send({})
    # It may be silent for as long as it likes.
    peer.stream.settimeout(None)
    offer(peer, argv)


def inside(name: str, user: str, command: str) -> list[str]:
    """The program that runs a shell's command in a container of this node, as one of its users, at home there."""
    if not _USER.fullmatch(user):
        raise PeerError(f"{user!r} is no name of a user")
    known = {"PATH": _PATH, "HOME": "/root", "USER": "root", "LOGNAME": "root", "LANG": "C.UTF-8"}
    settings = [word for key, value in known.items() for word in ("--set-var", f"{key}={value}")]
    shell = ["/bin/sh", "-c"] if user == "root" else ["su", "-s", "/bin/sh", user, "-c"]
    return ["lxc-attach", "-P", _LXC, "-n", name, "--clear-env", *settings, "--", *shell, f"cd; {command}"]
