# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node's packet filter has dropped, in words."""

from __future__ import annotations

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.filter_rules import REASONS
from ansible_collections.cspp.drover.plugins.module_utils.reporting.filtered import lines


def test_each_guest_has_a_sentence() -> None:
    assert lines("node1", {"web": {"spoofed": 3, "firewall_in": 1}, "db": {"protected": 2}}, 4) == [
        "guest db on node1: packets dropped: 2 to nodes, power controllers or storage servers",
        "guest web on node1: packets dropped: 3 from a MAC or an address that is not its own, "
        "1 that its firewall does not let in",
        "node node1: 4 packets dropped at ports of bridges that are no guest's (see network_own_ports)",
    ]
    assert lines("node1", {}) == []


def test_every_reason_has_words() -> None:
    assert len(lines("node1", {"web": dict.fromkeys(REASONS, 1)})[0].split(", ")) >= len(REASONS)
