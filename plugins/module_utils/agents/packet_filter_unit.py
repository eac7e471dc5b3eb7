# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that makes this node's packet filter: at boot before Pacemaker starts, and when its facts change."""

from __future__ import annotations

import sys

from ..core.errors import run_program
from ..hypervisor.packet_filter import PacketFilter

__all__ = ["main"]


def main() -> int:
    """Make the filter, and say whether it had to be made."""

    def restore() -> None:
        made = PacketFilter().restore()
        sys.stdout.write(f"the packet filter {'was made' if made else 'is as it should be'}\n")

    return run_program(restore)
