# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: bridges as systemd-networkd's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.host import networkd


class FilterModule:
    """cspp.drover.networkd_files: role network's bridges -> files for cspp.drover.files."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"networkd_files": networkd.files}
