# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packets that come for a VM at its old node, forwarded from its stop on to the end of its migration."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.migration import packets
from ansible_collections.cspp.drover.plugins.module_utils.migration.live import LiveMigration
from ansible_collections.cspp.drover.plugins.module_utils.migration.record import MigrationFailed
from ansible_collections.cspp.drover.tests.unit.migration.live_host import MIB, Forwarder, Host, migration

pytestmark = pytest.mark.usefixtures("at_the_target", "forwarders")


def test_packets_are_forwarded_from_the_stop_on_and_the_target_gets_the_report(forwarders: list[Forwarder]) -> None:
    one = migration(Host())
    one.run(100)
    [forwarder] = forwarders
    assert [call.split()[0] for call in forwarder.calls] == ["n2", "start", "switch", "stop", "finish"]
    assert "web-aabbcc" in forwarder.calls[0]
    assert "rounds" in forwarder.calls[-1]
    assert one.record["forwarded"] == 3


def test_a_failure_takes_forwarding_back_and_reports_nothing(forwarders: list[Forwarder]) -> None:
    with pytest.raises(MigrationFailed, match="no route"):
        migration(Host(error=HostError("no route"))).run(100)
    [forwarder] = forwarders
    assert [call.split()[0] for call in forwarder.calls] == ["n2", "start", "switch", "resume", "stop", "finish"]
    assert forwarder.calls[-1] == "finish []"


def test_a_target_that_cannot_take_packets_takes_the_vm_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(Forwarder):
        def __init__(self, guest: str, taps: list[str], target: str) -> None:
            super().__init__(guest, taps, target)
            self.trouble = "packets not forwarded (n2 cannot be asked)"

    monkeypatch.setattr(packets, "Forwarder", Refused)
    one = migration(Host())
    one.run(100)
    assert one.record["path"] == ["pre-copy", "packets not forwarded (n2 cannot be asked)"]


def test_a_vm_without_interfaces_reports_to_the_target_all_the_same(forwarders: list[Forwarder]) -> None:
    definition = {"name": "web", "memory": 256 * MIB, "nics": [], "disks": [], "migration": {}}
    host: Any = Host()
    LiveMigration(definition, "n1", "n2", host, tick=0.005).run(100)
    [forwarder] = forwarders
    assert forwarder.calls[0] == "n2 []"
    assert "policy" in forwarder.calls[-1]
