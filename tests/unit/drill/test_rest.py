# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wait for a cluster's rest: what it says of one that finds none."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout
from ansible_collections.cspp.drover.plugins.module_utils.drill import rest
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import Ground
from ansible_collections.cspp.drover.tests.unit.cluster_samples import NODES, guest, node, status


class Seen:
    """A cluster that is seen like this; a ground whose nodes all have power."""

    def __init__(self, *nodes: Any) -> None:
        self.snapshot = Snapshot("<cib/>", status(guest("mc", "n1"), nodes=nodes), Prediction())
        self.nodes = dict.fromkeys(NODES, "")

    def look(self) -> Snapshot:
        return self.snapshot

    def has_power(self, _node: str) -> bool:
        return True


def test_a_node_that_does_not_come_back_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(*(node(name, online=name != "n2") for name in NODES))
    monkeypatch.setattr(rest, "cluster", lambda _ground: seen)
    with pytest.raises(WaitTimeout, match="last seen: n2 is offline, nothing under way"):
        rest.settle(cast(Ground, seen), ["mc"], timeout=0)


def test_a_cluster_at_rest_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(*map(node, NODES))
    monkeypatch.setattr(rest, "cluster", lambda _ground: seen)
    rest.settle(cast(Ground, seen), ["mc"], timeout=0)
