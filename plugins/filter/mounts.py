# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: mounts of storage pools as systemd units, the packages they need, and whether nodes share them as told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.storage import mounts, volumes


class FilterModule:
    """From role storage's pools: cspp.drover.mount_units, files for cspp.drover.files; cspp.drover.mount_packages;
    cspp.drover.pool_confusions. From a path and these pools: cspp.drover.local_pool_of."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "local_pool_of": volumes.local_pool_of,
            "mount_packages": mounts.packages,
            "mount_units": mounts.units,
            "pool_confusions": volumes.confusions,
        }
