# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The git commit that an inventory is of, so that the nodes can tell which declaration they carry out."""

from __future__ import annotations

from typing import Any

from ..core.command import CommandError, Runner, run

__all__ = ["NO_CHECKOUT", "checkout"]

#: An inventory that is in no git checkout, or on a machine without git.
NO_CHECKOUT: dict[str, Any] = {"commit": None, "dirty": None}


def checkout(folder: str | None, runner: Runner = run) -> dict[str, Any]:
    """The ``commit`` of the checkout that a folder is in, and whether the folder is ``dirty``: changed, or with files
    that git does not know. Both are None where there is no checkout, or git refuses to look at it."""
    if not folder:
        return NO_CHECKOUT
    # Without the lock that git would take to note what it has seen: somebody may be committing.
    git = ["git", "--no-optional-locks", "-C", folder]
    try:
        commit = runner([*git, "rev-parse", "--verify", "HEAD"], timeout=10).stdout.strip()
        changes = runner([*git, "status", "--porcelain", "--", "."], timeout=30).stdout
    except CommandError:
        return NO_CHECKOUT
    return {"commit": commit, "dirty": bool(changes.strip())}
