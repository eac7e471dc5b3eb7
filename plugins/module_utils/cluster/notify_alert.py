# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The alert by which Pacemaker wakes the notifiers (notify/spool.py): at what happens to nodes and guests."""

from __future__ import annotations

from .objects import PREFIX, Alert

__all__ = ["ALERT"]

ALERT = Alert(f"{PREFIX}notify-alert", "/usr/lib/drover/current/bin/notify-alert", ("fencing", "nodes", "resources"))
