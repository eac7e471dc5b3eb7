# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest changed without its YAML at hand."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import guest_of, guest_primitive
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB
from ansible_collections.cspp.drover.plugins.module_utils.verbs.edit import declaration_of, edit, release
from ansible_collections.cspp.drover.tests.unit.declaration.changes import BASE
from ansible_collections.cspp.drover.tests.unit.declaration.test_changes import World
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB, FakeCluster, FakeTime

WEB = {**BASE["vm"], "disks": [{"size": "8GiB", "image": "debian-13"}], "max_memory": "2GiB"}


def known(**more: Any) -> dict[str, Any]:
    """The definition of the VM ``web`` of the fake cluster, whole."""
    definition = World(WEB).definition
    disks = [{**disk, "source": {**disk["source"], "path": disk["source"]["path"].replace("/it/", "/web/")}}
             for disk in definition["disks"]]  # fmt: skip
    return {**definition, "name": "web", "disks": disks, **more}


def cluster(**more: Any) -> tuple[FakeCluster, Pacemaker]:
    primitive = guest_primitive(known(**more), priority=5, boot="06334fa4d383")
    fake, time = FakeCluster(cib=reconcile(CIB, Wanted((primitive,))).xml), FakeTime()
    return fake, Pacemaker(fake, clock=time, sleep=time.sleep)


def now(fake: FakeCluster) -> dict[str, Any]:
    return guest_of(read(fake.cib).primitives["web"]) or {}


def test_its_yaml_is_made_out() -> None:
    fake, _ = cluster()
    found = declaration_of(read(fake.cib), "web")
    assert found["memory"] == "512MiB"
    assert found["max_memory"] == "2GiB"
    assert found["ha"] == {"priority": 5}
    assert found["disks"] == [{"size": "8GiB", "image": "debian-13", "pool": "/pool"}]


def test_an_edit_is_one_patch_that_is_told_first() -> None:
    fake, pacemaker = cluster(declared=False)
    changes = {"memory": "1GiB", "screen": True, "ha": {"priority": 7}}
    told = edit(pacemaker, "web", changes, check=True)
    assert fake.writes == []
    assert told["differs"] == [
        "memory: 512MiB becomes 1GiB",
        "screen: what is usual becomes yes, once it is restarted",
        "ha: priority 5 becomes priority 7",
    ]
    done = edit(pacemaker, "web", changes, check=False)
    assert fake.writes == ["patch"]
    assert (done["changed"], done["diff"]) == (True, told["diff"])
    assert (now(fake)["memory"], now(fake)["screen"], now(fake)["declared"]) == (GIB, True, False)
    assert read(fake.cib).primitives["web"].meta["priority"] == "7"
    assert not edit(pacemaker, "web", changes, check=False)["changed"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"memory": "lots"}, "guests.web.memory"),
        ({"memroy": "1GiB"}, "memroy"),
        ({"kind": "container"}, "kind is not changed here"),
        ({"disks": []}, "disks is not changed here"),
        ({"privileged": True}, "not changed here"),
        ({"memory": "4GiB"}, "max_memory"),
        ({"ha": {"priority": -1}}, "priority"),
        ({"devices": ["/dev/kvm"]}, "containers"),
    ],
)
def test_what_cannot_be_is_refused_as_in_the_yaml(changes: dict[str, Any], words: str) -> None:
    fake, pacemaker = cluster(declared=False)
    with pytest.raises(DroverError, match=words):
        edit(pacemaker, "web", changes, check=False)
    assert fake.writes == []


def test_a_declared_guest_is_only_foretold_until_it_is_released() -> None:
    fake, pacemaker = cluster()
    with pytest.raises(DroverError, match="its YAML is its truth"):
        edit(pacemaker, "web", {"memory": "1GiB"}, check=True)
    foretold = edit(pacemaker, "web", {"memory": "1GiB"}, check=True, proposed=True)
    assert foretold["differs"] == ["memory: 512MiB becomes 1GiB"]
    assert fake.writes == []
    release(pacemaker, "web", check=False)
    assert now(fake) == {**known(), "declared": False}
    with pytest.raises(DroverError, match="not declared as it is"):
        release(pacemaker, "web", check=True)
    assert not release(pacemaker, "web", check=False)["changed"]
    edit(pacemaker, "web", {"memory": "1GiB"}, check=False)
    assert now(fake)["memory"] == GIB


def test_a_guest_of_whom_too_little_is_known_is_left_alone() -> None:
    fake = FakeCluster()
    time = FakeTime()
    with pytest.raises(DroverError, match="is not understood: memory"):
        edit(Pacemaker(fake, clock=time, sleep=time.sleep), "mc", {"vcpus": 2}, check=False)
    assert fake.writes == []
