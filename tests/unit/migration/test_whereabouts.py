# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who does not answer whether a guest runs there has not said no."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus, NodeStatus
from ansible_collections.cspp.drover.plugins.module_utils.migration import whereabouts
from ansible_collections.cspp.drover.plugins.module_utils.migration.whereabouts import Unheard, elsewhere, members
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError, Refusal
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime

SILENT = PeerError("timed out")
#: One that answers that it cannot tell: its libvirt is away.
UNSURE = Refusal("libvirt does not tell")
UNKNOWN = ClusterError("crm_mon does not answer")


class Nodes:
    """Members that say one thing after the other, the last of it for ever; and a cluster that counts them likewise."""

    def __init__(self, said: dict[str, list[bool | Exception]], counted: list[list[str] | Exception]) -> None:
        self.said, self.counted, self.asked = said, counted, list[str]()

    def ask(self, node: str, request: dict[str, Any], _patience: float) -> dict[str, Any]:
        assert request == {"do": "vm runs", "guest": "web"}
        self.asked.append(node)
        answer = _next(self.said[node])
        if isinstance(answer, Exception):
            raise answer
        return {"runs": answer}

    def look(self) -> list[str]:
        found: list[str] | Exception = _next(self.counted)
        if isinstance(found, Exception):
            raise found
        return found


def _next(told: list[Any]) -> Any:
    return told.pop(0) if len(told) > 1 else told[0]


@pytest.mark.parametrize(
    ("said", "counted", "outcome"),
    [
        pytest.param({"n2": [False], "n3": [False]}, [["n2", "n3"]], None, id="all say no"),
        pytest.param({"n2": [False], "n3": [True]}, [["n2", "n3"]], "n3", id="one has it"),
        pytest.param({"n2": [SILENT], "n3": [True]}, [["n2", "n3"]], "n3", id="one has it, whoever is silent"),
        pytest.param({"n2": [SILENT, False], "n3": [False]}, [["n2", "n3"]], None, id="one answers the second time"),
        pytest.param({"n2": [SILENT, SILENT, True]}, [["n2"]], "n2", id="and has it"),
        pytest.param({"n2": [SILENT]}, [["n2"], ["n2"], []], None, id="one is counted as offline meanwhile"),
        pytest.param({"n2": [SILENT], "n3": [False]}, [["n2", "n3"]], "n2 does not tell: timed out", id="silent"),
        pytest.param({"n2": [UNSURE]}, [["n2"]], "n2 does not tell: libvirt does not tell", id="unsure"),
        pytest.param({"n2": [False]}, [UNKNOWN, ["n2"]], None, id="the cluster answers the second time"),
        pytest.param({}, [UNKNOWN], "the cluster does not tell: crm_mon does not answer", id="no cluster"),
        pytest.param({}, [[]], None, id="alone"),
    ],
)
def test_who_has_the_guest(
    said: dict[str, list[bool | Exception]], counted: list[list[str] | Exception], outcome: str | None
) -> None:
    nodes, time = Nodes(said, counted), FakeTime()
    how: Any = {"ask_node": nodes.ask, "look": nodes.look, "clock": time, "sleep": time.sleep}
    if outcome is None or outcome in said:
        assert elsewhere("web", 30, **how) == outcome
        return
    with pytest.raises(Unheard, match=outcome):
        elsewhere("web", 30, **how)
    assert nodes.asked.count("n3") <= 1, "one that has said no is not asked again"


def test_only_those_that_come_into_question_are_asked() -> None:
    nodes = Nodes({"n2": [False]}, [["n2", "n3"]])
    assert elsewhere("web", 0, among=["n2", "n4"], ask_node=nodes.ask, look=nodes.look) is None
    assert nodes.asked == ["n2"]


def test_a_node_whose_power_has_yet_to_be_cut_may_run_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    def node(name: str, *, online: bool, unclean: bool = False) -> NodeStatus:
        return NodeStatus(name, online, False, False, False, unclean, False)

    nodes = (
        node("n1", online=True),
        node("n2", online=True),
        node("n3", online=False),
        node("n4", online=False, unclean=True),
    )

    class Cluster:
        def status(self) -> ClusterStatus:
            return ClusterStatus("n1", True, True, False, nodes)

    monkeypatch.setattr(whereabouts, "Pacemaker", Cluster)
    monkeypatch.setattr(whereabouts, "node_name", lambda: "n1")
    assert members() == ["n2", "n4"]
