# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Edits and proposals: planned, confirmed and carried out as any other action is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.tests.unit.verbs.test_edit import cluster, now

from .conftest import House

CHANGES = {"memory": "1GiB"}
WISH = {"action": "edit", "subject": "web", "changes": CHANGES}
FILE = "guests:\n  web:  # ours\n    memory: 512MiB\n"


def told(house: House, **more: Any) -> None:
    """Have the cluster know the VM web as a whole."""
    house.cluster.cib = house.cluster.patched = cluster(**more)[0].cib


def test_an_edit_is_read_and_confirmed(house: House) -> None:
    told(house, declared=False)
    admin = house.session("admin")
    plan = house.ask("plan", admin, **WISH)["plan"]
    assert (plan["role"], plan["refused"]) == ("admin", None)
    assert plan["notes"][0] == "memory: 512MiB becomes 1GiB"
    assert plan["yaml"] == "guests:\n  web:\n    memory: 1GiB\n"
    ordered = house.ask("carry_out", admin, id=plan["id"])["operation"]
    house.work()
    assert house.ask("operation", admin, id=ordered["id"])["operation"]["state"] == "done"
    assert now(house.cluster)["memory"] == 1 << 30


def test_an_edit_is_an_admins(house: House) -> None:
    told(house, declared=False)
    plan = house.ask("plan", house.session("admin"), **WISH)["plan"]
    operator = house.session("operator")
    assert house.refusal("plan", operator, **WISH).status == 403
    assert house.refusal("carry_out", operator, id=plan["id"]).status == 403
    assert house.refusal("plan", operator, action="release", subject="web").status == 403
    assert (house.cluster.writes, house.spawned) == ([], [])


def test_a_declared_guests_edit_is_a_proposal(house: House) -> None:
    told(house)
    admin, operator = house.session("admin"), house.session("operator")
    assert "its YAML is its truth" in house.ask("plan", admin, **WISH)["plan"]["refused"]
    found = house.ask("propose", operator, guest="web", changes=CHANGES, yaml=FILE)
    assert [line for line in found["patch"].splitlines()[2:] if line[0] in "+-"] == [
        "-    memory: 512MiB",
        "+    memory: 1GiB",
    ]
    assert found["yaml"] == "guests:\n  web:\n    memory: 1GiB\n"
    assert found["plan"]["notes"][0] == "memory: 512MiB becomes 1GiB"
    assert "id" not in found["plan"]
    assert house.ask("guest", operator, name="web")["guest"]["declaration"]["memory"] == "512MiB"
    assert (house.cluster.writes, house.spawned) == ([], [])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"changes": {}}, "one key and more"),
        ({"changes": {"description": "x" * 3000}}, "one key and more"),
        ({"changes": {"description": [[]] * 100}}, "one key and more"),
        ({"changes": "memory"}, "an object"),
        ({"changes": {"memory": "lots"}}, "guests.web.memory"),
        ({"changes": CHANGES, "yaml": "guests: ["}, "no YAML"),
    ],
)
def test_what_cannot_be_proposed_is_told(house: House, said: dict[str, Any], words: str) -> None:
    told(house)
    trouble = house.refusal("propose", house.session("operator"), guest="web", **said)
    assert trouble.status == 422
    assert words in trouble.cause


def test_what_is_wrong_has_its_place(house: House) -> None:
    told(house)
    trouble = house.refusal("propose", house.session("operator"), guest="web", changes={"memory": "lots", "vcpus": 0})
    assert [fault["path"] for fault in trouble.beside["faults"]] == ["guests.web.vcpus", "guests.web.memory"]


def test_a_plan_says_what_is_changed_and_nothing_else(house: House) -> None:
    told(house, declared=False)
    admin = house.session("admin")
    first, other = (house.ask("plan", admin, **{**WISH, "changes": its})["plan"] for its in (CHANGES, {"vcpus": 2}))
    assert first["id"] != other["id"]
    # What stands in the one's place was not signed.
    parts, mine = first["id"].split(":"), other["id"].split(":")
    forged = ":".join([*parts[:4], mine[4], *parts[5:]])
    assert house.refusal("carry_out", admin, id=forged).status == 404
    assert house.refusal("plan", admin, action="start", subject="web", changes=CHANGES).status == 422
    assert house.refusal("plan", admin, action="edit", subject="web").status == 422
