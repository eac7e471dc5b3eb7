# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loads and hardware through the console's address: each node tells its own, a guest's hour is whole over a move."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab
from ..plays import succeed, variable
from .reaching import ask, console_address

pytestmark = pytest.mark.stage("console")

#: Seconds for a sample to be taken (every 15 s, and two make one record), and to be told.
SAMPLED = 90.0
#: Seconds that a look may take on a lab whose nodes share few processors.
LOOK = 2.0


def hour(path: str) -> dict[str, Any]:
    status, told = ask(console_address(), f"/{path}/load")
    return dict(told["load"]) if status == 200 else {"at": [], "node": ()}


def reached(path: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The last hour, as soon as it is so."""
    return wait_for(lambda: hour(path), done, what=f"the load of {path}", timeout=SAMPLED)


def test_each_node_tells_its_last_hour(lab: Lab) -> None:
    for node in lab.nodes:
        told = reached(f"nodes/{node}", lambda it: len(it["at"]) > 1)
        assert told["node"] == node
        assert 0 <= told["cpu"][-1] <= told["cpus"][-1] * 1.1
        assert 0 < told["memory"][-1] < told["memory_total"][-1]
    assert ask(console_address(), "/nodes/nowhere/load")[0] == 404


def test_the_look_has_what_is_in_use_of_every_guest() -> None:
    def unknown() -> set[str]:
        _status, look = ask(console_address(), "/cluster")
        things = [*look["nodes"], *(guest for guest in look["guests"] if guest["state"] == "running")] if look else []
        return {one["name"] for one in things if not one["load"]} if things else {"everything"}

    wait_for(unknown, lambda names: not names, what="the load of nodes and guests", timeout=SAMPLED)


def test_what_a_node_is_made_of(lab: Lab) -> None:
    for node in lab.nodes:
        runner = lab.ssh(node)
        status, told = ask(console_address(), f"/nodes/{node}/hardware")
        assert status == 200
        found = told["hardware"]
        assert found["software"]["kernel"] == runner(["uname", "--kernel-release"]).stdout.strip()
        assert found["processor"]["threads"] >= 1
        installed = runner(["dpkg-query", "--show", "--showformat", "${Version}", "pacemaker"]).stdout
        assert found["software"]["versions"]["Pacemaker"] == installed


def test_a_guests_hour_goes_on_over_a_move_and_no_look_waits_for_it(lab: Lab) -> None:
    guest = next(name for name, one in variable("guests").items() if one["kind"] == "vm" and lab.where(name))
    before = lab.where(guest)
    reached(f"guests/{guest}", lambda it: it["node"][-1:] == [before])
    slow: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            began = time.monotonic()
            status, _look = ask(console_address(), "/cluster")
            slow.append(time.monotonic() - began if status == 200 else LOOK)
            time.sleep(0.1)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        succeed("migrate", guest=guest)
    finally:
        over.set()
        looking.join()
    assert slow
    assert max(slow) < LOOK
    after = lab.where(guest)
    assert after != before
    told = reached(f"guests/{guest}", lambda it: it["node"][-1:] == [after])
    assert [before, after] == [node for node, _samples in itertools.groupby(told["node"])][-2:]
    assert told["at"] == sorted(told["at"])
    assert told["missing"] == []
