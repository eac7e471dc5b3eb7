# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests that run on this node, by what libvirt and LXC keep of them below /run, without asking either."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ..guest.definition import Definition, read
from . import domain_xml, lxc_config

__all__ = ["defined_guests", "running_guests"]

_VMS, _CONTAINERS = Path("/run/libvirt/qemu"), Path("/run/drover/lxc")


def running_guests(
    without: Collection[str] = (), vms: Path = _VMS, containers: Path = _CONTAINERS
) -> list[tuple[Definition, Definition]]:
    """What the cluster says of each guest that runs here, and what it was started from; not of those ``without``.

    The latter stands for both where the cluster does not answer, or knows no such guest.
    """
    running = {one["name"]: one for one in _running(vms, containers) if one and one["name"] not in without}
    wanted = defined_guests() if running else {}
    return [(wanted.get(name, started), started) for name, started in running.items()]


def _running(vms: Path, containers: Path) -> Iterator[Definition]:
    for path in sorted(vms.glob("*.xml")):
        with suppress(OSError, ValueError, SyntaxError):
            started = domain_xml.started_from(_domain(path.read_text(encoding="utf-8")))
            yield read(started).definition if started else {}
    for path in sorted(containers.glob("*/config")):
        with suppress(OSError, ValueError):
            yield lxc_config.started_from(path.read_text(encoding="utf-8"))


def _domain(status: str) -> str:
    """The domain in libvirt's status file of it."""
    end = "</domain>"
    return status[status.index("<domain ") : status.rindex(end) + len(end)]


def defined_guests() -> dict[str, Definition]:
    """The definitions that the cluster has, by guest; none where it does not answer."""
    from ..cluster.cib import read as read_cib
    from ..cluster.guests import guest_of
    from ..cluster.pacemaker import ClusterError, Pacemaker

    found: dict[str, Definition] = {}
    with suppress(ClusterError):
        for resource in read_cib(Pacemaker().query()).guests().values():
            with suppress(ValueError):
                known = read(guest_of(resource) or {}).definition
                found[known["name"]] = known
    return found
