# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the verbs have in common that start or stop one guest by somebody's hand."""

from __future__ import annotations

from ..cluster.cib import Configuration
from ..cluster.objects import Primitive
from ..cluster.pacemaker import ClusterError
from ..cluster.paused import refuse

__all__ = ["the_guest"]


def the_guest(live: Configuration, name: str) -> Primitive:
    """The guest that is meant. Raises ClusterError for one there is not, and while high availability is paused."""
    guest = live.guests().get(name)
    refuse(live.properties)
    if guest is None:
        raise ClusterError(f"there is no guest {name} in this cluster; playbooks/status.yml shows those there are")
    return guest
