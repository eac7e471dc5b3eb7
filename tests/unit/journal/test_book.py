# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of moves: what a node keeps, and that nodes which lost sight of each other come to the same."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.journal import book as journal
from ansible_collections.cspp.drover.plugins.module_utils.journal.book import Book
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError
from ansible_collections.cspp.drover.plugins.module_utils.steward.main import caught_up
from ansible_collections.cspp.drover.plugins.modules import journal_info
from ansible_collections.cspp.drover.tests.unit.conftest import Call


def entry(number: int, guest: str = "mc", **more: Any) -> dict[str, Any]:
    return {
        "id": f"id{number:04}",
        "guest": guest,
        "started": f"2026-11-24T00:{number // 60:02}:{number % 60:02}",
        **more,
    }


def ids(book: Book) -> list[str]:
    return [found["id"] for found in book.entries()]


def test_what_was_written_is_there_once_and_in_order(tmp_path: Path) -> None:
    book = Book(tmp_path / "journal")
    assert book.entries() == []
    book.add([entry(2, path=["pre-copy"])])
    book.add([entry(1), entry(2)])
    assert book.entries() == [entry(1), entry(2, path=["pre-copy"])]
    assert list(book.lines()) == ["id0001", "id0002"]


def test_a_torn_last_line_costs_that_line_alone(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add([entry(1), entry(2)])
    book.path.write_bytes(book.path.read_bytes()[:-20])
    assert ids(book) == ["id0001"]
    book.add([entry(3)])
    assert ids(book) == ["id0001", "id0003"]
    book.add([entry(2)])
    assert ids(book) == ["id0001", "id0002", "id0003"]


def test_the_oldest_make_room(tmp_path: Path) -> None:
    book = Book(tmp_path, most=10, slack=5)
    for number in range(40):
        book.add([entry(number)])
        assert ids(book)[-1] == f"id{number:04}"
        assert len(book.path.read_bytes().splitlines()) <= 15
    assert ids(book) == [f"id{number:04}" for number in range(30, 40)]
    book.add([entry(3)])
    assert b"id0003" not in book.path.read_bytes()


@pytest.mark.parametrize(
    "wrong", [None, {}, {"id": "x"}, {**entry(1), "id": 'a"b'}, {**entry(1), "guest": 3}, {"id": "x", "started": "now"}]
)
def test_what_is_no_record_is_not_kept(tmp_path: Path, wrong: Any) -> None:
    book = Book(tmp_path)
    book.add([wrong])
    assert book.entries() == []


class Full(Book):
    """A journal on a full disk."""

    def _append(self, lines: Iterable[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Book]:
    """The journals of three nodes that reach each other; one that is taken out of the dictionary does not answer."""
    books = {name: Book(tmp_path / name, most=50, slack=5) for name in ("n1", "n2", "n3")}

    def connect(node: str, request: Mapping[str, Any], _timeout: float) -> Peer:
        if node not in books:
            raise PeerError(f"{node} cannot be asked")
        here, there = (Peer(end) for end in socket.socketpair())  # type: ignore[arg-type]

        def answer() -> None:
            with there, suppress(OSError):
                journal.service(request, there, books[node])

        threading.Thread(target=answer, daemon=True).start()
        return here

    monkeypatch.setattr(Peer, "connect", connect)
    return books


def test_a_record_is_on_every_node(nodes: dict[str, Book]) -> None:
    journal.record(entry(1), nodes["n1"], ["n2", "n3"])
    assert [ids(book) for book in nodes.values()] == [["id0001"]] * 3


def test_a_node_that_was_away_catches_up_and_tells_what_it_alone_knew(nodes: dict[str, Book]) -> None:
    journal.record(entry(1), nodes["n1"], ["n2", "n3"])
    away = nodes.pop("n3")
    journal.record(entry(2), nodes["n1"], ["n2", "n3"])
    away.add([entry(3)])
    nodes["n3"] = away
    journal.record(entry(4), nodes["n2"], ["n1", "n3"])
    assert ids(away) == ids(nodes["n2"]) == ["id0001", "id0002", "id0003", "id0004"]
    found = journal.read(book=nodes["n1"], others=["n2", "n3"])
    assert [move["id"] for move in found] == ids(nodes["n1"]) == ids(away)


def test_when_an_exchange_has_ended_both_have_everything(nodes: dict[str, Book]) -> None:
    class Slow(Book):
        def _append(self, lines: Iterable[bytes]) -> None:
            time.sleep(0.1)
            super()._append(lines)

    nodes["n2"] = Slow(nodes["n2"].path.parent)
    nodes["n1"].add([entry(1)])
    nodes["n2"].add([entry(2)])
    found = journal.read(book=nodes["n1"], others=["n2"])
    assert [move["id"] for move in found] == ids(nodes["n2"]) == ["id0001", "id0002"]


def test_a_full_disk_keeps_nobody_from_being_told(nodes: dict[str, Book]) -> None:
    nodes["n1"].add([entry(1)])
    nodes["n2"].add([entry(2)])
    nodes["n2"] = Full(nodes["n2"].path.parent)
    found = journal.read(book=nodes["n1"], others=["n2"])
    assert [move["id"] for move in found] == ["id0001", "id0002"]


def test_reading_on_a_new_node_brings_it_all(nodes: dict[str, Book]) -> None:
    nodes["n1"].add([entry(number, guest="web" if number % 2 else "mc") for number in range(50)])
    found = journal.read("web", 3, book=nodes["n3"], others=["n1", "n2"])
    assert [move["id"] for move in found] == ["id0045", "id0047", "id0049"]
    assert len(ids(nodes["n3"])) == 50


def test_the_steward_of_a_node_that_was_away_asks_for_what_it_lacks(nodes: dict[str, Book]) -> None:
    nodes["n2"].add([entry(7)])
    assert not caught_up(nodes["n1"], members=list)
    assert caught_up(nodes["n1"], members=lambda: ["n2", "n3"])
    assert ids(nodes["n1"]) == ["id0007"]


def test_full_journals_settle(nodes: dict[str, Book]) -> None:
    nodes["n1"].add([entry(number) for number in range(50)])
    nodes["n2"].add([entry(number) for number in range(20, 70)])
    for _again in range(2):
        journal.read(book=nodes["n1"], others=["n2"])
    assert ids(nodes["n1"]) == ids(nodes["n2"]) == [f"id{number:04}" for number in range(20, 70)]


def test_a_record_without_an_id_gets_one_and_a_full_disk_fails_no_move(nodes: dict[str, Book], tmp_path: Path) -> None:
    journal.record({"guest": "mc", "started": "2026-11-24T00:00:00.000Z"}, Full(tmp_path), ["n2"])
    assert len(ids(nodes["n2"])) == 1


def test_a_failure_has_what_the_source_told_but_for_its_end() -> None:
    told = {
        "id": "7",
        "from": "n3",
        "started": "2023-11-14T22:13:21.000Z",
        "ended": "never",
        "result": "moved",
        "rounds": 2,
    }
    entry = journal.failure("vm", "web", "n1", "n2", "no disk", since=1_700_000_000.5, report=told)
    assert {**entry, "ended": ""} == {
        "guest": "web",
        "kind": "vm",
        "to": "n2",
        **told,
        "ended": "",
        "result": "failed",
        "reason": "no disk",
    }
    assert entry["ended"] > "2026" and entry["ended"].endswith("Z")
    assert journal.failure("vm", "web", "n1", "n2", "", since=1_700_000_000.5)["started"] == "2023-11-14T22:13:20.500Z"


def test_what_is_recorded_from_now_on() -> None:
    looks = iter([[entry(1)], [entry(1), entry(2), entry(3, guest="web")]])
    since = journal.Since(lambda: next(looks))
    assert since.entries(["mc"]) == [entry(2)]


def test_the_module_tells_moves_and_a_table(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str | None, int]] = []

    def read(guest: str | None, limit: int) -> list[dict[str, Any]]:
        asked.append((guest, limit))
        return [entry(1)]

    monkeypatch.setattr(journal, "read", read)
    result = call(journal_info, guest="mc", limit=5)
    assert asked == [("mc", 5)]
    assert (result["changed"], result["moves"], len(result["table"])) == (False, [entry(1)], 2)
