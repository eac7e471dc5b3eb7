# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node renews its own certificates, and leaves alone what a play has to do for all nodes."""

from __future__ import annotations

import datetime
import json
import os
import syslog
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.trust import identity, keyfiles, pki, renewal
from ansible_collections.cspp.drover.plugins.module_utils.trust.identity import advance

AUTHORITIES = {"ca": pki.new_authority("ca"), "qemu-ca": pki.new_authority("qemu-ca")}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node with certificates of 90 days, of which 20 are left."""
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr(keyfiles, "_QUIET", 0.0)
    monkeypatch.setattr(identity, "_OPENING", 0.0)
    monkeypatch.setattr(identity, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(renewal, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(renewal, "DECLARED", tmp_path / "certificates.json")
    (tmp_path / "secrets").mkdir()
    for name, (key, certificate) in AUTHORITIES.items():
        (tmp_path / "secrets" / f"{name}.key").write_text(key)
        (tmp_path / "secrets" / f"{name}.crt").write_text(certificate)
    declare(tmp_path, days=21, renew_days=10)
    identities, subject = renewal.declared(tmp_path / "certificates.json", tmp_path / "secrets")
    for step in ("trust", "issue", "settle"):
        advance(identities, step, subject, look=False)
    declare(tmp_path, days=90, renew_days=30)
    return tmp_path


def declare(folder: Path, *, days: int, renew_days: int) -> None:
    def said(authority: str) -> dict[str, Any]:
        pair = {"certificate": str(folder / authority / "node.crt"), "key": str(folder / authority / "node.key")}
        return {"authority": authority, "bundle": str(folder / authority / "ca.crt"), "pairs": [pair]}

    declared = {
        "name": "node1",
        "names": ["node1"],
        "addresses": ["192.0.2.1"],
        "days": days,
        "renew_days": renew_days,
        "identities": [said("qemu-ca"), said("ca")],
    }
    (folder / "certificates.json").write_text(json.dumps(declared))


def left(folder: Path) -> list[int]:
    """The days that each certificate has left."""
    ends = [pki.ends((folder / name / "node.crt").read_text()) for name in AUTHORITIES]
    return [round((end.timestamp() - time.time()) / 86400) for end in ends]


def run(folder: Path) -> tuple[list[str], list[str]]:
    return renewal.renew(*renewal.declared(folder / "certificates.json", folder / "secrets"))


def test_what_is_near_its_end_is_renewed_once(node: Path) -> None:
    assert left(node) == [21, 21]
    renewed, troubles = run(node)
    assert [line.partition(", ")[0].rpartition(" ")[0] for line in renewed] == [
        "renewed the certificate of qemu-ca: it ends on",
        "renewed the certificate of ca: it ends on",
    ]
    assert (left(node), troubles) == ([90, 90], [])
    assert run(node) == ([], [])


def test_who_was_away_for_longer_than_they_last_renews_them_too(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(time.time() + 400 * 86400, tz)

    with monkeypatch.context() as clock:
        clock.setattr(datetime, "datetime", Later)
        assert run(node)[1] == []
    assert left(node) == [490, 490]
    # And if it was the clock that was wrong, this is noticed.
    assert "as the clock was when it was made" in run(node)[0][0]
    assert left(node) == [90, 90]


def test_what_another_authority_signed_is_left_to_a_play(node: Path) -> None:
    before = left(node)[0]
    # A play has begun to replace the authority, and was cut short before every node believed the new one.
    key, bundle = pki.rotate(AUTHORITIES["ca"])
    (node / "secrets" / "ca.key").write_text(key)
    (node / "secrets" / "ca.crt").write_text(bundle)
    renewed, troubles = run(node)
    assert left(node) == [before, 90]
    assert len(renewed) == 1
    assert troubles == ["the certificate of ca is left as it is, for another authority signed it: run certificates.yml"]


@pytest.mark.parametrize(
    ("later", "told"),
    [
        (0, []),
        (8, ["the certificate qemu-ca is good for 12 more days", "the certificate ca is good for 12 more days"]),
        (30, ["the certificate qemu-ca is good for 0 more days", "the certificate ca is good for 0 more days"]),
    ],
)
def test_what_was_not_renewed_in_time_is_told(node: Path, later: int, told: list[str]) -> None:
    identities, _subject = renewal.declared()
    lines = renewal.overdue(identities, time.time() + later * 86400)
    assert [line.partition(";")[0] for line in lines] == told
    years = renewal.overdue(identities, time.time() + (pki.AUTHORITY_DAYS - 100) * 86400)
    assert years[1] == "the authority qemu-ca is good for 99 more days; run certificates.yml"


@pytest.mark.parametrize(
    ("harm", "status", "told"),
    [
        (lambda _node: None, 0, "renewed the certificate of qemu-ca"),
        (lambda node: (node / "certificates.json").unlink(), 1, "could not be looked after"),
        (lambda node: (node / "certificates.json").write_text("{}"), 1, "could not be looked after"),
        (lambda node: declare(node, days=30, renew_days=30), 1, "cannot be renewed 30 days before"),
        (lambda node: (node / "secrets" / "ca.crt").unlink(), 1, "could not be looked after"),
        (lambda node: (node / "ca" / "node.key").write_text("?"), 1, "for it cannot be read"),
    ],
    ids=["well", "undeclared", "empty", "senseless", "no authority", "no key"],
)
def test_the_service_says_whether_somebody_has_to_look(
    node: Path, monkeypatch: pytest.MonkeyPatch, harm: Any, status: int, told: str
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _level, line: lines.append(line))
    harm(node)
    assert renewal.main() == status
    assert any(told in line for line in lines), lines


def test_a_fault_in_the_consoles_part_hides_nothing_of_the_nodes(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _level, line: lines.append(line))
    monkeypatch.setattr(renewal, "CONSOLE", node / "console-certificates.json")
    assert renewal.files() == [renewal.DECLARED]
    (node / "console-certificates.json").write_text("{}")
    assert renewal.main() == 1
    assert sum("renewed the certificate of" in line for line in lines) == 2
    assert sum("could not be looked after" in line for line in lines) == 1
