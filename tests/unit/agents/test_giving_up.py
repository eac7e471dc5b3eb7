# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest that fails again and again: the cluster is told once to leave it down."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container, giving_up, vm
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Code
from ansible_collections.cspp.drover.plugins.module_utils.cluster import pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import failed_where, stopped_by
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import State
from ansible_collections.cspp.drover.tests.unit.agents import container_node, vm_node
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB, FakeCluster

#: As often as the guest may fail: four times on a node, on two nodes.
LIMIT = (3, 4)


def counted(here: int, elsewhere: int) -> str:
    """The CIB of a cluster in which ``web`` has failed so often on n2, which is here, and on n1."""

    def attributes(number: int, count: int) -> str:
        return (
            f'<transient_attributes id="{number}"><instance_attributes id="status-{number}"><nvpair id="x{number}" '
            f'name="fail-count-web#monitor_10000" value="{count}"/></instance_attributes></transient_attributes>'
        )

    states = f'<node_state id="1" uname="n1">{attributes(1, elsewhere)}</node_state>'
    states += f'<node_state id="2" uname="n2">{attributes(2, here)}</node_state>'
    before, _, after = CIB.partition("<status>")
    return f"{before}<status>{states}{after[after.index('</status>') :]}"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster(cib=counted(*LIMIT))
    tools = pacemaker.Pacemaker
    monkeypatch.setattr(pacemaker, "Pacemaker", lambda: tools(fake))
    monkeypatch.setattr(giving_up, "node_name", lambda: "n2")
    return fake


def ended(kind: str, place: Path, monkeypatch: pytest.MonkeyPatch, *, recurring: bool = True) -> Code:
    if kind == "vm":
        monkeypatch.setattr(vm, "vm_shut_down", lambda _name: False)
        call = vm_node.request(place, "monitor")._replace(recurring=recurring)
        return vm.monitor(call, vm_node.Host(State.ABSENT))  # type: ignore[arg-type]
    monkeypatch.setattr(container, "container_shut_down", lambda _name: False)
    asked = container_node.request(place, "monitor")._replace(recurring=recurring)
    return container.monitor(asked, container_node.Host("STOPPED"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["vm", "container"])
def test_it_stays_down_with_the_reason(
    kind: str, node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(kind, node, monkeypatch) is Code.SUCCESS
    guest = read(cluster.cib).primitives["web"]
    assert (stopped_by(guest), failed_where(guest)) == ("failures", "4 times on n1, 4 times on n2")
    # The cluster has been told: whoever finds it gone now, says so.
    assert ended(kind, node, monkeypatch) is Code.NOT_RUNNING
    assert cluster.writes == ["patch"]


@pytest.mark.parametrize("kind", ["vm", "container"])
@pytest.mark.parametrize("counts", [(0, 0), (2, 4), (3, 3)])
def test_before_that_it_starts_again(
    kind: str, counts: tuple[int, int], node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.cib = counted(*counts)
    assert ended(kind, node, monkeypatch) is Code.NOT_RUNNING
    assert cluster.writes == []


def test_a_probe_counts_nothing(node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended("vm", node, monkeypatch, recurring=False) is Code.NOT_RUNNING
    assert cluster.runs == []


def test_a_guest_of_a_drover_without_limits_starts_again(
    node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.cib = cluster.cib.replace('name="drover-max-relocate"', 'name="unknown"')
    assert ended("vm", node, monkeypatch) is Code.NOT_RUNNING
    assert cluster.writes == []


def test_a_cluster_that_does_not_answer_starts_it_again(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_argv: object, **_how: object) -> None:
        raise CommandError("no answer")

    tools = pacemaker.Pacemaker
    monkeypatch.setattr(pacemaker, "Pacemaker", lambda: tools(silent))  # type: ignore[arg-type]
    assert ended("vm", node, monkeypatch) is Code.NOT_RUNNING
