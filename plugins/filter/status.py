# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: what nodes say of their cluster, taken together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.reporting import status


class FilterModule:
    """cspp.drover.status_*: see module_utils/reporting/status.py."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_gathered": status.gathered}
