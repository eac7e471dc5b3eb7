# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests that drills befall, of each kind one that keeps a ledger on the storage that all nodes see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LEDGERS", "drill_guests"]

#: The containers that are given a ledger for each drill.
LEDGERS = ["web"]


def drill_guests(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The inventory's guests, with a disk for the VM."""
    return {
        "game": {**declared["game"], "disks": [{"size": "64MiB", "pool": "shared"}]},
        "web": dict(declared["web"]),
    }
