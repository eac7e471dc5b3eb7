# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's target lets it in before it comes: its packet filter is told of the guest while that runs at the source.

So nothing has to be done for it in the moment of the switch-over, and nothing that the guest sends there is lost.
"""

from __future__ import annotations

import syslog
from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import DroverError
from ..guest.definition import Definition, read
from ..hypervisor.packet_filter import FilterError, PacketFilter
from ..hypervisor.running_guests import defined_guests
from ..peer.channel import Peer, PeerError, ask

__all__ = ["NotAdmitted", "admit_at", "admit_unannounced", "service"]

_PATIENCE = 20.0


class NotAdmitted(DroverError):
    """The target's packet filter could not be told of the guest, which would be cut off there."""


def admit_at(
    target: str,
    definition: Definition,
    say: Callable[[str], None],
    ask_node: Callable[..., dict[str, Any]] = ask,
) -> None:
    """Have the target let the guest in. Raises NotAdmitted.

    A target that does not answer, or whose Drover is older, is told when the guest has come. ``say`` takes a word of
    that.
    """
    name, packets = str(definition["name"]), PacketFilter()
    if not packets.wanted:
        return
    request = {"do": "admit", "guest": name, "definition": dict(definition), "also": packets.known(name)}
    try:
        answer = ask_node(target, request, _PATIENCE)
    except PeerError as error:
        if "knows no 'admit'" not in str(error):
            say(f"{target} lets it in only when it is there ({error})")
        return
    if answer.get("refused"):
        raise NotAdmitted(f"{target}: {answer['refused']}")


def service(request: Mapping[str, Any], peer: Peer) -> None:
    """Service: let a guest in that is about to come."""
    definition = read(request["definition"]).definition
    if definition["name"] != request.get("guest"):
        raise PeerError(f"the definition of {request.get('guest')} is that of {definition['name']}")
    try:
        PacketFilter().admit(definition, request.get("also"))
    except FilterError as error:
        peer.send({"refused": str(error)})
        return
    peer.send({})


def admit_unannounced(guest: str) -> None:
    """Let a guest in that comes from a node whose Drover is older, and does not ask for it: as the cluster knows it."""
    packets = PacketFilter()
    try:
        if packets.knows(guest):
            return
        definition = defined_guests().get(guest)
        if definition is not None:
            packets.admit(definition)
    except DroverError as error:
        syslog.syslog(syslog.LOG_WARNING, f"{guest} is let in only when it is here: {error}")
