# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest that is killed again and again: started on the spot, then elsewhere, then left down with the reason."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import stopped_by
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab, wait_until_answering
from ..plays import succeed

pytestmark = pytest.mark.stage("broken")

Declared = dict[str, dict[str, Any]]
#: Seconds until a guest that was killed runs again: a monitor's interval and a start.
AGAIN = 40.0


@pytest.fixture(scope="module")
def limited(lab: Lab, declared: Declared) -> Iterator[Declared]:
    guests = copy.deepcopy(declared)
    guests["game"]["ha"] = {"priority": 100, "max_restart": 1, "max_relocate": 1}
    succeed("guests", guests=guests)
    yield guests
    succeed("guests", guests=declared)
    lab.ask(lambda cluster: cluster.retry("game"))


def kill(lab: Lab) -> None:
    """Kill the VM's process, and wait for its end."""
    there = lab.ssh(lab.where("game"))
    there(["sh", "-c", "kill -KILL $(cat /run/libvirt/qemu/game.pid)"])
    wait_for(lambda: lab.instances("game")["game"], lambda count: count == 0, what="its end", timeout=10, interval=0.05)


def test_it_comes_to_an_end(lab: Lab, limited: Declared) -> None:
    places = [lab.where("game")]
    for _attempt in range(3):
        kill(lab)
        wait_for(lambda: lab.instances("game")["game"], lambda n: n == 1, what="its next start", timeout=AGAIN)
        places.append(lab.where_it_runs("game"))
    first, second, third, fourth = places
    assert first == second != third == fourth, places
    assert f"guest game has failed 2 times on {first} of late" in succeed("status").told
    kill(lab)
    wait_for(
        lambda: stopped_by(lab.configuration().guests()["game"]),
        lambda why: why == "failures",
        what="an end",
        timeout=AGAIN,
    )
    wait_for(
        lambda: lab.status().resource("game"),
        lambda seen: seen is not None and not seen.active,
        what="its being down",
        timeout=15,
    )
    said = succeed("status").told
    assert (
        "failed too often, and stays down (" in said and f"2 times on {first}" in said and f"2 times on {third}" in said
    )
    assert lab.instances("game") == {"game": 0}


def test_a_run_leaves_it_down(lab: Lab, limited: Declared) -> None:
    assert succeed("guests", guests=limited).changed == set()
    assert lab.instances("game") == {"game": 0}


def test_somebody_starts_it_and_it_counts_anew(lab: Lab, limited: Declared) -> None:
    succeed("start", guest="game")
    wait_until_answering(limited["game"], timeout=60)
    assert lab.configuration().failures.get("game", {}) == {}
