# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The alert by which Pacemaker tells Ceph's side of fencing, beside Drover's own."""

from __future__ import annotations

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.fencing import ALERT
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.modules import ceph_alert
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB, FakeCluster

WRITTEN = (
    '<alert id="drover-ceph-alert" path="/usr/lib/drover/current/bin/ceph-alert">'
    "<select><select_fencing /><select_nodes /></select></alert>"
)


def test_it_is_declared_once_and_others_are_left_alone(call: Call, on: Any) -> None:
    cluster = on(ceph_alert, FakeCluster(cib=reconcile(CIB, Wanted(alerts=(ALERT,))).xml))
    assert call(ceph_alert, check=True)["changed"]
    assert cluster.writes == []
    assert call(ceph_alert)["changed"]
    assert WRITTEN in cluster.cib and f'id="{ALERT.id}"' in cluster.cib
    assert not call(ceph_alert)["changed"]
    assert cluster.writes == ["patch"]
