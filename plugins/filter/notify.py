# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: receivers of notifications, as far as they can be judged without apprise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.notify import receivers


class FilterModule:
    """cspp.drover.receiver_faults: see module_utils/notify/receivers.py."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"receiver_faults": receivers.malformed}
