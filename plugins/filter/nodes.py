# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: from what the inventory says of nodes to what corosync and Pacemaker are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster import sizing
from ansible_collections.cspp.drover.plugins.module_utils.declaration import nodes, sbd
from ansible_collections.cspp.drover.plugins.module_utils.declaration.filter_facts import filter_facts
from ansible_collections.cspp.drover.plugins.module_utils.declaration.quorum_device import quorum_device
from ansible_collections.cspp.drover.plugins.module_utils.declaration.timing import timing


class FilterModule:
    """cspp.drover.addresses and its like: see sizing.py, and nodes.py, filter_facts.py, quorum_device.py, sbd.py and
    timing.py of declaration."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "action_limit": nodes.action_limit,
            "addresses": nodes.addresses,
            "enumerated": nodes.enumerated,
            "members": nodes.members,
            "capacities": nodes.capacities,
            "fencing_devices": nodes.fencing_devices,
            "fencing_passwords": nodes.fencing_passwords,
            "fencing_report": nodes.fencing_report,
            "filter_facts": filter_facts,
            "ipc_buffer": sizing.ipc_buffer,
            "ipc_limit": sizing.ipc_limit,
            "quorum_device": quorum_device,
            "sbd_declared": sbd.sbd_declared,
            "sbd_fencing_devices": sbd.fencing_devices,
            "sbd_pending": sbd.sbd_pending,
            "sbd_problems": sbd.sbd_problems,
            "sbd_unseen": sbd.sbd_unseen,
            "timing": timing,
        }
