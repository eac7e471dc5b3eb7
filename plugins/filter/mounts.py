# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: mounts of storage pools as systemd units, the packages they need, and whether nodes share them as told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.storage import mounts, remembered, volumes


class FilterModule:
    """cspp.drover.pool_settings and its like: see module_utils/storage/mounts.py, remembered.py and volumes.py."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "local_pool_of": volumes.local_pool_of,
            "mount_packages": mounts.packages,
            "mounts_telling": mounts.telling,
            "ceph_clients": mounts.ceph_clients,
            "mount_units": mounts.units,
            "pool_confusions": volumes.confusions,
            "pool_followers": mounts.followers,
            "pool_settings": remembered.settings,
        }
