# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ceph's daemons come to a new node and leave an old one, and then the new node leaves, while a guest writes.

The tests are one story, in this order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.health import judge
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab
from ..ledger import Ledger
from ..plays import play, succeed
from .asking import ceph, grown

pytestmark = [pytest.mark.stage("ceph"), pytest.mark.whole]

NEW, OLD = "node4", "node3"
LEDGER = Ledger()


@pytest.fixture(scope="module", autouse=True)
def _four(lab: Lab) -> Iterator[None]:
    """One bare node more than there are."""
    succeed("lab", lab_nodes=4)
    yield
    succeed("lab", lab_nodes=3)


@pytest.fixture(scope="module")
def instead(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The option by which the new node does what the old one did."""
    names = dict.fromkeys(("node1", "node2", NEW))
    groups: dict[str, Any] = {group: {"hosts": names} for group in ("ceph_mons", "ceph_osds")}
    file: Path = tmp_path_factory.mktemp("groups") / "groups.yml"
    file.write_text(json.dumps(groups))
    return f"--inventory={file}"


@pytest.fixture(autouse=True)
def _undisturbed() -> Iterator[None]:
    """The guest on Ceph runs on and writes."""
    with LEDGER.undisturbed(grown()["game"]):
        yield


def monitors(lab: Lab) -> set[str]:
    """The nodes whose monitors agree."""
    return set(ceph(lab, "quorum_status")["quorum_names"])


def stores(lab: Lab) -> set[str]:
    """The nodes with OSDs."""
    tree = ceph(lab, "osd", "tree")["nodes"]
    return {node["name"] for node in tree if node["type"] == "host" and node["children"]}


def whole(lab: Lab, osds: int, count: int = 3) -> None:
    wait_for(
        lambda: judge(ceph(lab, "status"), osds=osds, monitors=count, cephfs=["roots"]).troubles,
        lambda seen: not seen,
        what="a whole Ceph",
        timeout=300,
        interval=2,
    )


def site(*options: str) -> None:
    succeed("site", *options, guests=grown())


def test_a_new_node_gets_a_store(lab: Lab) -> None:
    site()
    whole(lab, 4)
    assert stores(lab) == {"node1", "node2", OLD, NEW}
    assert play("site", "--check", guests=grown()).changed == set()


def test_a_monitor_comes_and_another_goes(lab: Lab, instead: str) -> None:
    refused = play("ceph_remove", instead, node=OLD, daemons=["mon"])
    assert refused.rc != 0 and "CEPH_MON_LEFT" in " ".join(refused.failures)
    site(instead)
    assert monitors(lab) == {"node1", "node2", OLD, NEW}
    succeed("ceph_remove", instead, node=OLD, daemons=["mon"])
    assert monitors(lab) == {"node1", "node2", NEW}


def test_a_store_goes_once_its_data_are_elsewhere(lab: Lab, instead: str) -> None:
    foretold = succeed("ceph_remove", "--check", instead, node=OLD, daemons=["osd"])
    assert stores(lab) == {"node1", "node2", OLD, NEW}, foretold.told
    succeed("ceph_remove", instead, node=OLD, daemons=["osd"])
    whole(lab, 3)
    assert stores(lab) == {"node1", "node2", NEW}
    site(instead)
    assert stores(lab) == {"node1", "node2", NEW}


def test_a_node_goes_with_all_that_it_did_for_ceph(lab: Lab) -> None:
    site()
    whole(lab, 4, 4)
    succeed("node_remove", node=NEW)
    whole(lab, 3)
    assert (monitors(lab), stores(lab)) == ({"node1", "node2", OLD}, {"node1", "node2", OLD})
