# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long Pacemaker waits for the agents, and the agents for the other nodes, in seconds.

These go together, and with the time that the loss of a node takes: timing_rules.py says how.
"""

from __future__ import annotations

__all__ = [
    "ASKING",
    "BEATS",
    "LEASE_RESERVE",
    "MIGRATE_FROM",
    "MONITOR",
    "RELOAD",
    "START",
    "START_RESERVE",
    "STOP_BEYOND",
]

#: Pacemaker's timeouts of a guest's operations; a stop may take so much longer than the guest's own stop_timeout.
START, STOP_BEYOND, MONITOR, RELOAD, MIGRATE_FROM = 120, 30, 30, 60, 120
#: For asking members again that do not tell whether a guest runs there; and what of a start's time is not for that.
ASKING, START_RESERVE = 55, 60
#: For watching whether a container's lease is renewed whose holder nobody has fenced; and what a start keeps of itself.
BEATS, LEASE_RESERVE = 25, 10
