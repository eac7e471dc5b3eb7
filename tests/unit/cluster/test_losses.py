# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Members that are lost while a node is at work, as a real CIB has them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.losses import Losses
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker

N1 = '<node_state id="11" uname="n1" in_ccm="0" crmd="0" join="down" expected="member"><lrm id="11"/></node_state>'
N2 = N1.replace("11", "12").replace("n1", "n2")
BOTH = f"<xpath-query>{N1}{N2}</xpath-query>"


class Cluster:
    """Answers one look after the other."""

    def __init__(self, *looks: str | Exception, coordinator: str = "13") -> None:
        self.looks, self._coordinator, self.now = list(looks), coordinator, 0.0

    def extract(self, xpath: str) -> str:
        assert "node_state" in xpath
        found = self.looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def coordinator(self) -> str:
        return self._coordinator

    def seen(self) -> list[str]:
        """What is said, once a second."""
        losses = Losses(cast(Pacemaker, self), lambda: self.now)
        said = []
        while self.looks:
            said.append(losses.look())
            self.now += 1
        return said


@pytest.mark.parametrize(
    ("looks", "more", "said"),
    [
        pytest.param(["", "", ""], {}, ["", "", ""], id="nobody"),
        pytest.param(["", N1, N1], {}, ["", "n1", "n1"], id="one"),
        pytest.param(["", N1, ""], {}, ["", "n1", ""], id="one that is fenced"),
        pytest.param([N1, N1, BOTH], {}, ["", "", "n2"], id="one that was lost before, and another"),
        pytest.param(["", N1], {"coordinator": "11"}, ["", ""], id="the one that decided"),
        pytest.param([ClusterError("no answer"), "", N1], {}, ["", "", "n1"], id="no answer at first"),
        pytest.param(["", ClusterError("no answer"), N1], {}, ["", "", "n1"], id="no answer for a while"),
    ],
)
def test_who_is_lost(looks: list[Any], more: dict[str, str], said: list[str]) -> None:
    assert Cluster(*looks, **more).seen() == said


def test_nobody_is_asked_between_two_looks() -> None:
    cluster = Cluster("", N1)
    losses = Losses(cast(Pacemaker, cluster), lambda: cluster.now)
    said = []
    for _tick in range(6):
        said.append(losses.look())
        cluster.now += 0.25
    assert len(cluster.looks) == 0 and said == [""] * 4 + ["n1", ""]
