# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: what role guests asks of nodes and tells people, beside module guests_plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.declaration import declaration, id_ranges
from ansible_collections.cspp.drover.plugins.module_utils.reporting import changes


class FilterModule:
    """cspp.drover.guest_*: see module_utils/declaration/declaration.py and module_utils/reporting/changes.py."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "guest_id_range": id_ranges.id_range,
            "guest_images": declaration.wanted_images,
            "guest_nodes": declaration.nodes,
            "guest_permission": declaration.permission,
            "guest_differing": changes.differing,
            "guest_report": changes.report,
            "guest_restarts": changes.restarts,
        }
