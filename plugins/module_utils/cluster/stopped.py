# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that stay down: declared so (``state: stopped``), shut down from inside (``on_poweroff: stop``), stopped for
having failed too often, or stopped by somebody's hand.

To Pacemaker all of them are stopped by ``target-role``. A mark beside it says that it is Drover's, and why; without the
mark somebody has set it by hand, and no run of a playbook undoes that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from .objects import FAILED, STOPPED_BY, Primitive

__all__ = ["STARTED", "Reason", "described", "failed_too_often", "failed_where", "remedy", "stopped", "stopped_by"]

Reason = Literal["declared", "itself", "failures", "hand"]

#: The meta attributes of a guest that may run.
STARTED: Mapping[str, str | None] = {"target-role": None, STOPPED_BY: None, FAILED: None}

#: The marks that Drover sets.
_MARKS: Mapping[str, Reason] = {"declared": "declared", "itself": "itself", "failures": "failures"}
_WORDS: Mapping[Reason, str] = {
    "declared": "is declared to be stopped",
    "itself": "was shut down from inside, and its on_poweroff says stop",
    "failures": "failed too often, and stays down",
    "hand": "was stopped by hand",
}


def stopped(why: Literal["declared", "itself"]) -> dict[str, str]:
    """The meta attributes of a guest that is to stay down."""
    return {"target-role": "Stopped", STOPPED_BY: why}


def failed_too_often(times: Mapping[str, int]) -> dict[str, str]:
    """The meta attributes of a guest that stays down because it failed; ``times`` tells how often, by node."""
    where = ", ".join(f"{count} times on {node}" for node, count in sorted(times.items()))
    return {"target-role": "Stopped", STOPPED_BY: "failures", FAILED: where}


def failed_where(guest: Primitive) -> str:
    """How often a guest that failed too often did so, and on which nodes, in words."""
    return guest.meta.get(FAILED, "")


def stopped_by(guest: Primitive) -> Reason | None:
    """Why a guest stays down; None for one that may run."""
    if guest.meta.get("target-role") != "Stopped":
        return None
    mark = guest.meta.get(STOPPED_BY)
    return _MARKS.get(mark or "", "hand")


def described(why: Reason) -> str:
    """Why it stays down, as what is said after the guest's name."""
    return _WORDS[why]


def remedy(name: str, why: Reason) -> str:
    """What to do for it to run."""
    if why == "declared":
        return f"to start it, declare guests.{name} with state: present, and run playbooks/guests.yml"
    return f"to start it: ansible-playbook playbooks/start.yml -e guest={name}"
