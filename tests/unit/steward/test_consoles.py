# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Consoles of guests: found where the guest is, carried, and over when whoever looks may look no more."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import guest_console
from ansible_collections.cspp.drover.plugins.module_utils.core import frames
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError
from ansible_collections.cspp.drover.plugins.module_utils.steward import consoles
from ansible_collections.cspp.drover.plugins.module_utils.steward.consoles import Consoles, carry
from ansible_collections.cspp.drover.plugins.module_utils.steward.overview import Eyes
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.plugins.module_utils.steward.wire import Ongoing, Request
from ansible_collections.cspp.drover.tests.unit.fake_cluster import ARRIVED, STATUS
from ansible_collections.cspp.drover.tests.unit.peer.connections import Ends

from .conftest import FROM, House


class Node:
    """Another node's answer, and who was asked in its place."""

    def __init__(self, *answers: Mapping[str, Any] | PeerError) -> None:
        self.answers, self.asked = list(answers), list[str]()
        self.closed = False

    def __call__(self, node: str, request: Mapping[str, Any]) -> Any:
        assert request["do"] == "console"
        self.asked.append(node)
        return self

    def receive(self) -> Mapping[str, Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, PeerError):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


def looking(house: House, node: Node) -> Consoles:
    return Consoles(house.steward.eyes, node, house.clock, house.clock.sleep)


def test_it_is_looked_for_until_it_has_arrived(house: House) -> None:
    house.cluster.statuses = [STATUS]
    gone = PeerError("mc does not run here")
    node = Node(gone, gone, {})

    def sleep(seconds: float) -> None:
        house.clock.sleep(seconds)
        house.cluster.statuses = [ARRIVED]

    eyes = Eyes(house.watched, lambda _status: [], house.clock)
    Consoles(eyes, node, house.clock, sleep).attach("mc", "vnc", "alice")
    assert node.asked == ["n2", "n2", "n3"]


@pytest.mark.parametrize(
    ("asked", "answer", "status", "words"),
    [
        (("mc", "vnc"), PeerError("mc does not run here"), 503, "does not run here"),
        (("mc", "vnc"), {"none": "mc was started without a screen", "remedy": "Declare one."}, 409, "without a screen"),
        (("nobody", "vnc"), {}, 404, "no guest nobody"),
        (("mc", "terminal"), {}, 422, "mc has no console terminal"),
        (("mc", "smell"), {}, 422, "no console 'smell'"),
    ],
)
def test_what_cannot_be_shown_is_told(
    house: House, asked: tuple[str, str], answer: Any, status: int, words: str
) -> None:
    with pytest.raises(Trouble, match=words) as caught:
        looking(house, Node(answer)).attach(*asked, "alice")
    assert caught.value.status == status


def test_nobody_has_more_than_so_many_open(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "_EACH", 1)
    mine = looking(house, Node({}))
    opened = mine.open("mc", "vnc", "alice", lambda: None)
    with pytest.raises(Trouble, match="are open"):
        mine.open("mc", "vnc", "alice", lambda: None)
    mine.open("mc", "vnc", "bob", lambda: None)
    # One that failed, and one that is over, count no more.
    for _time in range(2):
        with pytest.raises(Trouble, match="no guest"):
            mine.open("nobody", "vnc", "carol", lambda: None)
    monkeypatch.setattr(consoles, "carry", lambda *_arguments: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        opened.carry(theirs)
    mine.open("mc", "vnc", "alice", lambda: None)


class Browser:
    """The console's process, in whose place a test talks to the steward."""

    def __init__(self, house: House, ends: Ends, refusal: Callable[[], Trouble | None], every: float) -> None:
        screen, self.vm = socket.socketpair()
        there, here = Peer(ends[0]), Peer(ends[1])
        asked = {"guest": "mc", "kind": "vnc", "who": "alice"}
        kinds: dict[str, guest_console.Open] = {"vnc": lambda guest, who: guest_console.framed(screen)}

        def serve() -> None:
            with there:
                guest_console.service(asked, there, kinds)

        self.stream, theirs = socket.socketpair()
        self.stream.settimeout(30)
        threading.Thread(target=serve, daemon=True).start()
        assert here.receive() == {}

        def carried() -> None:
            with theirs:
                carry(theirs, here, refusal, every)

        self.thread = threading.Thread(target=carried, daemon=True)
        self.thread.start()
        self.messages = frames.read(self.stream.makefile("rb"))

    def over(self) -> dict[str, Any]:
        """The last words; nothing is left running behind them."""
        kind, said = next(self.messages)
        assert kind == frames.CONTROL
        assert list(self.messages) == []
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.vm.settimeout(30)
        assert self.vm.recv(1) == b""
        return dict(json.loads(said))


def test_both_ways_until_the_guest_goes(house: House, ends: Ends) -> None:
    browser = Browser(house, ends, lambda: None, 60)
    browser.vm.sendall(b"hello")
    assert next(browser.messages) == (frames.BYTES, b"hello")
    browser.stream.sendall(frames.pack(frames.BYTES, b"back"))
    assert browser.vm.recv(16) == b"back"
    browser.vm.shutdown(socket.SHUT_WR)
    assert browser.over() == {"close": frames.AGAIN, "reason": "the VM has ended here, or moved on"}


def test_it_is_over_when_the_role_is_lost(house: House, ends: Ends) -> None:
    request = Request("console", {"guest": "mc", "kind": "vnc"}, house.session("operator"), FROM)
    browser = Browser(house, ends, lambda: house.steward._against(request), 0.02)
    browser.vm.sendall(b"hello")
    assert next(browser.messages) == (frames.BYTES, b"hello")
    users = json.loads((house.folder / "users.json").read_text())
    users["operator"]["role"] = "viewer"
    (house.folder / "users.json").write_text(json.dumps(users))
    last = browser.over()
    assert last["close"] == 4403
    assert "needs the role operator" in last["reason"]


def test_it_is_over_when_the_session_ends(house: House, ends: Ends) -> None:
    session = house.session("operator")
    request = Request("console", {"guest": "mc", "kind": "vnc"}, session, FROM)
    browser = Browser(house, ends, lambda: house.steward._against(request), 0.02)
    house.ask("logout", session)
    assert browser.over()["close"] == 4401


def test_a_message_that_is_too_long_ends_it(house: House, ends: Ends) -> None:
    browser = Browser(house, ends, lambda: None, 60)
    browser.stream.sendall(frames.HEAD.pack(frames.BYTES, frames.LONGEST + 1))
    assert browser.over()["close"] == frames.AGAIN


def test_that_somebody_looked_is_on_record_once_a_minute(house: House) -> None:
    house.steward.consoles = looking(house, Node({}))
    operator = house.session("operator")
    for _time in range(3):
        asked = Request("console", {"guest": "mc", "kind": "serial"}, operator, FROM)
        assert isinstance(house.steward.answer(asked), Ongoing)
    told = [(e["by"], e["guest"], e["console"]) for e in house.ledger.book.entries() if e["kind"] == "console"]
    assert told == [("operator", "mc", "serial")]
