# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted of a guest, as a mapping with the words of its YAML: into the terms of plan_guests, and back from what
the cluster has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..guest.definition import is_local
from .cib import Configuration
from .guests import GuestSpec, pin_id
from .objects import PREFIX, Colocation, Location, Pin
from .recovery import USUAL, Recovery
from .stopped import stopped_by

__all__ = ["specified", "wishes"]


def specified(guest: Mapping[str, Any], monitor_interval: int = 10) -> GuestSpec:
    """One guest of module guests' arguments, whose ``ha`` is a mapping of whole numbers, or None."""
    ha, absent = guest["ha"], guest["state"] == "absent"
    limits = {key: ha[key] for key in ("max_restart", "max_relocate") if ha and key in ha}
    # One that is bound to its node has no other to be started on.
    bound = ha is None or (not absent and is_local(guest["definition"]))
    return GuestSpec(
        name=guest["name"],
        definition=None if absent else guest["definition"],
        priority=None if ha is None else ha.get("priority") or 0,
        prefer=tuple(guest["prefer"]),
        apart_from=tuple(guest["apart_from"]),
        together_with=tuple(guest["together_with"]),
        home=guest["home"],
        stopped=guest["state"] == "stopped",
        recovery=Recovery(**{**limits, **({"max_relocate": 0} if bound else {})}),
        monitor_interval=monitor_interval,
    )


def wishes(name: str, live: Configuration) -> dict[str, Any]:
    """What the cluster was told of a guest beside its definition: ``state``, ``ha`` (None without it), ``prefer``,
    ``apart_from``, ``together_with``, and the ``monitor_interval``."""
    guest = live.primitives[name]
    constraints = live.constraints.values()
    liked = {
        one.node: int(one.score)
        for one in constraints
        if isinstance(one, Location) and one.id.startswith(f"{PREFIX}prefer-{name}.") and one.resource == name
    }
    recovery = Recovery.of(guest.meta) or USUAL
    intervals = [op.interval for op in guest.operations if op.name == "monitor"]
    return {
        "state": "stopped" if stopped_by(guest) == "declared" else "present",
        "ha": None
        if isinstance(live.constraints.get(pin_id(name)), Pin)
        else {
            "priority": int(guest.meta.get("priority", "0")),
            "max_restart": recovery.max_restart,
            "max_relocate": recovery.max_relocate,
        },
        "prefer": sorted(liked, key=lambda node: -liked[node]),
        "apart_from": _company(name, "apart", live),
        "together_with": _company(name, "together", live),
        "monitor_interval": int((intervals or ["10s"])[0].removesuffix("s")),
    }


def _company(name: str, way: str, live: Configuration) -> list[str]:
    prefix = f"{PREFIX}{way}-{name}."
    return sorted(
        one.id.removeprefix(prefix)
        for one in live.constraints.values()
        if isinstance(one, Colocation) and one.id.startswith(prefix)
    )
