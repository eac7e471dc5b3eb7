# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests that move while things fail, most of them slow enough to be hit in every phase of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["trial_guests"]


def trial_guests(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The inventory's guests, changed for trials, and one whose wire is too thin for what it does."""
    game, web = declared["game"], declared["web"]
    network, _, _last = str(game["nics"][0]["address"]).rpartition(".")
    return {
        "game": {**game, "migration": {"bandwidth": "24MiB"}},
        "churn": {
            **game,
            "description": "Is told to change its memory faster than it may be sent",
            "nics": [{**game["nics"][0], "address": f"{network}.154/24"}],
            "ha": {"priority": 0},
            # On a busy machine it changes no more than 9 MiB a second, and must not get through all the same.
            "migration": {"bandwidth": "4MiB", "auto_converge": False, "timeout": "60s"},
        },
        "flow": {
            **game,
            "description": "Does the same, and may go on as post-copy",
            "nics": [{**game["nics"][0], "address": f"{network}.156/24"}],
            "ha": {"priority": 0},
            "migration": {"bandwidth": "8MiB", "auto_converge": False, "timeout": "10s", "post_copy": "fallback"},
        },
        "brake": {
            **game,
            "description": "Does the same, and may be slowed down",
            "nics": [{**game["nics"][0], "address": f"{network}.159/24"}],
            "ha": {"priority": 0},
            "migration": {"bandwidth": "8MiB", "timeout": "120s"},
        },
        "brisk": {
            **game,
            "description": "Has more to copy, and moves as a VM does that was told nothing of it",
            "memory": "512MiB",
            "nics": [{**game["nics"][0], "address": f"{network}.157/24"}],
            "ha": {"priority": 0},
        },
        "vault": {
            **game,
            "description": "Takes a disk along that is on its node's own storage",
            "disks": [{"size": "128MiB", "pool": "local"}],
            "nics": [{**game["nics"][0], "address": f"{network}.158/24"}],
            "ha": {"priority": 0},
            "migration": {"bandwidth": "24MiB"},
        },
        "web": {**web, "stop_timeout": "10s"},
        "shed": {
            **web,
            "description": "Has its root file system on its node's own storage",
            "rootfs": {"image": "debian-13", "pool": "local"},
            "nics": [{**web["nics"][0], "address": f"{network}.155/24"}],
            "migration": {"bandwidth": "48MiB"},
        },
    }
