# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Local disks that a VM takes along when it migrates, and whose they are then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import (
    HostError,
    LibvirtUnreachable,
)
from ansible_collections.cspp.drover.plugins.module_utils.migration import disk_hand_over, failed_post_copy, settling
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.plugins.module_utils.migration.record import MigrationFailed
from ansible_collections.cspp.drover.plugins.module_utils.migration.switchover import Unknown
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError
from ansible_collections.cspp.drover.tests.unit.migration.live_host import MIB, Host, migration

pytestmark = pytest.mark.usefixtures("at_the_target", "forwarders")


DISK = {"target": "vda", "source": {"type": "file", "path": "/pool/vms/web/vda.qcow2", "shared": False}}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a VM with local disks has said to the target and to the cluster."""
    said: list[str] = []

    class Mirror:
        targets = ("vda",)

        def __init__(self, _definition: Any, node: str, sizes: dict[str, int]) -> None:
            said.append(f"mirror on {node} {sizes}")

        def keep(self) -> None:
            said.append("keep")

        def drop(self) -> None:
            said.append("drop")

    class Cluster:
        def status(self) -> SimpleNamespace:
            return SimpleNamespace(resources=())

        def hand_over(self, guest: str, source: str, target: str) -> None:
            said.append(f"{guest} from {source} to {target}")

    monkeypatch.setattr(disk_hand_over, "Mirror", Mirror)
    monkeypatch.setattr(disk_hand_over, "Pacemaker", Cluster)
    monkeypatch.setattr(failed_post_copy, "Pacemaker", Cluster)
    return said


def test_local_disks_are_taken_along_and_handed_over_when_the_vm_stops(told: list[str]) -> None:
    host: Any = Host()
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    one = migration(host, disks=[DISK], channels=2)
    one.run(100)
    assert told == [f"mirror on n2 {{'vda': {MIB}}}", "web from n1 to n2", "keep"]
    assert "'disks': ('vda',)" in host.calls[-1]
    assert f"'bandwidth': {800 * MIB}," in host.calls[-1] and "'channels': 1," in host.calls[-1]
    assert one.record["path"] == ["disks", "pre-copy"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(True, ["web from n1 to n2", "keep"], id="it arrived"),
        # Half a disk is no data.
        pytest.param(Unknown("whether it runs on n2 cannot be told"), ["keep"], id="nobody knows"),
    ],
)
def test_disks_of_which_nobody_heard_that_the_vm_stopped_are_handed_over_when_it_arrived(
    told: list[str], at_the_target: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: Any, said: list[str]
) -> None:
    host: Any = Host(error=LibvirtUnreachable("the daemon is gone"))
    host.resume_heard = host.stop_heard = False
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    monkeypatch.setattr(settling, "LibvirtHost", lambda: SimpleNamespace(progress=lambda _name: None))
    at_the_target["landed"] = answer
    migration(host, disks=[DISK]).run(100)
    assert at_the_target["done"] == ["hold", "kill"]
    assert told[1:] == said


def test_disks_that_were_handed_over_in_vain_are_taken_back(told: list[str]) -> None:
    host: Any = Host(error=HostError("no route"))
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    with pytest.raises(MigrationFailed, match="no route"):
        migration(host, disks=[DISK]).run(100)
    assert told[1:] == ["web from n1 to n2", "web from n2 to n1", "drop"]


def test_a_target_without_room_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> None:
        raise PeerError("no room for its disks")

    monkeypatch.setattr(disk_hand_over, "Mirror", full)
    host: Any = Host()
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    one = migration(host, disks=[DISK])
    with pytest.raises(MigrationFailed, match="n2: no room for its disks"):
        one.run(100)
    assert host.calls == []
    assert one.record["result"] == "failed"
    # Until it is on record.
    assert [(move["guest"], move["phase"]) for move in moves.read_all()] == [("web", "failed")]


def test_a_disk_that_the_vm_does_not_have_yet_is_not_left_behind(told: list[str]) -> None:
    host: Any = Host()
    host.disk_sizes = lambda _name, _targets: {}
    with pytest.raises(MigrationFailed, match="its disk vda on local storage was declared while it ran"):
        migration(host, disks=[DISK]).run(100)
    assert (host.calls, told) == ([], [])
