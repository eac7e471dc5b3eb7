# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The story of a lost node, with the moments of it."""

from __future__ import annotations

from ansible_collections.cspp.drover.plugins.module_utils.journal.book import stamp
from ansible_collections.cspp.drover.plugins.module_utils.notify.stories import Loss, Sight, lost
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, node, status
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB
from ansible_collections.cspp.drover.tests.unit.notify.town import NOW, cut


def test_a_guest_starts_after_its_node_was_cut_off_though_pacemaker_tells_whole_seconds() -> None:
    start = (
        f'<lrm_rsc_op id="mc_last_0" operation="start" rc-code="0" last-rc-change="{int(NOW) + 2}" exec-time="300"/>'
    )
    lrm = f'<lrm><lrm_resources><lrm_resource id="mc">{start}</lrm_resource></lrm_resources></lrm>'
    cib = CIB.replace("<status>", f'<status><node_state uname="n3">{lrm}</node_state>')
    seen = status(
        guest("mc", "n3"),
        nodes=(node("n1", online=False), node("n2"), node("n3")),
        fencing=True,
        fence_events=(cut("n1", NOW + 2.8),),
    )
    story = lost(Loss("n1", NOW, frozenset({"mc"})), Sight(cib, seen, NOW + 20))
    assert story is not None
    assert story.steps == {"noticed": stamp(NOW), "fenced": stamp(NOW + 2.8), "started": {"mc": stamp(NOW + 2.8)}}
