# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What watchers of the cluster see, collected once for all of them, and only while somebody watches.

The steward is asked every two seconds, with the credential of one of the watchers. What changed is written down once
and handed to each as an event of Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
A watcher who comes back with the id of the last event that it saw gets the entries of the journal since then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .refusal import Refusal
from .steward import Caller, Steward

__all__ = ["Collector"]

#: Seconds between two looks, between two words to a watcher, and between two questions whether one may still watch.
_EVERY, _ALIVE, _RECHECK = 2.0, 15.0, 30.0
#: Events that wait for a slow watcher, who then has to come again.
_WAITING = 64
#: Entries of the journal that are asked for: by the collector, and for a watcher who comes back.
_NEWS, _MISSED = 50, 500
#: How the steward tells that a credential is good for nothing any more.
_UNKNOWN = (401, 403)


@dataclass(eq=False)
class _Watcher:
    """One who watches. None in its queue is the end."""

    caller: Caller
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(_WAITING))
    gone: bool = False

    def tell(self, event: bytes) -> None:
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        self.gone = True
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Collector:
    """One question to the steward for all watchers."""

    def __init__(self, steward: Steward, every: float = _EVERY, recheck: float = _RECHECK) -> None:
        self._steward = steward
        self._every, self._recheck = every, recheck
        self._watchers: list[_Watcher] = []
        self._task: asyncio.Task[None] | None = None
        self._forget()

    def _forget(self) -> None:
        #: The cluster as it was told last, what else was told in its place, and the newest entry of the journal.
        self._shown = self._said = b""
        self._newest: str | None = None

    async def watch(self, caller: Caller, last: str | None) -> AsyncIterator[bytes]:
        """The events for one watcher, as they are sent. ``last`` is the id of the last one that it has seen."""
        with self._joined(caller) as watcher:
            missed: list[bytes] = []
            if last:
                try:
                    entries = await self._entries(caller, _MISSED)
                except Refusal as refusal:
                    # Who would miss something if this went on comes again, with the same id.
                    yield _event("trouble", _text(refusal.document()), None)
                    return
                missed = [_journal_event(entry) for entry in _after(entries, last)]
            for event in missed:
                yield event
            if self._shown:
                yield _event("cluster", self._shown, self._newest)
            while True:
                try:
                    news = await asyncio.wait_for(watcher.queue.get(), _ALIVE)
                except TimeoutError:
                    news = b": nothing new\n\n"
                if news is None:
                    return
                # The collector may have told of an entry while this one was asked what it had missed.
                if news not in missed:
                    yield news

    @contextmanager
    def _joined(self, caller: Caller) -> Iterator[_Watcher]:
        watcher = _Watcher(caller)
        self._watchers.append(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._collect())
        try:
            yield watcher
        finally:
            self._leave(watcher)

    def _leave(self, watcher: _Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)
        if not self._watchers and self._task:
            self._task.cancel()
            self._task = None
            self._forget()

    async def _collect(self) -> None:
        clock = asyncio.get_running_loop().time
        rechecked = clock()
        while self._watchers:
            began = clock()
            await self._tick()
            if clock() - rechecked >= self._recheck:
                rechecked = clock()
                for watcher in list(self._watchers):
                    await self._still_known(watcher)
            await asyncio.sleep(max(0.0, self._every - (clock() - began)))

    async def _tick(self) -> None:
        while self._watchers:
            # The one who came last has been known for sure the shortest time ago.
            watcher = self._watchers[-1]
            try:
                shown = _text(await self._steward.ask("look", watcher.caller))
                entries = await self._entries(watcher.caller, _NEWS)
            except Refusal as refusal:
                if refusal.status in _UNKNOWN:
                    self._drop(watcher)
                    continue
                # Who comes while the steward is silent waits for it to speak.
                self._shown = b""
                self._say("trouble", _text(refusal.document()))
                return
            self._news(entries)
            self._shown = shown
            self._say("cluster", shown)
            return

    def _news(self, entries: list[dict[str, Any]]) -> None:
        """Tell of entries, the newest first, that are new since the last look."""
        if self._newest is not None:
            for entry in _after(entries, self._newest):
                self._tell(_journal_event(entry))
        self._newest = entries[0]["id"] if entries else ""

    def _say(self, kind: str, text: bytes) -> None:
        """Tell something unless it is what was told last."""
        if text != self._said:
            self._said = text
            self._tell(_event(kind, text, self._newest))

    def _tell(self, event: bytes) -> None:
        for watcher in self._watchers:
            watcher.tell(event)
        self._watchers = [watcher for watcher in self._watchers if not watcher.gone]

    async def _still_known(self, watcher: _Watcher) -> None:
        try:
            await self._steward.ask("whoami", watcher.caller)
        except Refusal as refusal:
            if refusal.status in _UNKNOWN:
                self._drop(watcher)

    def _drop(self, watcher: _Watcher) -> None:
        watcher.end()
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    async def _entries(self, caller: Caller, limit: int) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await self._steward.ask("journal", caller, limit=limit))["entries"]
        return entries


def _after(entries: list[dict[str, Any]], last: str) -> list[dict[str, Any]]:
    """Those newer than ``last``, the oldest first; all when it is too old to be among them."""
    ids = [entry["id"] for entry in entries]
    return entries[: ids.index(last) if last in ids else None][::-1]


def _journal_event(entry: dict[str, Any]) -> bytes:
    return _event("journal", _text(entry), entry["id"])


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _event(kind: str, data: bytes, id: str | None) -> bytes:
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {kind}\n".encode() + b"data: " + data + b"\n\n"
