# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role console has written down for new guests: what a declaration may name (declaration/offers.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .trouble import Trouble

__all__ = ["told"]

_FILE = "offers.json"


def told(folder: Path) -> Mapping[str, Any]:
    """What is offered. Raises Trouble where nothing was written down, or what is no longer understood."""
    try:
        said = json.loads((folder / _FILE).read_bytes())
    except FileNotFoundError as error:
        raise _untold("this node was not told what a new guest can have") from error
    except ValueError as error:
        raise _untold(f"{folder / _FILE} is not what it should be: {error}") from error
    if not isinstance(said, dict) or not {"pools", "bridges", "nodes"} <= said.keys():
        raise _untold(f"{folder / _FILE} is not what it should be")
    return said


def _untold(cause: str) -> Trouble:
    return Trouble("not_told", 409, cause, remedy="Run playbooks/site.yml, which tells it.")
