# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing devices as arguments of modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..core.command import run
from .difference import is_secret
from .fencing import FenceDevice

__all__ = ["FENCING", "device", "power", "secrets", "settings"]

#: Suboptions of ``fencing``, documented in the fragment of the same name.
FENCING: dict[str, dict[str, Any]] = {
    "node": {"type": "str", "required": True},
    "agent": {"type": "str", "default": "fence_ipmilan"},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 623},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "options": {"type": "dict", "default": {}},
    "level": {"type": "int", "choices": [1, 2, 3], "default": 1},
}


def settings(values: Mapping[str, Any]) -> dict[str, str | None]:
    """A mapping as YAML gives it, in Pacemaker's words: true, 5, nothing."""
    return {str(name): _word(value) for name, value in values.items()}


def _word(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def device(arguments: Mapping[str, Any]) -> FenceDevice:
    """The device that one element of ``fencing`` describes."""
    options = {name: value for name, value in settings(arguments["options"]).items() if value is not None}
    return FenceDevice(**{**arguments, "options": options})


def power(
    agent: str, parameters: Mapping[str, str], timeout: float, env: Mapping[str, str] | None = None
) -> Literal["on", "off"]:
    """What a power controller says of its node. Raises CommandError.

    Fence agents read their parameters from standard input, where no other user sees them.
    """
    text = "".join(f"{name}={value}\n" for name, value in {**parameters, "action": "status"}.items())
    # 0 says that the node is on, 2 that it is off: both are answers.
    return "off" if run([agent], stdin=text, timeout=timeout, ok=(0, 2), env=env).rc else "on"


def secrets(devices: Iterable[Mapping[str, Any]]) -> set[str]:
    """Values among the agents' further parameters that no output may show."""
    return {
        value
        for each in devices
        for name, value in settings(each.get("options") or {}).items()
        if value is not None and is_secret(name)
    }
