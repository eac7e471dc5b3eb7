# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a guest runs on another node, by the word of every node that could have it.

Pacemaker starts a guest only where it knows of none. It may have been told wrong, by a cleanup at the wrong moment, or
somebody started the guest by hand; so an agent asks before it starts one. A member that does not answer has not said
no: it is asked again, until it answers or the cluster counts it as offline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, Literal

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..core.errors import DroverError
from ..core.node_name import node_name
from ..core.parallel import side_by_side
from ..peer.channel import PeerError, ask

__all__ = ["Unheard", "elsewhere", "members"]

#: Seconds for an answer: at first for what should come at once, then for a node that is short of breath.
_QUICK, _PATIENT = 2.0, 6.0
_AGAIN = 0.5

Question = Literal["vm runs", "runs"]


class Unheard(DroverError):
    """Nobody can tell whether the guest runs on another node."""


def members() -> list[str]:
    """The other nodes that may run something: those up, and those lost whose power has yet to be cut.

    Raises ClusterError.
    """
    return [
        node.name for node in Pacemaker().status().nodes if (node.online or node.unclean) and node.name != node_name()
    ]


def elsewhere(
    guest: str,
    seconds: float,
    *,
    among: Collection[str] | None = None,
    question: Question = "vm runs",
    ask_node: Callable[..., dict[str, Any]] = ask,
    look: Callable[[], Collection[str]] = members,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """The node that says that the guest runs there; None once all that could have it say that it does not.

    ``among`` are the nodes that come into question, by default all; ``question`` is the service that knows guests of
    its kind. Who does not answer is asked again for ``seconds``, once at least. Raises Unheard after that.
    """
    until = clock() + seconds
    patience, free = _QUICK, set[str]()
    while True:
        silent: dict[str, str] = {}
        try:
            nodes = [node for node in look() if node not in free and (among is None or node in among)]
        except ClusterError as error:
            nodes, silent = [], {"the cluster": str(error)}
        told = _told(guest, nodes, question, patience, ask_node)
        for node in nodes:
            answer = told.get(node, "no answer")
            if answer is True:
                return node
            if answer is False:
                free.add(node)
            else:
                silent[node] = str(answer)
        if not silent:
            return None
        if clock() >= until:
            raise Unheard("; ".join(f"{who} does not tell: {why}" for who, why in silent.items()))
        sleep(_AGAIN)
        patience = min(_PATIENT, max(_QUICK, until - clock()))


def _told(
    guest: str, nodes: Collection[str], question: Question, patience: float, ask_node: Callable[..., dict[str, Any]]
) -> dict[str, bool | str]:
    """What each of the nodes says: whether the guest runs there, or why it does not tell."""

    def hear(node: str) -> bool | str:
        try:
            said = ask_node(node, {"do": question, "guest": guest}, patience)
            # A container that is coming up or frozen has its files open as well.
            return bool(said["runs"] or (question == "runs" and said.get("here")))
        except (PeerError, KeyError) as error:
            return str(error)

    return side_by_side(hear, nodes, patience=patience)
