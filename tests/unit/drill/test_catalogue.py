# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which drills there are, and which cannot be done where."""

from __future__ import annotations

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.drill.catalogue import DRILLS, find, impossible
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround, Servers

EVERY = [(drill.name, variant.name) for drill in DRILLS.values() for variant in drill.variants]


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_every_drill_says_what_happens_and_where(name: str, variant: str) -> None:
    drill, found = find(name, variant)
    told = found.told.format(node="node7", guest="shop")
    assert {"node": "node7", "guest": "shop", "all": "all nodes"}[drill.target] in told


def test_a_drill_without_a_variant_is_its_first() -> None:
    assert find("libvirt")[1].name == "killed"
    assert find("libvirt", "hung")[1].name == "hung"


@pytest.mark.parametrize(("name", "variant", "said"), [("flood", "", "kernel-freeze"), ("libvirt", "sad", "hung")])
def test_who_asks_for_another_is_told_those_there_are(name: str, variant: str, said: str) -> None:
    with pytest.raises(DroverError, match=said):
        find(name, variant)


@pytest.mark.parametrize(
    ("name", "means", "nodes", "links", "said"),
    [
        pytest.param("power", Servers.means, 2, 1, "", id="power on servers"),
        pytest.param("power-with-bmc", Servers.means, 3, 1, "pull the cords", id="no BMC of a server is broken"),
        pytest.param("kernel-freeze", Servers.means, 3, 1, "all processes", id="nor all its processes stopped"),
        pytest.param("all-nodes", Servers.means, 3, 1, "fuse", id="nor all power cut"),
        pytest.param("all-nodes", LabGround.means, 3, 1, "", id="but that of a lab"),
        pytest.param("clock-step", LabGround.means, 3, 1, "this machine's clock", id="a lab has one clock"),
        pytest.param("clock-step", Servers.means, 3, 1, "", id="servers have many"),
        pytest.param("link", LabGround.means, 3, 1, "2 links", id="one link"),
        pytest.param("link", LabGround.means, 3, 2, "", id="two links"),
        pytest.param("partition", LabGround.means, 2, 1, "3 nodes", id="no minority of two"),
    ],
)
def test_what_cannot_be_done_is_said(name: str, means: frozenset[str], nodes: int, links: int, said: str) -> None:
    found = "; ".join(impossible(find(name)[1], means, nodes, links))
    assert bool(found) is bool(said)
    assert said in found


@pytest.mark.parametrize("task", ["osd", "mon", "mds"])
def test_a_daemon_of_ceph_is_killed_where_there_is_ceph(task: str) -> None:
    found = find("storage", f"{task}-killed")[1]
    assert "no Ceph" in "; ".join(impossible(found, LabGround.means, 3, 1))
    assert impossible(found, LabGround.means | {"ceph"}, 3, 1) == []
