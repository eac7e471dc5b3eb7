# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How an agent has the cluster leave a guest down that has just ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.errors import DroverError
from . import ocf

if TYPE_CHECKING:
    from ..cluster.objects import Wanted

__all__ = ["told"]


def told(down: Callable[[str], Wanted], otherwise: str) -> bool:
    """Whether the cluster has just been told, by what ``down`` makes of its CIB.

    ``otherwise`` is what the log says where it cannot be told, which leaves it to the cluster to start the guest again.
    """
    from ..cluster.pacemaker import Pacemaker

    try:
        return Pacemaker().apply(down, check=False, predict=False).difference.changed
    except DroverError as error:
        ocf.warning(f"{otherwise}: {error}")
        return False
