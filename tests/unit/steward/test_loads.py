# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loads and hardware as the steward tells them: of this node, of others, of those that are away, and of guests that
moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.journal.book import stamp
from ansible_collections.cspp.drover.plugins.module_utils.measure import load
from ansible_collections.cspp.drover.plugins.module_utils.measure.load import Keeper, Series
from ansible_collections.cspp.drover.plugins.module_utils.peer import hardware
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError
from ansible_collections.cspp.drover.plugins.module_utils.steward import loads
from ansible_collections.cspp.drover.plugins.module_utils.steward.loads import Loads, everywhere
from ansible_collections.cspp.drover.plugins.module_utils.steward.sampler import Sampler

from .conftest import House

Asked = list[tuple[str, str]]


def record(**guests: float) -> None:
    """Put on record that this node is half busy, and so are guests, the last of it now."""
    keeper = Keeper(clock=iter((0.0, 0.0, 10.0, 10.0)).__next__)
    for used in (0.0, 1.0):
        keeper.note("nodes", {"n1": {"cpu_seconds": 5.0 * used, "memory": 1 << 20}})
        keeper.note("guests", {name: {"cpu_seconds": 10.0 * cpu * used} for name, cpu in guests.items()})


@pytest.fixture
def asked(house: House, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What other nodes are asked, of which n3 does not answer. mc was on n2 until two minutes ago."""
    said: Asked = []

    def ask(node: str, request: Mapping[str, Any], _timeout: float) -> dict[str, Any]:
        said.append((node, str(request["do"])))
        if node == "n3":
            raise PeerError("n3 cannot be asked (port 16515): timed out")
        at = [stamp(time.time() - ago) for ago in (135.0, 120.0)]
        past = {"at": at, "cpu": [0.75, 0.5], "memory": [None, 4096]}
        now = {"nodes": {"n2": {"cpu": 3.0}}, "guests": {"mc": {"cpu": 0.125}}}
        return {"load": now, "series": past, "hardware": {"memory": 1 << 34, "system": {"model": "Box"}}}

    monkeypatch.setattr(loads, "ask", ask)
    return said


@pytest.mark.usefixtures("asked")
def test_a_look_has_the_load_of_what_is_told(house: House) -> None:
    record(mc=0.25)
    viewer, until = house.session("viewer"), time.monotonic() + 10
    # The first look waits for nobody.
    while (look := house.ask("look", viewer))["nodes"][0]["load"] is None and time.monotonic() < until:
        time.sleep(0.01)
    told = {node["name"]: node["load"] for node in look["nodes"]}
    assert (told["n1"]["cpu"], told["n2"], told["n3"]) == (0.5, {"cpu": 3.0}, None)
    guests = {guest["name"]: (guest["node"], guest["load"]) for guest in look["guests"]}
    # Each guest is told of by the node that it is on: n1 knows of mc from before.
    assert guests["mc"] == ("n2", {"cpu": 0.125})
    assert guests["web"][1] is None


def test_a_look_waits_for_no_node_that_is_silent(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()

    def ask(*_request: object) -> None:
        silent.wait(60)
        raise PeerError("at last")

    monkeypatch.setattr(loads, "ask", ask)
    monkeypatch.setattr(loads, "_PATIENCE", 60.0)
    # A scrape would wait so long for a first sample.
    monkeypatch.setattr(house.steward.numbers, "_first", 60.0)
    viewer, began = house.session("viewer"), time.monotonic()
    assert {node["load"] for node in house.ask("look", viewer)["nodes"]} == {None}
    assert time.monotonic() - began < 30
    # The others are told of all the same, once it has had its time.
    monkeypatch.setattr(loads, "_PATIENCE", 0.2)
    record()
    assert everywhere(house.steward.eyes)["nodes"].keys() == {"n1"}
    silent.set()


def test_what_was_told_long_ago_is_not_how_it_is(house: House) -> None:
    now: list[float] = [0.0]
    told: dict[str, Any] = {"nodes": {"n1": {"cpu": 1.0}}, "guests": {}}
    once = iter([told])

    def sample() -> dict[str, Any]:
        if (found := next(once, None)) is not None:
            return found
        raise DroverError("there is no other")

    sampler = Sampler({"loads": sample}, every=0.01, clock=lambda: now[0])
    sampler.latest("loads")
    look: dict[str, Any] = {"nodes": [{"name": "n1"}], "guests": []}
    of = Loads(house.steward.eyes, sampler)
    assert of.into(look)["nodes"][0]["load"] == {"cpu": 1.0}
    now[0] = 100.0
    assert of.into(look)["nodes"][0]["load"] is None


def test_a_node_tells_its_own_hour_and_another_is_asked(house: House, asked: Asked) -> None:
    record()
    viewer = house.session("viewer")
    own = house.ask("node_load", viewer, node="n1")["load"]
    assert (own["node"], own["cpu"], asked) == ("n1", [0.5], [])
    other = house.ask("node_load", viewer, node="n2")["load"]
    assert (other["node"], other["cpu"], asked) == ("n2", [0.75, 0.5], [("n2", "past load")])


@pytest.mark.parametrize("verb", ["node_load", "hardware"])
def test_a_node_that_is_away_is_told_of_as_such(house: House, asked: Asked, verb: str) -> None:
    viewer = house.session("viewer")
    silent = house.refusal(verb, viewer, node="n3")
    assert (silent.code, silent.status) == ("node_away", 503)
    assert "n3 cannot be asked" in silent.cause
    assert "systemctl status drover-peer on n3" in silent.remedy
    strange = house.refusal(verb, viewer, node="nowhere")
    assert (strange.code, strange.status) == ("not_found", 404)
    house.cluster.statuses = [
        house.cluster.statuses[0].replace('name="n2" id="2" online="true"', 'name="n2" id="2" online="false"')
    ]
    house.steward.eyes.see(fresh=True)
    asked.clear()
    off = house.refusal(verb, viewer, node="n2")
    assert (off.code, off.cause, asked) == ("node_away", "n2 is not online, so nobody can ask it", [])


@pytest.mark.usefixtures("asked")
def test_a_guests_hour_is_whole_over_its_moves(house: House) -> None:
    record(mc=0.25)
    told = house.ask("guest_load", house.session("viewer"), guest="mc")["load"]
    assert (told["guest"], told["missing"]) == ("mc", ["n3"])
    assert told["node"] == ["n2", "n2", "n1"]
    assert told["cpu"] == [0.75, 0.5, 0.25]
    assert told["memory"] == [None, 4096, None]
    assert told["at"] == sorted(told["at"])
    assert house.refusal("guest_load", house.session("viewer"), guest="nobody").status == 404


def test_while_it_moves_the_one_that_works_counts() -> None:
    at = [stamp(1_800_000_000.0), stamp(1_800_000_015.0)]
    told: dict[str, Series] = {
        "n1": {"at": [stamp(1_800_000_001.0), stamp(1_800_000_016.0)], "cpu": [0.9, 0.0]},
        "n2": {"at": at, "cpu": [0.0, 0.8], "memory": [1, 2]},
    }
    merged = loads._merged(told)
    assert merged == {
        "node": ["n1", "n2"],
        "at": [told["n1"]["at"][0], at[1]],
        "cpu": [0.9, 0.8],
        "memory": [None, 2],
    }


def test_hardware_is_asked_for_once_in_a_while(house: House, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(hardware, "hardware", lambda: {"memory": 1 << 33})
    of = Loads(house.steward.eyes, house.steward.numbers, clock=lambda: now[0])
    assert of.hardware("n1") == {"hardware": {"node": "n1", "memory": 1 << 33}}
    for now[0] in (0.0, 299.0):
        assert of.hardware("n2")["hardware"]["system"] == {"model": "Box"}
    assert asked == [("n2", "hardware")]
    now[0] = 300.0
    of.hardware("n2")
    assert len(asked) == 2


def test_what_is_kept_is_taken_though_nobody_asks() -> None:
    now, count = [0.0], {"kept": 0, "asked": 0}

    def part(name: str) -> None:
        count[name] += 1

    sampler = Sampler(
        {"kept": lambda: part("kept"), "asked": lambda: part("asked")}, every=0.001, linger=10.0, clock=lambda: now[0]
    )
    sampler.keep("kept")
    sampler.latest("asked")
    # Also one that somebody has asked for since.
    sampler.latest("kept")
    now[0] = 1000.0
    until = time.monotonic() + 10
    before = dict(count)
    while count["kept"] < before["kept"] + 20 and time.monotonic() < until:
        time.sleep(0.005)
    assert count["kept"] >= before["kept"] + 20
    assert count["asked"] <= before["asked"] + 1


def test_the_page_and_prometheus_have_their_parts_sampled_and_no_others(house: House) -> None:
    viewer = house.session("viewer")
    house.ask("look", viewer)
    assert house.steward.numbers._running == {"loads"}
    house.ask("metrics", viewer)
    assert house.steward.numbers._running == {"loads", "cluster", "usage", "history"}
    assert load._FOLDER.name == "load"
