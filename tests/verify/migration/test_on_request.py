# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests move on request, a VM without its clients noticing; a dry run foretells the move and makes none."""

from __future__ import annotations

from typing import Any

import pytest

from ..lab import Lab, wait_until_answering
from ..plays import succeed
from ..sessions import session_to

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]


def test_a_vm_moves_under_an_open_session(lab: Lab, declared: Declared) -> None:
    wait_until_answering(declared["game"], timeout=60)
    source, before = lab.where("game"), lab.version()
    foretold = succeed("migrate", "--check", guest="game").result("Plan")["msg"]
    assert (lab.where("game"), lab.version()) == (source, before)
    with session_to(declared["game"]):
        moved = succeed("migrate", guest="game")
    target = lab.where("game")
    assert target != source
    # It is the same plan, and was told before the guest left.
    assert foretold[0] == f"game: migrate live {source} -> {target}"
    said, _outcome, done = moved.output.partition("TASK [Outcome]")
    assert f"plan: {foretold[0]}" in said and f"game: {source} -> {target}, live" in done
    # What Pacemaker is at is told as it is seen; a move of some tenths of a second may be over before that.
    assert f"game: migrating on {source}" in said or float(done.partition("live, ")[2].partition(" s")[0]) < 1
    assert lab.instances("game") == {"game": 1}
    # Nothing of the move is left in the cluster, and to move it where it is changes nothing.
    assert not [name for name in lab.configuration().constraints if "-move-" in name]
    assert succeed("migrate", guest="game", to=target).changed == set()


def test_a_container_moves(lab: Lab, declared: Declared) -> None:
    source = lab.where("web")
    succeed("migrate", guest="web")
    assert lab.where("web") != source
    wait_until_answering(declared["web"], timeout=30)
    assert lab.instances("web") == {"web": 1}
