# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a node that goes down shuts its guests down."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents.leaving import stops_guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker


class Cluster:
    def __init__(self, answer: bool | Exception) -> None:
        self._answer = answer

    def goes_down(self, _node: str) -> bool:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("policy", "going_down", "expected"),
    [
        ("stop\n", True, True),
        ("stop\n", False, False),
        ("migrate\n", True, False),
        ("wait\n", True, False),
        # A node that was set up before there was a choice; a cluster that does not answer.
        (None, True, False),
        ("stop\n", ClusterError("not connected"), False),
    ],
)
def test_only_where_that_is_the_rule_and_the_node_goes_down(
    tmp_path: Path, policy: str | None, going_down: bool | Exception, expected: bool
) -> None:
    file = tmp_path / "policy"
    if policy is not None:
        file.write_text(policy)
    assert stops_guests("n1", file, cast(Pacemaker, Cluster(going_down))) is expected
