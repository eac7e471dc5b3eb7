# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What agents tell this node's packet filter: that a guest is about to have interfaces, has them, or has none any more.

The filter is loaded only when there is something to tell: a monitor that finds nothing to do imports none of it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..guest.definition import Definition
from . import ocf
from .ocf import AgentError, Request

__all__ = ["admit", "expel", "keep"]


def admit(definition: Definition) -> None:
    """Let a guest that is about to start use its interfaces. Raises AgentError: it would be cut off otherwise."""
    from ..hypervisor.packet_filter import FilterError, PacketFilter

    try:
        PacketFilter().admit(definition)
    except FilterError as error:
        raise AgentError(str(error)) from error


def keep(request: Request, live: Callable[[], str]) -> None:
    """See that a guest that runs is known as its definition says. ``live`` is libvirt's XML or LXC's configuration.

    Raises FilterError.
    """
    from ..hypervisor.packet_filter import PacketFilter

    definition = request.definition()
    what = PacketFilter().keep(definition, lambda: _started_from(definition["kind"], live()))
    if what:
        ocf.warning(what)


def expel(name: str, *, on_its_way: bool = False) -> None:
    """Forget a guest that has ended here, or, ``on_its_way``, one that may be about to come. Raises FilterError."""
    from ..hypervisor.packet_filter import PacketFilter

    PacketFilter().expel(name, on_its_way=on_its_way)


def _started_from(kind: str, live: str) -> Definition:
    if kind == "vm":
        from ..hypervisor import domain_xml

        return domain_xml.started_from(live)
    from ..hypervisor import lxc_config

    return lxc_config.started_from(live)
