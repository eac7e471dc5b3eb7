# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A steward before a fake cluster: everything real but Pacemaker, PAM, time, and the other members of the journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.measure import load
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError
from ansible_collections.cspp.drover.plugins.module_utils.preflight import inquiry
from ansible_collections.cspp.drover.plugins.module_utils.steward import loads, operations, records, sessions
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import Declared, hashed
from ansible_collections.cspp.drover.plugins.module_utils.steward.actions import Watched
from ansible_collections.cspp.drover.plugins.module_utils.steward.consoles import Consoles
from ansible_collections.cspp.drover.plugins.module_utils.steward.identity import Identity
from ansible_collections.cspp.drover.plugins.module_utils.steward.operations import Desk
from ansible_collections.cspp.drover.plugins.module_utils.steward.overview import Eyes
from ansible_collections.cspp.drover.plugins.module_utils.steward.records import Ledger
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.plugins.module_utils.steward.verbs import Steward
from ansible_collections.cspp.drover.plugins.module_utils.steward.wire import Ongoing, Request
from ansible_collections.cspp.drover.tests.unit.fake_cluster import APART, FakeCluster, FakeTime, survey

KEY, OLDER, THEIRS = b"k" * 32, b"o" * 32, b"t" * 32
NOW = 1_800_000_000.0
FROM = "192.0.2.7"
#: The users' hashes by their names, which are those of their roles. Made once: that is meant to take its time.
HASHES = {role: hashed(f"secret of {role}", b"salt") for role in ("viewer", "operator", "admin")}


def session_of(user: str, at: float = NOW, key: bytes = KEY) -> str:
    """A session of a user as a log-in gives it."""
    return sessions.signed(sessions.begin(user, "declared", at, sessions.fingerprint(HASHES[user])), key)


class Clock:
    """The time of day, which only sleeping moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class House:
    """A steward with what it stands on. ``spawned`` are the operations that it has begun with."""

    steward: Steward
    cluster: FakeCluster
    ledger: Ledger
    clock: Clock
    folder: Path
    keys: list[bytes]
    spawned: list[Mapping[str, Any]] = field(default_factory=list)

    def ask(self, verb: str, credential: str | None = None, **arguments: Any) -> dict[str, Any]:
        answer = self.steward.answer(Request(verb, arguments, credential, FROM))
        assert not isinstance(answer, Ongoing)
        return dict(answer)

    def refusal(self, verb: str, credential: str | None = None, **arguments: Any) -> Trouble:
        with pytest.raises(Trouble) as caught:
            self.ask(verb, credential, **arguments)
        return caught.value

    def session(self, role: str) -> str:
        return str(self.ask("login", user=role, password=f"secret of {role}")["session"])

    def work(self) -> None:
        """Have all that was begun come to its end."""
        while self.spawned:
            operations.work(self.spawned.pop(0), self.ledger, self.watched)

    def watched(self, **more: Any) -> Watched:
        time = FakeTime()
        return Watched(self.cluster, clock=time, sleep=time.sleep, **more)


def _nobody(node: str, _request: object) -> Any:
    raise PeerError(f"{node} cannot be asked")


def _tells(node: str, request: Mapping[str, Any], _timeout: float) -> dict[str, Any]:
    """What another node says of itself."""
    now = {"nodes": {node: {"cpu": 0.5, "memory": 1 << 30}}, "guests": {"mc": {"cpu": 0.25}}}
    return {"load": now, "series": {"at": [book.stamp(NOW)], "cpu": [0.25]}, "hardware": {"memory": 1 << 34}}


@pytest.fixture
def declared(tmp_path: Path) -> Callable[..., Path]:
    """Writes what role console would."""

    def write(**files: Any) -> Path:
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: Callable[..., Path]) -> House:
    folder = declared(users={role: {"hash": text, "role": role} for role, text in HASHES.items()})
    own = book.Book(tmp_path / "journal")
    ledger = Ledger(own, lambda entry: book.record(entry, own, ()))
    clock, keys, cluster = Clock(), [KEY, OLDER], FakeCluster("migrate", cib=APART)
    monkeypatch.setattr(operations, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(load, "_FOLDER", tmp_path / "load")
    monkeypatch.setattr(loads, "ask", _tells)
    for module in (records, operations, loads):
        monkeypatch.setattr(module, "node_name", lambda: "n1")
    monkeypatch.setattr(inquiry, "survey", survey(cluster))
    monkeypatch.setattr(book, "read", lambda: own.entries())
    spawned: list[Mapping[str, Any]] = []
    identity = Identity(Declared(folder), lambda: keys, ledger, now=clock, sleep=clock.sleep)
    made: list[House] = []
    eyes = Eyes(lambda: made[0].watched(), lambda _status: [])
    steward = Steward(
        identity,
        ledger,
        desk=Desk(ledger, spawned.append),
        eyes=eyes,
        consoles=Consoles(eyes, _nobody, clock, clock.sleep),
        watched=lambda: made[0].watched(),
        cluster=lambda: made[0].watched(),
        keys=lambda: keys,
        folder=folder,
    )
    made.append(House(steward, cluster, ledger, clock, folder, keys, spawned))
    return made[0]
