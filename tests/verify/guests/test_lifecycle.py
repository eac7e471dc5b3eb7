# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests change with their YAML: predicted by the dry run, done by the real one, nothing left for a third.

The tests are one story, in this order; the last one undoes all.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from ..lab import Lab, address, boot, init_of, wait_until_answering
from ..plays import Outcome, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
DECLARE = "Declare the guests to the cluster"


@pytest.fixture(scope="module")
def guests(declared: Declared) -> Iterator[Declared]:
    """The declaration, changed from test to test."""
    yield copy.deepcopy(declared)


def change(lab: Lab, guests: Declared, **more: Any) -> dict[str, Any]:
    """Bring the cluster to a declaration: a dry run, the real one, and once more. Returns what the cluster did."""
    before = lab.version()
    predicted = succeed("guests", "--check", "--diff", guests=guests, **more)
    assert lab.version() == before, "the dry run changed the configuration"
    done = succeed("guests", "--diff", guests=guests, **more)
    assert done.changed == predicted.changed
    assert facts(done) == facts(predicted)
    assert succeed("guests", guests=guests, **more).changed == set()
    return done.result(DECLARE)


def facts(outcome: Outcome) -> dict[str, Any]:
    """What a dry run has to tell in advance."""
    result = outcome.result(DECLARE)
    return {key: result[key] for key in ("objects", "actions", "plan", "diff")} | {
        name: guest["pending_restart"] for name, guest in result["guests"].items()
    }


def test_wishes_were_granted_as_nothing_spoke_against_them(lab: Lab, declared: Declared) -> None:
    wishes = {name: guest.get("placement", {}).get("prefer", []) for name, guest in declared.items()}
    assert any(wishes.values())
    assert {name: lab.where(name) for name in wishes if wishes[name]} == {n: w[0] for n, w in wishes.items() if w}


def test_the_declaration_at_hand_asks_for_nothing(lab: Lab, guests: Declared) -> None:
    before = lab.version()
    outcome = succeed("guests", "--check", "--diff")
    assert outcome.changed == set()
    assert (outcome.result(DECLARE)["objects"], lab.version()) == ([], before)


def test_a_guest_is_added_and_another_changes_while_it_runs(lab: Lab, guests: Declared) -> None:
    init, first = init_of(lab, "web"), boot(guests["game"])
    network, _, _last = address(guests["game"]).rpartition(".")
    guests["extra"] = {
        "kind": "vm",
        "image": "tiny",
        "memory": "192MiB",
        "nics": [{"bridge": "br0", "address": f"{network}.152/24"}],
        "ha": False,
        "placement": {"prefer": ["node3"]},
    }
    guests["web"]["memory"] = "320MiB"
    change(lab, guests)
    wait_until_answering(guests["extra"], timeout=60)
    assert lab.where("extra") == "node3"
    assert lab.instances(*guests) == dict.fromkeys(guests, 1)
    assert lab.configuration().guests()["web"].utilization["memory"] == "320"
    assert (init_of(lab, "web"), boot(guests["game"])) == (init, first)


def test_what_needs_a_restart_waits_for_permission(lab: Lab, guests: Declared) -> None:
    first = boot(guests["game"])
    guests["game"]["memory"] = "224MiB"
    result = change(lab, guests)
    assert result["guests"]["game"]["pending_restart"]
    assert boot(guests["game"]) == first

    result = change(lab, guests, guests_allow_restart="game")
    assert not result["guests"]["game"]["pending_restart"]
    assert boot(guests["game"]) != first
    assert lab.instances("game") == {"game": 1}


def test_everything_is_undone(lab: Lab, declared: Declared) -> None:
    gone = {"extra": {"state": "absent", "remove_disks": True}}
    change(lab, {**declared, **gone}, guests_allow_restart="all")
    assert lab.instances("extra") == {"extra": 0}
    assert "extra" not in lab.configuration().guests()
    assert not (lab.folder / "shared" / "vms" / "extra").exists()
    assert lab.instances(*declared) == dict.fromkeys(declared, 1)
    for guest in declared.values():
        wait_until_answering(guest, timeout=60)
