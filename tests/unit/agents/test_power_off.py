# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest that was shut down from inside: the cluster is told once to leave it down, or starts it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container, vm
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Code
from ansible_collections.cspp.drover.plugins.module_utils.cluster import pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import STOPPED_BY
from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import stopped_by
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import State
from ansible_collections.cspp.drover.tests.unit.agents import container_node, vm_node
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeCluster


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """The cluster that agents tell, in which ``web`` is a guest."""
    fake = FakeCluster()
    tools = pacemaker.Pacemaker
    monkeypatch.setattr(pacemaker, "Pacemaker", lambda: tools(fake))
    return fake


def ended(kind: str, place: Path, monkeypatch: pytest.MonkeyPatch, *, shut_down: bool = True, **how: Any) -> Code:
    """What the agent answers for a guest that is not there any more."""
    recurring, wish = how.pop("recurring", True), how.pop("on_poweroff", "stop")
    if kind == "vm":
        monkeypatch.setattr(vm, "vm_shut_down", lambda _name: shut_down)
        call = vm_node.request(place, "monitor", on_poweroff=wish)._replace(recurring=recurring)
        return vm.monitor(call, vm_node.Host(State.ABSENT))  # type: ignore[arg-type]
    monkeypatch.setattr(container, "container_shut_down", lambda _name: shut_down)
    asked = container_node.request(place, "monitor", on_poweroff=wish)._replace(recurring=recurring)
    return container.monitor(asked, container_node.Host("STOPPED"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["vm", "container"])
def test_it_stays_down_if_told_so(kind: str, node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(kind, node, monkeypatch) is Code.SUCCESS
    guest = read(cluster.cib).primitives["web"]
    assert (stopped_by(guest), guest.meta["target-role"]) == ("itself", "Stopped")
    # The cluster has been told: whoever finds it gone now, says so.
    assert ended(kind, node, monkeypatch) is Code.NOT_RUNNING
    assert cluster.writes == ["patch"]


@pytest.mark.parametrize("kind", ["vm", "container"])
@pytest.mark.parametrize("how", [{"on_poweroff": "restart"}, {"shut_down": False}, {"recurring": False}])
def test_it_starts_again_otherwise(
    kind: str, how: dict[str, Any], node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(kind, node, monkeypatch, **how) is Code.NOT_RUNNING
    assert cluster.writes == []


def test_what_somebody_has_stopped_by_hand_stays_his(
    node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.cib = cluster.cib.replace(
        '<meta_attributes id="web-meta_attributes">',
        '<meta_attributes id="web-meta_attributes"><nvpair id="x" name="target-role" value="Stopped"/>',
    )
    assert stopped_by(read(cluster.cib).primitives["web"]) == "hand"
    assert ended("vm", node, monkeypatch) is Code.NOT_RUNNING
    assert STOPPED_BY not in read(cluster.cib).primitives["web"].meta


def test_a_cluster_that_cannot_be_told_starts_it_again(
    node: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_arguments: Any, **_options: Any) -> Any:
        raise CommandError("no quorum")

    monkeypatch.setattr(FakeCluster, "__call__", silent)
    assert ended("vm", node, monkeypatch) is Code.NOT_RUNNING
