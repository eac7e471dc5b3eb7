# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: what is wrong with declared bridges, and bridges as files of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.declaration import networks
from ansible_collections.cspp.drover.plugins.module_utils.host import networkd


class FilterModule:
    """Role network's bridges -> complaints (network_problems), files for module files (the others)."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "network_problems": networks.problems,
            "networkd_files": networkd.files,
            "resolver_files": networkd.resolver_files,
        }
