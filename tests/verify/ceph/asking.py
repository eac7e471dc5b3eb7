# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a lab's Ceph says of itself."""

from __future__ import annotations

import json
from typing import Any

from ..lab import Lab
from ..plays import variable

__all__ = ["blocked", "ceph", "grown", "rbd"]


def ceph(lab: Lab, *words: str, node: str = "node1") -> Any:
    """The answer to a command, as the administrator of Ceph gets it on a node."""
    return json.loads(lab.ssh(node)(["ceph", *words, "--format", "json"], timeout=60).stdout)


def rbd(lab: Lab, *words: str) -> Any:
    """The answer to a question about images, as a node's guests may ask it."""
    said = lab.ssh("node1")(["rbd", "--id", "drover", *words, "--format", "json"], timeout=60).stdout
    return json.loads(said or "null")


def blocked(lab: Lab) -> int:
    """How many clients Ceph listens to no more."""
    # "osd blocklist ls" prints two documents at once where there is none.
    return len(ceph(lab, "osd", "dump")["blocklist"])


def grown() -> dict[str, Any]:
    """The inventory's guests as the tests have made them grow, which cannot be taken back."""
    guests: dict[str, Any] = variable("guests")
    guests["web"]["rootfs"]["size"] = "1GiB"
    guests["game"]["disks"] = [{"size": "192MiB"}]
    return guests
