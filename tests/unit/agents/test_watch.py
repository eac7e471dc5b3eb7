# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The watcher, with real processes for guests: which ends it settles, and which are none of its business."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import glance, watch
from ansible_collections.cspp.drover.plugins.module_utils.agents.watch import Often, Watcher
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime

Start = Callable[[str], subprocess.Popen[bytes]]


class Node:
    """A node whose watcher only writes down which ends it would settle."""

    def __init__(self, folder: Path) -> None:
        self._settled = folder / "settled"
        self._settled.touch()
        self.often = Often(FakeTime())
        self.watcher = Watcher(self._settle, self.often)

    def _settle(self, guest: str, _pid: int, _born: int) -> int:
        with self._settled.open("a") as file:
            file.write(f"{guest}\n")
        return 0

    def settled(self, seconds: float = 0.5, of: int = 99) -> list[str]:
        """What it has settled after so many seconds, or as soon as it has settled ``of`` ends."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self._settled.read_text().split()) < of:
            self.watcher.step(0.05)
        return self._settled.read_text().split()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Start]:
    """Starts a guest and has a monitor find it in order."""
    monkeypatch.setattr(glance, "MARKS", str(tmp_path / "marks"))
    monkeypatch.setattr(glance, "ENDS", str(tmp_path / "ends"))
    started: list[subprocess.Popen[bytes]] = []

    def begin(name: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"]))
        glance.notice(name, started[-1].pid)
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_a_guest_that_is_killed_is_told_of_at_once(start: Start, tmp_path: Path) -> None:
    first = start("before")
    node = Node(tmp_path)
    second = start("after")
    assert node.settled(0.2) == []
    began = time.monotonic()
    first.kill()
    assert node.settled(5, of=1) == ["before"]
    assert time.monotonic() - began < 1
    second.kill()
    assert node.settled(5, of=2) == ["before", "after"]


def test_what_ended_while_nobody_watched_is_told_of_by_the_next(start: Start, tmp_path: Path) -> None:
    guest = start("web")
    guest.kill()
    guest.wait()
    assert Node(tmp_path).settled(5, of=1) == ["web"]


def test_a_guest_that_an_agent_ends_is_not_told_of(start: Start, tmp_path: Path) -> None:
    guest, node = start("web"), Node(tmp_path)
    node.settled(0.1)
    glance.unsettle("web")  # what a stop and a move begin with
    guest.kill()
    assert node.settled() == []


def test_a_guest_that_runs_as_another_process_by_now_is_watched_as_that(start: Start, tmp_path: Path) -> None:
    old, node = start("web"), Node(tmp_path)
    new = start("web")
    old.kill()
    # The mark of the one and the end of the other are then seen at the same time.
    old.wait()
    assert node.settled() == []
    new.kill()
    assert node.settled(5, of=1) == ["web"]


def test_the_number_of_a_process_may_be_anothers_by_now(start: Start, tmp_path: Path) -> None:
    guest = start("web")
    mark = Path(glance.MARKS, "web")
    mark.write_text(f"{guest.pid} 1 \n")
    assert Node(tmp_path).settled(5, of=1) == ["web"]


def test_many_that_end_together_are_settled_few_at_a_time(start: Start, tmp_path: Path) -> None:
    node, guests = Node(tmp_path), [start(f"g{number}") for number in range(3 * watch._AT_ONCE)]
    node.settled(0.1)
    for guest in guests:
        guest.kill()
    assert sorted(node.settled(10, of=len(guests))) == sorted(f"g{number}" for number in range(len(guests)))


def test_a_guest_that_ends_again_and_again_is_left_to_its_monitor(start: Start, tmp_path: Path) -> None:
    node = Node(tmp_path)
    for count in range(1, 6):
        guest = start("web")
        node.settled(0.05)
        guest.kill()
        assert len(node.settled(1, of=count)) == min(count, watch._OFTEN)


def test_often_forgets_with_time() -> None:
    clock = FakeTime()
    often = Often(clock)
    for _ in range(watch._OFTEN):
        assert not often.too_often("web")
        often.note("web")
        clock.sleep(1)
    assert often.too_often("web") and not often.too_often("game")
    clock.sleep(watch._WITHIN)
    assert not often.too_often("web")
