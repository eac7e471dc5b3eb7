# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root in a container is nobody's friend: what it sends that is not its to send stays at its port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.measure.probe import Probe, Target

from ..lab import Lab, address, boot, wait_until_answering
from ..plays import succeed
from ..sessions import session_to
from ..stages import sample
from .hostile import Attacker, attempts, container, prove

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
#: Moves of the neighbour under attack.
MOVES = sample(2, 10)


@pytest.fixture(scope="module")
def attacker(lab: Lab, declared: Declared) -> Iterator[Attacker]:
    """A container beside a VM, on one node."""
    wait_until_answering(declared["game"], timeout=60)
    node = lab.where("web")
    if lab.where("game") != node:
        succeed("migrate", guest="game", to=node)
    yield container(lab, "web", address(declared["web"]))


def test_what_is_not_its_to_send_stays_at_its_port(lab: Lab, declared: Declared, attacker: Attacker) -> None:
    prove(lab, attacker, "game", address(declared["game"]))


def test_a_neighbour_loses_nothing_and_moves(lab: Lab, declared: Declared, attacker: Attacker) -> None:
    game = declared["game"]
    its_boot = boot(game)
    these = attempts(lab, attacker, "game", address(game))
    probe = Probe(Target("udp", address(game), 7, 500))
    with attacker.at_it(these), session_to(game):
        probe.start()
        for _ in range(MOVES):
            succeed("migrate", guest="game")
        reading = probe.stop()
    assert boot(game) == its_boot
    assert reading["sent"] > 500 * MOVES
    assert reading["lost"] == 0, reading
