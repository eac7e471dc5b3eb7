# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A choice of things by name: all of them, none, or those that are listed."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["chosen"]


def chosen(name: str, choice: Collection[str] | bool) -> bool:
    """Whether a name is among those of a ``choice``; True are all names, False none."""
    return choice if isinstance(choice, bool) else name in choice
