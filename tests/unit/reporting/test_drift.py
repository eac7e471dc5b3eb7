# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drift: what guests.yml would do now, told by a node that has no inventory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import parse_status
from ansible_collections.cspp.drover.plugins.module_utils.declaration.checkout import NO_CHECKOUT, checkout
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.reporting import drift
from ansible_collections.cspp.drover.plugins.modules import cluster_status_info, declared, guests
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB, STATUS, FakeCluster
from ansible_collections.cspp.drover.tests.unit.test_cluster_modules import ASKED, MC

COMMIT = "3f2c1a9d4e5b60718293a4b5c6d7e8f901234567"
STATUS_SEEN = parse_status(STATUS)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> book.Book:
    """This node's journal and record, which modules use."""
    found = book.Book(tmp_path / "journal")
    monkeypatch.setattr(drift, "FILE", tmp_path / "declared.json")
    monkeypatch.setattr(
        drift.keep,
        "__kwdefaults__",
        {
            "path": tmp_path / "declared.json",
            "entries": found.entries,
            "record": lambda entry: book.record(entry, found, ()),
        },
    )
    return found


def told(own: book.Book, cib: str = CIB) -> dict[str, Any]:
    return drift.drift(cib, STATUS_SEEN, own.entries(), drift.FILE)


def test_nobody_can_tell_before_anything_was_declared(own: book.Book) -> None:
    seen = told(own)
    assert (seen["drift"], seen["commit"]) == (None, None)
    assert "guests.yml has not been run" in seen["unknown"]
    assert drift.reminder(seen) == []


def test_what_was_declared_is_kept_with_its_commit_and_compared(own: book.Book, call: Call, on: Any) -> None:
    said = {"guests": [ASKED], "commit": COMMIT, "dirty": True}
    assert not call(declared, check=True, **said, tell=True)["changed"]
    call(declared, **said)
    # One node tells for all.
    assert own.entries() == []
    for _time in range(2):
        assert not call(declared, **said, tell=True)["changed"]
    # Told once, though run twice; and root alone reads what may hold secrets.
    [entry] = own.entries()
    assert entry["reason"] == f"guests: 1, commit {COMMIT[:12]}, with changes that are not committed"
    assert drift.FILE.stat().st_mode & 0o777 == 0o600
    seen = told(own)
    assert (seen["commit"], seen["dirty"], seen["drift"], seen["unknown"]) == (COMMIT, True, {}, "")
    # The same code says that there is nothing to do.
    on(guests, FakeCluster())
    assert not call(guests, check=True, guests=[ASKED])["changed"]


def by_hand(cib: str, *constraints: Location) -> str:
    return reconcile(cib, Wanted(constraints=constraints)).xml


@pytest.mark.parametrize(
    ("cib", "expected"),
    [
        (
            by_hand(CIB, Location("drover-prefer-mc.n2", "mc", "n2", "7")),
            {"mc": ["update location drover-prefer-mc.n2"]},
        ),
        (CIB.replace('name="priority" value="10"', 'name="priority" value="99"'), {"mc": ["update resource mc"]}),
        (
            reconcile(CIB, Wanted(absent=frozenset({"drover-apart-mc.web"}))).xml,
            {"mc": ["create colocation drover-apart-mc.web"]},
        ),
        # What a verb has under way is none.
        (by_hand(CIB, Location("drover-move-mc", "mc", "n3", "INFINITY")), {}),
    ],
)
def test_what_somebody_has_changed_by_hand_is_told(
    own: book.Book, call: Call, on: Any, cib: str, expected: dict[str, list[str]]
) -> None:
    call(declared, guests=[ASKED], commit=COMMIT, dirty=False, tell=True)
    seen = told(own, cib)
    assert seen["drift"] == expected
    # It is what the play predicts.
    on(guests, FakeCluster(cib=cib))
    assert call(guests, check=True, guests=[ASKED])["objects"] == [
        phrase for one in expected.values() for phrase in one
    ]
    assert [COMMIT[:12] in line and "mc" in line for line in drift.reminder(seen)] == [True] * len(expected)


def test_a_node_that_was_away_says_so(own: book.Book, call: Call) -> None:
    call(declared, guests=[ASKED], commit=COMMIT, dirty=False, tell=True)
    grown = {**ASKED, "definition": {**(MC or {}), "vcpus": 2}}
    text = drift.FILE.read_text()
    call(declared, guests=[grown], commit=None, dirty=None, tell=True)
    assert set(told(own)["drift"]) == {"mc"}
    drift.FILE.write_text(text)
    assert "was away when guests.yml was run last" in told(own)["unknown"]
    drift.FILE.write_text("torn")
    assert "has no record" in told(own)["unknown"]


def test_who_asks_all_the_time_is_answered_from_memory(
    own: book.Book, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(declared, guests=[ASKED], commit=COMMIT, dirty=False, tell=True)
    asked: list[str] = []

    def counted(*given: Any) -> Any:
        asked.append("computed")
        return reconcile(*given)

    monkeypatch.setattr(drift, "reconcile", counted)
    remembered = drift.Remembered(drift.FILE)
    assert remembered(CIB, STATUS_SEEN, own.entries()) == remembered(CIB, STATUS_SEEN, own.entries())
    assert asked == ["computed"]
    changed = CIB.replace('name="priority" value="10"', 'name="priority" value="99"').replace(
        'epoch="52"', 'epoch="53"'
    )
    assert set(remembered(changed, STATUS_SEEN, own.entries())["drift"]) == {"mc"}


def test_the_status_has_it(own: book.Book, call: Call, on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call(declared, guests=[ASKED], commit=COMMIT, dirty=False, tell=True)
    on(cluster_status_info, FakeCluster())
    monkeypatch.setattr(cluster_status_info, "known", own.entries)
    seen: Callable[..., Any] = drift.drift
    monkeypatch.setattr(drift, "drift", lambda *given: seen(*given, drift.FILE))
    assert call(cluster_status_info, changes=True)["declaration"]["commit"] == COMMIT
    assert "declaration" not in call(cluster_status_info)


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True)


def test_the_commit_of_an_inventory_and_whether_it_is_dirty(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    assert checkout(str(inventory)) == checkout(None) == NO_CHECKOUT
    (inventory / "guests.yml").write_text("guests: {}\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    clean = checkout(str(inventory))
    assert (len(clean["commit"]), clean["dirty"]) == (40, False)
    # What is beside the inventory is not declared.
    (tmp_path / "notes").write_text("")
    assert checkout(str(inventory)) == clean
    (inventory / "host_vars").write_text("")
    assert checkout(str(inventory)) == {**clean, "dirty": True}


def test_an_entry_of_another_kind_changes_nothing(own: book.Book, call: Call) -> None:
    call(declared, guests=[ASKED], commit=COMMIT, dirty=False, tell=True)
    own.add([{"id": "x", "kind": "vm", "guest": "mc", "started": "2099-01-01T00:00:00.000Z"}])
    assert told(own)["commit"] == COMMIT
    assert json.loads(drift.FILE.read_text())["commit"] == COMMIT
