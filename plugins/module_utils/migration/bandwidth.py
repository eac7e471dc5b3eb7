# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of the wire to another node one of several migrations may use."""

from __future__ import annotations

from ..core.quantities import MIB
from ..guest.migration_policy import ONE_CHANNEL

__all__ = ["channels", "share"]

#: The part of the wire that migrations may fill: the cluster's own messages must get through.
_FOR_MIGRATIONS = 0.8


def share(wire: int | None, allowed: int | None, moves: int) -> int | None:
    """Bytes a second for one of so many migrations over a wire. ``allowed`` is the guest's own limit."""
    fair = None if wire is None else max(MIB, int(wire * _FOR_MIGRATIONS) // max(1, moves))
    return min((limit for limit in (fair, allowed) if limit is not None), default=None)


def channels(most: int, bandwidth: int | None) -> int:
    """Connections for a migration that may use so many bytes a second, None for any: ``most``, but none that idles.

    One that has several must have no limit. When the target dies while QEMU (10.0) waits to keep within a limit,
    libvirt switches parallel channels off before QEMU has ended those that it has, and then QEMU ends itself
    (yank_unregister_instance), and the VM with it: in 10 of 46 trials at 24 MiB/s, in none without a limit.
    """
    return most if bandwidth is None else max(1, min(most, bandwidth // ONE_CHANNEL))
