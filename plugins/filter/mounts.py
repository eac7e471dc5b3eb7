# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: mounts of storage pools as systemd units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils import mounts


class FilterModule:
    """cspp.drover.mount_units: role storage's pools -> files for cspp.drover.files."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mount_units": mounts.units}
