# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How often a guest that fails is started again, by what Pacemaker counts."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.recovery import (
    Failures,
    Recovery,
    failures_of,
    gives_up,
)

CIB = """<cib><configuration/><status>
<node_state uname="n1"><transient_attributes id="1"><instance_attributes id="status-1">
<nvpair id="a" name="fail-count-web#monitor_10000" value="2"/>
<nvpair id="b" name="last-failure-web#monitor_10000" value="1795913249"/>
<nvpair id="c" name="fail-count-web#start_0" value="INFINITY"/>
<nvpair id="d" name="fail-count-my-db#monitor_5000" value="1"/>
</instance_attributes></transient_attributes></node_state>
<node_state uname="n2"><transient_attributes id="2"><instance_attributes id="status-2">
<nvpair id="e" name="fail-count-web#monitor_10000" value="1"/>
<nvpair id="f" name="fail-count-web#asyncmon_0" value="3"/>
</instance_attributes></transient_attributes></node_state><node_state uname="n3"/></status></cib>"""


def test_what_pacemaker_has_counted() -> None:
    assert failures_of(ET.fromstring(CIB)) == {
        "web": {"n1": Failures(2, not_started=True), "n2": Failures(4)},
        "my-db": {"n1": Failures(1)},
    }


def test_limits_are_meta_attributes_and_back() -> None:
    limits = Recovery(max_restart=2, max_relocate=0)
    assert limits.meta() == {"migration-threshold": "3", "drover-max-relocate": "0"}
    assert Recovery.of(limits.meta()) == limits
    assert Recovery.of({"priority": "10"}) is None


@pytest.mark.parametrize(
    ("limits", "counted", "ends"),
    [
        # on the spot
        (Recovery(1, 1), {}, False),
        (Recovery(0, 0), {}, True),
        (Recovery(3, 0), {"n1": 2}, False),
        (Recovery(3, 0), {"n1": 3}, True),
        # on another node
        (Recovery(1, 1), {"n1": 1}, False),
        (Recovery(1, 1), {"n1": 0, "n2": 2}, False),
        (Recovery(1, 1), {"n1": 1, "n2": 2}, True),
        (Recovery(1, 2), {"n1": 1, "n2": 2}, False),
        (Recovery(1, 2), {"n1": 1, "n2": 2, "n3": 2}, True),
        # a node that it has not been driven from is none it was relocated from
        (Recovery(1, 1), {"n1": 1, "n2": 1}, False),
    ],
)
def test_a_guest_is_given_up_after_so_many(limits: Recovery, counted: dict[str, int], ends: bool) -> None:
    assert gives_up(limits, {node: Failures(count) for node, count in counted.items()}, "n1") is ends


@pytest.mark.parametrize("limits", [Recovery(3, 1), Recovery(1, 1), Recovery(0, 2), Recovery(2, 0)])
def test_a_guest_that_cannot_live_comes_to_an_end(limits: Recovery) -> None:
    counted: dict[str, Failures] = {}
    nodes, place, starts = [f"n{number}" for number in range(1, 6)], 0, 1
    while not gives_up(limits, counted, nodes[place]):
        before = counted.get(nodes[place], Failures())
        counted[nodes[place]] = Failures(before.running + 1)
        # As Pacemaker does it: elsewhere once the threshold is reached.
        if counted[nodes[place]].running > limits.max_restart:
            place += 1
        starts += 1
    assert starts == (limits.max_restart + 1) * (limits.max_relocate + 1)
