# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A power controller that does not answer: alone, and together with its node, as where one cord feeds both.

Status and verbs say so within seconds, nothing starts twice, and somebody who has seen that the node is off releases
its guests, once nothing of it gives a sign of life.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.fencing import device_id
from ansible_collections.cspp.drover.plugins.module_utils.cluster.unconfirmed import unconfirmed
from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import Behaviour
from ansible_collections.cspp.drover.tests.witness import Witness

from ..lab import Lab, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("broken")

Declared = dict[str, dict[str, Any]]

#: Seconds until it is told that a lost node cannot be confirmed to be off; and for a verb to say so.
TOLD, SAID = 60.0, 90.0


def running(lab: Lab, device: str) -> bool:
    found = lab.status().resource(device)
    return found is not None and found.running


@pytest.mark.whole
def test_a_controller_that_was_silent_is_relied_on_again_by_itself(lab: Lab) -> None:
    node = next(reversed(lab.nodes))
    device = device_id(node)
    lab.controller(node, Behaviour.SILENT)
    try:
        wait_for(lambda: running(lab, device), lambda up: not up, what="somebody noticing", timeout=150)
        # It is told for as long as it lasts, also while it is being tried again.
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert f"{node} cannot be fenced at the moment" in play("status").told
    finally:
        lab.controller(node, Behaviour.PROMPT)
    wait_for(lambda: running(lab, device), bool, what="the device's return", timeout=120)
    assert f"{node} cannot be fenced" not in play("status").told


@pytest.fixture(scope="module")
def lost(lab: Lab, declared: Declared) -> Iterator[str]:
    """A node with all guests that has lost its power together with its power controller; the cluster knows by now."""
    node = lab.where("game")
    for name in declared:
        if lab.where(name) != node:
            succeed("migrate", guest=name, to=node)
    lab.lose_power(node)
    witness = Witness(list(declared), lab.folder)
    witness.start()
    begun = time.monotonic()
    wait_for(lambda: unconfirmed(lab.status()), bool, what="the first attempt to fail", timeout=TOLD)
    assert time.monotonic() - begun < TOLD
    yield node
    most = witness.stop()
    lab.controller(node, Behaviour.PROMPT)
    lab.power(node, "on")
    lab.wait_for_members(180)
    assert all(number <= 1 for number in most.values()), most


@pytest.mark.parametrize("verb", ["status", "migrate", "maintenance"])
def test_every_verb_says_what_is_waited_for(lab: Lab, declared: Declared, lost: str, verb: str) -> None:
    choices: dict[str, dict[str, Any]] = {"migrate": {"guest": "game"}, "maintenance": {"node": lost, "state": "on"}}
    variables = choices.get(verb, {})
    begun = time.monotonic()
    outcome = play(verb, **variables)
    assert time.monotonic() - begun < SAID
    assert (outcome.rc == 0) is (verb == "status")
    said = outcome.told
    for words in (f"{lost} is lost, and since", ", ".join(sorted(declared)), f"fencing.yml -e confirm={lost}"):
        assert words in said, outcome.output


@contextmanager
def sign_of_life(lab: Lab, node: str) -> Iterator[None]:
    """Somebody answers at the address of the node."""
    address = f"{lab.nodes[node].address}/32"
    run(["ip", "address", "add", address, "dev", lab.description["bridge"]])
    try:
        yield
    finally:
        run(["ip", "address", "delete", address, "dev", lab.description["bridge"]])


def test_nobody_is_confirmed_to_be_off_who_gives_a_sign_of_life(lab: Lab, lost: str) -> None:
    with sign_of_life(lab, lost):
        outcome = play("fencing", confirm=lost)
    assert outcome.rc != 0
    _before, said, signs = outcome.told.partition(f"{lost} is not taken for off: ")
    assert said, outcome.output
    assert f"{lab.nodes[lost].address} refuses port 22" in signs
    assert unconfirmed(lab.status())
    assert lab.instances("game", "web") == {"game": 0, "web": 0}


def test_guests_of_a_node_that_is_confirmed_to_be_off_start_elsewhere(lab: Lab, declared: Declared, lost: str) -> None:
    assert "game: running on" in succeed("fencing", confirm=lost).told
    for name, guest in declared.items():
        wait_until_answering(guest, timeout=60)
        assert lab.where_it_runs(name) != lost
    # Who was confirmed by hand is not switched on by anybody else.
    assert "confirmed" in succeed("journal").told
