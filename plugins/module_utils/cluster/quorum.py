# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many votes are a quorum."""

from __future__ import annotations

__all__ = ["majority"]


def majority(votes: int) -> int:
    """The votes that a cluster needs of so many: more than half; of two, one (two_node in votequorum(5))."""
    return 1 if votes == 2 else votes // 2 + 1
