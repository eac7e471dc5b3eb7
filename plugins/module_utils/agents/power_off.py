# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest that somebody has shut down from inside, and whose ``on_poweroff`` says that it stays down."""

from __future__ import annotations

from collections.abc import Callable

from ..core.errors import DroverError
from . import ocf
from .ocf import Request
from .staying_down import told

__all__ = ["stays_down"]


def stays_down(request: Request, shut_down: Callable[[], bool]) -> bool:
    """Tell the cluster to leave a guest down that has ended here, if it was shut down and is to stay so.

    True says that the cluster has just been told: it stops the guest now, wherever, which only clears up. False leaves
    it to the cluster what becomes of the guest, as when the cluster cannot be told.
    """
    name = request.instance
    if not request.recurring or not _wished(request) or not shut_down():
        return False
    from ..cluster.cib import read
    from ..cluster.objects import Wanted
    from ..cluster.stopped import stopped, stopped_by

    def down(cib: str) -> Wanted:
        guest = read(cib).primitives.get(name)
        return Wanted() if guest is None or stopped_by(guest) else Wanted(meta={name: stopped("itself")})

    if not told(down, f"{name} was shut down from inside, but the cluster could not be told to leave it so"):
        return False
    ocf.info(f"{name} was shut down from inside, and stays down")
    return True


def _wished(request: Request) -> bool:
    try:
        return bool(request.definition()["on_poweroff"] == "stop")
    except DroverError:
        return False
