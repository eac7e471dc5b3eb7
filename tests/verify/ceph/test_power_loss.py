# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node loses its power, with its OSD, its monitor, its metadata server and guests, while the others write."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.health import judge
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.clients import Outage, OutageProbe
from ansible_collections.cspp.drover.tests.witness import Witness

from ..lab import SERVICE, Lab, address, wait_until_answering
from ..plays import succeed
from ..stages import sample
from .asking import ceph, grown
from .writers import Writers

pytestmark = pytest.mark.stage("ceph")

Declared = dict[str, dict[str, Any]]
#: Seconds for which survivors write, from before the cut until well after.
WRITING = 75
#: Seconds that a survivor's write may take at most, on RBD and on CephFS.
STALLS = {"rbd": 6.0, "file": 12.0}


@dataclass(frozen=True)
class Cut:
    """What was seen from before the cut until all was well again."""

    node: str
    #: Whether its metadata server was at work, rather than standing by.
    served: bool
    writers: dict[str, dict[str, Any]]
    outages: dict[str, Outage]
    most: dict[str, int]
    told: str


@pytest.fixture(scope="module")
def struck() -> list[str]:
    """The nodes whose power was cut so far."""
    return []


@pytest.fixture(scope="module", params=sample(["once"], ["once", "again"]))
def cut(lab: Lab, declared: Declared, struck: list[str]) -> Iterator[Cut]:
    """Cuts the power of the node with all guests and the metadata server at work, and watches; then again."""
    [serving] = [entry["name"] for entry in ceph(lab, "status")["fsmap"]["by_rank"]]
    [active] = struck or [serving]
    struck[:] = [active]
    begun = int(time.time())
    for name in declared:
        if lab.where(name) != active:
            succeed("migrate", guest=name, to=active)
        wait_until_answering(declared[name], timeout=30)
    writers = Writers(lab, next(name for name in lab.nodes if name != active), WRITING)
    probes = {}
    for name, guest in declared.items():
        port, greeting = SERVICE[guest["kind"]]
        probes[name] = OutageProbe(address(guest), port, greeting=greeting)
    witness = Witness(list(declared), lab.folder)
    for watcher in (witness, *probes.values()):
        watcher.start()
    try:
        time.sleep(5)
        lab.power(active, "off")
        wait_for(lambda: any(p.up for p in probes.values()), lambda up: not up, what="silence", timeout=15)
        wait_for(
            lambda: all(p.up for p in probes.values()), bool, what="every guest's return", timeout=90, interval=0.1
        )
        outages = {name: probe.stop() for name, probe in probes.items()}
        said = writers.results()
        # Fencing may have switched it on again; to press the button as well does no harm.
        lab.power(active, "on")
        lab.wait_for_members(120)
    finally:
        most = witness.stop()
    nodes = [name for name in lab.nodes if name != active]
    argv = ["journalctl", "-t", "drover-ceph", f"--since=@{begun}", "--output=short-precise"]
    told = "".join(lab.ssh(name)(argv, ok=None).stdout for name in nodes)
    print(
        json.dumps(
            {"node": active, "writers": said, "outages": {n: o.length for n, o in outages.items()}, "told": told}
        )
    )
    yield Cut(active, active == serving, said, outages, most, told)


@pytest.mark.parametrize("kind", list(STALLS))
def test_survivors_write_on_soon_and_lose_nothing(cut: Cut, kind: str) -> None:
    assert cut.writers[kind]["lost"] == 0
    assert cut.writers[kind]["written"] > 100
    assert cut.writers[kind]["longest"] < STALLS[kind], (cut.writers, cut.told)


def test_guests_answer_again_and_never_ran_twice(cut: Cut, declared: Declared) -> None:
    assert all(outage.over for outage in cut.outages.values())
    assert max(outage.length for outage in cut.outages.values()) < 45, (cut.outages, cut.told)
    assert cut.most == dict.fromkeys(declared, 1)


def test_ceph_was_told_by_one_that_could_know(cut: Cut) -> None:
    assert f"has cut the power of {cut.node}" in cut.told
    assert f"told Ceph that {cut.node} is gone: osd down" in cut.told
    assert (f"told Ceph that {cut.node} is gone: mds fail" in cut.told) == cut.served
    assert f"told Ceph that {cut.node} is gone: osd blocklist" in cut.told
    assert "was not told" not in cut.told


def test_all_is_whole_again(lab: Lab, cut: Cut) -> None:
    def troubles() -> tuple[str, ...]:
        node = next(name for name in lab.nodes if name != cut.node)
        return judge(ceph(lab, "status", node=node), osds=3, monitors=3, cephfs=["roots"]).troubles

    wait_for(troubles, lambda seen: not seen, what="a whole Ceph", timeout=180, interval=2)
    assert lab.status().failures == ()
    assert succeed("site", "--check", guests=grown()).changed == set()
