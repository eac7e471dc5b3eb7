# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing in words: the reminder to prove it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["reminder"]


def reminder(unproven: Mapping[str, str], days: int) -> list[str]:
    """What to say of nodes whose fencing was not proven for so many days; the mapping has the day of the last proof."""
    told = [f"{node} ({f'last on {day}' if day else 'never'})" for node, day in unproven.items()]
    if not told:
        return []
    return [
        f"whether these nodes can be fenced was not proven in the last {days} days: {', '.join(told)}; "
        "ansible-playbook playbooks/fencing.yml -e prove=true empties, fences and refills one after the other"
    ]
