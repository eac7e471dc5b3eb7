# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests as modules are told of them: the specification of the arguments, and what is wanted of each."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ..cluster.guest_specs import specified
from ..cluster.guests import GuestSpec
from ..core.errors import InvalidValue

__all__ = ["GUEST", "permitted", "specification"]

GUEST = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
    "remove_disks": {"type": "bool", "default": False},
    "definition": {"type": "dict"},
    "ha": {"type": "raw", "default": {}},
    "prefer": {"type": "list", "elements": "str", "default": []},
    "apart_from": {"type": "list", "elements": "str", "default": []},
    "together_with": {"type": "list", "elements": "str", "default": []},
    "home": {"type": "str"},
}


def specification(guest: dict[str, Any], monitor_interval: int = 10) -> GuestSpec:
    """One guest of the arguments. Raises InvalidValue for a priority that isn't a number."""
    ha = guest["ha"]
    if not isinstance(ha, dict):
        ha = {} if ha is None or _truth(ha) else None
    if ha is not None:
        limits = {key: _number(ha[key]) for key in ("max_restart", "max_relocate") if key in ha}
        ha = {"priority": _number(ha.get("priority") or 0), **limits}
    return specified({**guest, "ha": ha}, monitor_interval)


def permitted(value: Any) -> frozenset[str] | bool:
    """The guests that may be restarted: names, or True for all of them."""
    if isinstance(value, list):
        return frozenset(str(name) for name in value)
    return _truth(value)


def _truth(value: Any) -> bool:
    """What YAML or a person takes for true or false. Raises InvalidValue for anything else."""
    try:
        return bool(boolean(value))
    except TypeError as error:
        raise InvalidValue(str(error)) from error


def _number(value: Any) -> int:
    """A whole number. Raises InvalidValue for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise InvalidValue(str(error)) from error
