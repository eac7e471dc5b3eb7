# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest that begins in the console: proposed, judged by what the nodes were told, committed, made by the play."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import yaml

from ..lab import Lab, address, wait_until_answering
from ..plays import succeed
from .reaching import ask, console_address

pytestmark = pytest.mark.stage("console")

NAME = "clicked"


def proposed(declaration: dict[str, Any]) -> tuple[int, Any]:
    wish = {"name": NAME, "declaration": declaration}
    return ask(console_address(), "/guests", "POST", wish, **{"Idempotency-Key": uuid.uuid4().hex})


def test_what_is_proposed_is_what_the_play_makes(lab: Lab, declared: dict[str, dict[str, Any]]) -> None:
    taken = address(declared["game"])
    network = taken.rpartition(".")[0]
    wish: dict[str, Any] = {
        "kind": "vm",
        "image": "tiny",
        "memory": "192MiB",
        "disks": [{"size": "64MiB"}],
        "nics": [{"bridge": "br0", "address": f"{taken}/24"}],
    }
    status, refused = proposed({**wish, "image": "tinny"})
    assert status == 422
    assert {fault["path"]: fault["message"] for fault in refused["faults"]} == {
        f"guests.{NAME}.image": "'tinny' is not an image for a vm (did you mean tiny?)",
        f"guests.{NAME}.nics[0].address": f"{taken} is also the address of guests.game.nics[0]",
    }

    wish["nics"][0]["address"] = f"{network}.156/24"
    status, answer = proposed(wish)
    assert status == 200, answer
    assert {room["node"] for room in answer["plan"]["rooms"] if room["ok"]} == set(lab.nodes)
    guest = yaml.safe_load(answer["yaml"])["guests"][NAME]
    # Nothing has happened yet.
    assert NAME not in lab.configuration().guests()
    assert lab.instances(NAME) == {NAME: 0}

    succeed("guests", guests={**declared, NAME: guest})
    wait_until_answering(guest, timeout=60)
    succeed("guests", guests={**declared, NAME: {"state": "absent", "remove_disks": True}})
