# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sample of `make drills`: of what nodes may suffer nothing acknowledged is lost, and nothing runs twice."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.tests.drills.guests import LEDGERS, drill_guests
from ansible_collections.cspp.drover.tests.faults.guests import trial_guests

from ..lab import Lab, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("faults")

#: Drill and variant, each with the guest it is about.
SAMPLE = [
    ("power", "power", "game"),
    ("kernel-freeze", "freeze", "web"),
    ("partition", "minority", "game"),
    ("guest-crash", "killed", "web"),
    ("libvirt", "killed", "game"),
]


@pytest.fixture(scope="module", autouse=True)
def guests(declared: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The guests of drills alone, for those of faults would take part."""
    guests = drill_guests(declared)
    others = {
        name: {**guest, "state": "absent", "remove_disks": True}
        for name, guest in trial_guests(declared).items()
        if name not in guests
    }
    succeed("guests", guests={**others, **guests}, guests_allow_restart="all")
    for guest in guests.values():
        wait_until_answering(guest, timeout=60)
    return guests


@pytest.mark.parametrize(("drill", "variant", "guest"), SAMPLE, ids=[drill for drill, _variant, _guest in SAMPLE])
def test_drill(lab: Lab, drill: str, variant: str, guest: str) -> None:
    about: dict[str, Any] = {"guest": guest} if drill == "guest-crash" else {"node": lab.where(guest)}
    done = play("drill", drill=drill, variant=variant, **about, ledgers=LEDGERS)
    assert done.rc == 0, done.output
    outcome = done.result("Drill")["outcome"]
    for seen in outcome["guests"]:
        assert seen["twice"] == []
        assert seen["acknowledged"] > 0
        assert seen["lost"] == 0
    if drill != "libvirt":
        assert next(seen for seen in outcome["guests"] if seen["name"] == guest)["answered"] is not None


def test_a_drill_that_cannot_be_done_says_why() -> None:
    done = play("drill", drill="link")
    assert done.rc != 0
    assert "2 links" in done.failures[0]


def test_a_drill_that_nobody_knows_names_those_there_are() -> None:
    done = play("drill", drill="flood")
    assert done.rc != 0
    assert "kernel-freeze" in done.failures[0]
