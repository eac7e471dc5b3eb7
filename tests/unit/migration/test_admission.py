# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's target lets it in before it comes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.packet_filter import FilterError
from ansible_collections.cspp.drover.plugins.module_utils.migration import admission
from ansible_collections.cspp.drover.plugins.module_utils.migration.admission import (
    NotAdmitted,
    admit_at,
    admit_unannounced,
    service,
)
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError

GUEST = {"kind": "vm", "name": "web", "memory": 1, "disks": [], "nics": []}


class Filter:
    """A node's filter that says what it was told."""

    wanted = True
    refuses = ""
    told: list[Any]

    def admit(self, definition: Any, also: Any = None) -> None:
        if self.refuses:
            raise FilterError(self.refuses)
        self.told.append((definition["name"], also))

    def known(self, name: str) -> dict[str, list[str]]:
        return {"52:54:00:00:00:01": ["10.0.0.20/24"]}

    def knows(self, name: str) -> bool:
        return name == "known"


class Told:
    def __init__(self) -> None:
        self.said: list[Any] = []

    def send(self, message: Any) -> None:
        self.said.append(message)


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> Filter:
    found = Filter()
    found.told = []
    monkeypatch.setattr(admission, "PacketFilter", lambda: found)
    return found


def test_the_target_is_told_all_that_is_known(packets: Filter) -> None:
    asked, said = [], list[str]()

    def ask(*question: Any) -> dict[str, Any]:
        asked.append(question)
        return {}

    admit_at("node2", GUEST, said.append, ask)
    [(node, request, _patience)] = asked
    assert (node, said) == ("node2", [])
    answer = Told()
    service(request, answer)  # type: ignore[arg-type]
    assert packets.told == [("web", {"52:54:00:00:00:01": ["10.0.0.20/24"]})]
    assert answer.said == [{}]


def test_a_target_that_cannot_let_it_in_keeps_it_where_it_is(packets: Filter) -> None:
    packets.refuses = "nft says no"
    answer = Told()
    service({"guest": "web", "definition": GUEST}, answer)  # type: ignore[arg-type]
    with pytest.raises(NotAdmitted, match="node2: nft says no"):
        admit_at("node2", GUEST, print, lambda *_question: answer.said[0])


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("node2: this node knows no 'admit': its Drover is of another version; run site.yml", []),
        ("node2 cannot be asked", ["node2 lets it in only when it is there (node2 cannot be asked)"]),
    ],
)
def test_a_target_that_does_not_know_of_it_is_told_when_it_has_come(
    packets: Filter, error: str, word: list[str]
) -> None:
    def ask(*_question: Any) -> dict[str, Any]:
        raise PeerError(error)

    said = list[str]()
    admit_at("node2", GUEST, said.append, ask)
    assert said == word


def test_without_a_filter_nobody_is_asked(packets: Filter) -> None:
    packets.wanted = False
    admit_at("node2", GUEST, print, lambda *_question: pytest.fail("was asked"))


def test_a_definition_of_another_guest_is_refused(packets: Filter) -> None:
    with pytest.raises(PeerError, match="the definition of db is that of web"):
        service({"guest": "db", "definition": GUEST}, Told())  # type: ignore[arg-type]


def test_one_that_comes_unannounced_is_let_in_as_the_cluster_knows_it(
    packets: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "defined_guests", lambda: {"web": GUEST})
    for name in ("web", "known", "stranger"):
        admit_unannounced(name)
    assert packets.told == [("web", None)]
    packets.refuses = "nft says no"
    admit_unannounced("web")
