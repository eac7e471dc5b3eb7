# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges carry the frames of guests past the node's own firewall."""

from __future__ import annotations

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.stage("built")


def test_frames_of_guests_are_no_business_of_the_firewall(host: Host) -> None:
    for family in ("ip", "ip6", "arp"):
        assert host.check_output(f"sysctl -n net.bridge.bridge-nf-call-{family}tables") == "0"
