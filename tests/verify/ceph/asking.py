# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a lab's Ceph says of itself."""

from __future__ import annotations

import json
from typing import Any

from ..lab import Lab

__all__ = ["ceph"]


def ceph(lab: Lab, *words: str, node: str = "node1") -> Any:
    """The answer to a command, as the administrator of Ceph gets it on a node."""
    return json.loads(lab.ssh(node)(["ceph", *words, "--format", "json"], timeout=60).stdout)
