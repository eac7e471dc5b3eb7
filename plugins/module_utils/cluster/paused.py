# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""High availability that is paused, as for work on the network: the cluster looks on, and does nothing.

It is Pacemaker's ``maintenance-mode``. A node that is lost meanwhile is not fenced, and no guest of its is started
elsewhere (tried with Pacemaker 3.0.0: "Node is unclean but cannot be fenced"); guests run on without quorum, and one
that ends stays down. A mark beside it says that it is Drover's, and since when.
"""

from __future__ import annotations

from collections.abc import Mapping

from .cib_xml import is_true
from .pacemaker import ClusterError
from .status import ClusterStatus

__all__ = ["ACTIVE", "REMEDY", "described", "paused", "pending_fences", "refuse", "since"]

_MODE, _SINCE = "maintenance-mode", "drover-paused-since"
#: The cluster options of a cluster whose high availability is not paused.
ACTIVE: Mapping[str, str | None] = {_MODE: None, _SINCE: None}
#: What ends it.
REMEDY = "ansible-playbook playbooks/ha.yml -e state=active"


def paused(when: str) -> dict[str, str]:
    """The cluster options that pause high availability from a moment on."""
    return {_MODE: "true", _SINCE: when}


def since(properties: Mapping[str, str]) -> str | None:
    """Since when it is paused; an empty text if somebody did it by hand, None where it is not."""
    if not is_true(properties.get(_MODE, "")):
        return None
    return properties.get(_SINCE, "")


def described(properties: Mapping[str, str]) -> str:
    """What a paused cluster means, and what ends it; empty for one that is not."""
    when = since(properties)
    if when is None:
        return ""
    how = f"since {when}" if when else "by hand (property maintenance-mode)"
    return (
        f"high availability is paused {how}: no guest is started, moved or watched, and no lost node is fenced; to "
        f"end that: {REMEDY}"
    )


def refuse(properties: Mapping[str, str]) -> None:
    """Raise ClusterError while it is paused, for whatever only a cluster at work can carry out."""
    if words := described(properties):
        raise ClusterError(f"nothing was changed, for {words}")


def pending_fences(status: ClusterStatus) -> list[str]:
    """The nodes that are lost and not known to be off."""
    return [node.name for node in status.nodes if node.unclean]
