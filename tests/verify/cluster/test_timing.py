# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The profile of the cluster's timing: changed while it runs, and refused where it does not hold together."""

from __future__ import annotations

import pytest

from ..lab import Lab
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")


def runtime(lab: Lab) -> list[tuple[str, ...]]:
    """What each node's running corosync goes by, and since when it runs."""
    keys = [
        "totem.token",
        "totem.consensus",
        "totem.interface.0.knet_ping_interval",
        "totem.interface.0.knet_ping_timeout",
    ]
    found = []
    for node in lab.nodes:
        there = lab.ssh(node)
        read = [there(["corosync-cmapctl", "-g", f"runtime.config.{key}"]).stdout.split()[-1] for key in keys]
        since = there(["systemctl", "show", "-P", "ActiveEnterTimestampMonotonic", "corosync"]).stdout.strip()
        found.append((*read, since))
    return found


@pytest.mark.whole
def test_another_profile_reaches_running_nodes(lab: Lab) -> None:
    before = runtime(lab)
    assert {node[:4] for node in before} == {("1125", "1350", "281", "562")}
    succeed("site", cluster_timing="fast")
    fast = runtime(lab)
    assert {node[:4] for node in fast} == {("625", "750", "200", "400")}
    assert [node[4] for node in fast] == [node[4] for node in before], "corosync was restarted"
    assert succeed("site", "--check", cluster_timing="fast").changed == set()
    succeed("site")
    assert runtime(lab) == before


def test_values_that_do_not_go_together_are_refused_before_anything(lab: Lab) -> None:
    refused = play("site", cluster_token=3000, cluster_consensus=3000)
    assert refused.rc != 0
    assert "consensus >= 1.2 * token does not hold (3000 < 3750 at a token of 3125)" in str(refused.failures)
    assert not [task for _host, task in refused.results if not task.startswith("Validating arguments")]
