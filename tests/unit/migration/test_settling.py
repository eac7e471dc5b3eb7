# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a VM goes on, settled while libvirt's events and the thread that watches come at the same time."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.migration import settling
from ansible_collections.cspp.drover.plugins.module_utils.migration import switchover as held
from ansible_collections.cspp.drover.plugins.module_utils.migration.settling import Switchover
from ansible_collections.cspp.drover.plugins.module_utils.migration.switchover import Unknown


class Target:
    """Answers when it is let to, and keeps account of what is done to the VM here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: bool | Exception) -> None:
        self.answer, self.done = answer, list[str]()
        self.asked, self.may_answer = threading.Event(), threading.Event()
        monkeypatch.setattr(held, "landed", self._landed)
        for where, name in ((settling, "hold"), (settling, "kill"), (held, "kill"), (held, "let_go")):
            monkeypatch.setattr(where, name, lambda _guest, name=name: self.done.append(name))

    def _landed(self, *_arguments: Any) -> bool:
        self.done.append("ask")
        self.asked.set()
        assert self.may_answer.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def switchover(words: list[str] | None = None) -> Switchover:
    return Switchover("web", "n2", (words if words is not None else []).append, 0.005, time.monotonic)


ANSWERS = [
    pytest.param(False, ["hold", "ask", "let_go"], id="stays"),
    pytest.param(True, ["hold", "ask", "kill"], id="landed"),
    pytest.param(Unknown("cannot be told"), ["hold", "ask", "kill"], id="unknown"),
]


@pytest.mark.parametrize(("answer", "done"), ANSWERS)
def test_two_threads_that_want_to_know_ask_the_target_once(
    monkeypatch: pytest.MonkeyPatch, answer: bool | Exception, done: list[str]
) -> None:
    target, one = Target(monkeypatch, answer), switchover()
    one.stopped()
    goes_on_here, is_there = list[bool](), list[bool]()
    threads = [
        threading.Thread(target=lambda: goes_on_here.append(one.resumed()), daemon=True),
        threading.Thread(target=lambda: is_there.append(one.settle()), daemon=True),
    ]
    for thread in threads:
        thread.start()
    assert target.asked.wait(10)
    assert (one.settled, one.stands_still) == (False, True)
    target.may_answer.set()
    for thread in threads:
        thread.join(10)
    assert target.done == done
    assert (goes_on_here, is_there) == ([answer is False], [answer is not False])
    assert one.doubtful is isinstance(answer, Exception)


def test_a_vm_that_never_stopped_goes_on_without_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    target, one = Target(monkeypatch, True), switchover()
    assert one.resumed()
    assert (target.done, one.left) == ([], False)


@pytest.mark.parametrize(("answer", "done"), ANSWERS)
def test_a_stop_that_is_told_of_while_the_target_is_asked_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, answer: bool | Exception, done: list[str]
) -> None:
    target, one = Target(monkeypatch, answer), switchover()
    asking = threading.Thread(target=one.settle, daemon=True)
    asking.start()
    assert target.asked.wait(10)
    one.stopped()
    assert one.stands_still
    target.may_answer.set()
    asking.join(10)
    assert target.done == done
    assert one.resumed() is (answer is False)
    assert target.done == done


def test_one_that_stayed_is_watched_again_unless_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    target, one = Target(monkeypatch, False), switchover()
    target.may_answer.set()
    one.stopped()
    assert one.resumed()
    assert not one.stands_still
    one.stopped()
    assert one.stands_still and one.settled
    assert one.resumed()
    assert target.done == ["hold", "ask", "let_go"]


def test_a_doubt_is_put_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    Target(monkeypatch, Unknown("whether it runs on n2 cannot be told")).may_answer.set()
    assert switchover(words).settle()
    assert words == ["ended here: whether it runs on n2 cannot be told"]


def test_a_migration_that_ends_leaves_no_vm_held(monkeypatch: pytest.MonkeyPatch) -> None:
    target, one = Target(monkeypatch, answer=False), switchover()
    one.stopped()
    heard = threading.Thread(target=one.resumed, daemon=True)
    heard.start()
    assert target.asked.wait(10)
    ending = threading.Thread(target=one.conclude, daemon=True)
    ending.start()
    ending.join(0.1)
    assert ending.is_alive(), "the agent ended while the VM was held"
    target.may_answer.set()
    ending.join(10)
    assert not ending.is_alive()
    assert target.done == ["hold", "ask", "let_go"]


def test_what_is_heard_after_the_end_holds_no_vm(monkeypatch: pytest.MonkeyPatch) -> None:
    target, one = Target(monkeypatch, answer=False), switchover()
    one.conclude()
    one.stopped()
    assert one.resumed() is False
    assert one.settle() is False
    assert target.done == []
