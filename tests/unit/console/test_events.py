# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What watchers are told, and what it costs the steward."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.console.collector import Collector
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Caller, Steward
from ansible_collections.cspp.drover.tests.unit.console.played_steward import PlayedSteward, credential

VIEWER = Caller(credential("viewer"), "127.0.0.1")
Event = tuple[str | None, str, Any]


def read(raw: bytes) -> Event:
    """Id, kind and data of an event."""
    fields = dict(line.split(": ", 1) for line in raw.decode().strip().split("\n"))
    return fields.get("id"), fields["event"], json.loads(fields["data"])


async def following(stream: AsyncIterator[bytes]) -> Event:
    async with asyncio.timeout(5):
        return read(await anext(stream))


def play(tmp_path: Path, story: Callable[[PlayedSteward, Collector], Awaitable[None]]) -> None:
    async def run() -> None:
        async with PlayedSteward(tmp_path / "socket") as steward:
            await story(steward, Collector(Steward(tmp_path / "socket"), every=0.02, recheck=0.1))

    asyncio.run(run())


def test_only_a_change_is_told(tmp_path: Path) -> None:
    async def story(steward: PlayedSteward, collector: Collector) -> None:
        stream = collector.watch(VIEWER, None)
        id, kind, look = await following(stream)
        assert (id, kind, look["cluster"]["epoch"]) == ("e0000", "cluster", "0.0.0")
        await asyncio.sleep(0.1)
        steward.played.moved_on = True
        assert (await following(stream))[2]["cluster"]["epoch"] == "0.0.1"

    play(tmp_path, story)


def test_many_watchers_are_one_question_and_nobody_is_none(tmp_path: Path) -> None:
    async def story(steward: PlayedSteward, collector: Collector) -> None:
        streams = [collector.watch(VIEWER, None) for _ in range(50)]
        for stream in streams:
            await following(stream)
        asked = len([one for one in steward.asked if one["verb"] == "look"])
        assert asked < 20
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
        steward.asked.clear()
        await asyncio.sleep(0.1)
        assert steward.asked == []

    play(tmp_path, story)


def test_a_watcher_who_comes_back_gets_what_it_missed(tmp_path: Path) -> None:
    async def story(steward: PlayedSteward, collector: Collector) -> None:
        stream = collector.watch(VIEWER, "e0002")
        told = [await following(stream) for _ in range(3)]
        assert [(id, kind) for id, kind, _ in told] == [
            ("e0001", "journal"),
            ("e0000", "journal"),
            ("e0000", "cluster"),
        ]
        steward.played.journal.insert(0, {**steward.played.journal[0], "id": "newest"})
        assert (await following(stream))[:2] == ("newest", "journal")

    play(tmp_path, story)


def test_a_steward_that_is_gone_is_told_of_once(tmp_path: Path) -> None:
    async def run() -> None:
        collector = Collector(Steward(tmp_path / "socket"), every=0.02)
        stream = collector.watch(VIEWER, None)
        id, kind, said = await following(stream)
        assert (id, kind, said["error"]["code"]) == (None, "trouble", "steward_unreachable")
        async with PlayedSteward(tmp_path / "socket"):
            assert (await following(stream))[1] == "cluster"

    asyncio.run(run())


def test_who_comes_back_to_a_steward_that_is_gone_is_told_and_sent_away(tmp_path: Path) -> None:
    """It comes again with the same id, and misses nothing."""

    async def run() -> None:
        collector = Collector(Steward(tmp_path / "socket"), every=60)
        async with asyncio.timeout(5):
            ((id, kind, said),) = [read(raw) async for raw in collector.watch(VIEWER, "e0002")]
        assert (id, kind, said["error"]["code"]) == (None, "trouble", "steward_unreachable")

    asyncio.run(run())


def test_a_watcher_whose_session_ended_is_sent_away(tmp_path: Path) -> None:
    async def story(steward: PlayedSteward, collector: Collector) -> None:
        ended = collector.watch(Caller(credential("expired"), "127.0.0.1"), None)
        good = collector.watch(VIEWER, None)
        assert (await following(good))[1] == "cluster"
        async with asyncio.timeout(5):
            assert all(read(raw)[1] == "cluster" for raw in [raw async for raw in ended])

    play(tmp_path, story)
