# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: from the guests a user declares to what each module is told, and back to a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils import declaration


class FilterModule:
    """cspp.drover.guest_*: see module_utils/declaration.py."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "guest_homes": declaration.homes,
            "guest_images": declaration.images_needed,
            "guest_leftovers": declaration.leftovers,
            "guest_local": declaration.local,
            "guest_nodes": declaration.nodes,
            "guest_permission": declaration.permission,
            "guest_problems": declaration.problems,
            "guest_report": declaration.report,
            "guest_resources": declaration.resources,
            "guest_restarts": declaration.restarts,
            "guest_volumes": declaration.volumes,
            "guest_warnings": declaration.warnings,
        }
