# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Declarations of guests that are wrong are refused as a whole, and a refusal touches nothing."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ..lab import Lab
from ..plays import play

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]


def test_bad_guests_are_refused_in_one_message_that_names_every_place(lab: Lab, declared: Declared) -> None:
    before = lab.version()
    guests = copy.deepcopy(declared)
    guests["game"]["memroy"] = "1GiB"
    guests["web"]["nics"][0]["address"] = guests["game"]["nics"][0]["address"]
    guests["big"] = {"kind": "vm", "image": "tiny", "memory": "900GiB", "vcpus": 1}
    guests["Bad_Name"] = {"kind": "vm", "image": "no-such-image", "memory": "much"}
    outcome = play("guests", guests=guests)
    assert outcome.rc != 0
    [message] = outcome.failures
    assert "No guest was touched" in message
    for place in (
        "guests.game.memroy",
        "guests.web.nics[0].address",
        "guests.big.memory",
        "guests.Bad_Name",
        "guests.Bad_Name.image",
        "guests.Bad_Name.memory",
    ):
        assert place in message
    assert outcome.changed == set()
    assert lab.version() == before
    assert not (lab.folder / "shared" / "vms" / "big").exists()
