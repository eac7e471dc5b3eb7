# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When Ceph is told that a node is gone, and what."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.lost import (
    Doings,
    Lost,
    LostError,
    SwitchedOnError,
    doings,
    turn,
    verified,
)

MEMBERS = ["node1", "node2", "node3"]
NOW = datetime.datetime.fromisoformat("2026-11-29 01:00:10+00:00").timestamp()


def event(**more: str) -> str:
    told = {"action": "off", "target": "node1", "status": "success", "delegate": "node2", **more}
    told = {"completed": "2026-11-29 01:00:05 +00:00".replace(" +", "+"), **told}
    return f"<fence_event {' '.join(f'{key}={json.dumps(value)}' for key, value in told.items())}/>"


def history(*events: str) -> str:
    return f"<pacemaker-result><fence_history>{''.join(events)}</fence_history></pacemaker-result>"


def test_a_power_controller_s_word_counts() -> None:
    assert verified(history(event()), "node1", MEMBERS, NOW) == "node2"
    assert verified(history(event(action="reboot")), "node1", MEMBERS, NOW) == "node2"


def test_that_a_node_goes_on_again_is_told_from_trouble() -> None:
    with pytest.raises(SwitchedOnError):
        verified(history(event(), event(action="on", completed="2026-11-29 01:00:08+00:00")), "node1", MEMBERS, NOW)
    with pytest.raises(LostError) as failed:
        verified(history(event(action="on", status="failed")), "node1", MEMBERS, NOW)
    assert not isinstance(failed.value, SwitchedOnError)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((), "nobody has fenced"),
        ((event(target="node3"),), "nobody has fenced"),
        ((event(delegate="a human"),), "by no power controller"),
        ((event(delegate="node9"),), "by no power controller"),
        ((event(status="failed"),), "done last"),
        ((event(action="on"),), "done last"),
        ((event(completed="2026-11-29 00:50:00+00:00"),), "may be on again"),
        # Whoever was switched on again since is not gone.
        ((event(), event(action="on", completed="2026-11-29 01:00:08+00:00")), "done last"),
        ((event(), event(delegate="a human", completed="2026-11-29 01:00:08+00:00")), "by no power controller"),
    ],
)
def test_no_other_word_does(events: tuple[str, ...], why: str) -> None:
    with pytest.raises(LostError, match=why):
        verified(history(*events), "node1", MEMBERS, NOW)


def test_monitors_take_turns() -> None:
    assert [turn(here, MEMBERS, "node1") for here in ("node1", "node2", "node3", "node4")] == [None, 0, 1, None]


TREE = {
    "nodes": [
        {"id": -1, "name": "default", "type": "root", "children": [-3, -5]},
        {"id": -3, "name": "node1", "type": "host", "children": [0, 3]},
        {"id": -5, "name": "node2", "type": "host", "children": [1]},
        {"id": 0, "name": "osd.0", "type": "osd", "status": "up"},
        {"id": 3, "name": "osd.3", "type": "osd", "status": "down"},
        {"id": 1, "name": "osd.1", "type": "osd", "status": "up"},
    ]
}
SYSTEMS = {
    "filesystems": [{"mdsmap": {"info": {"gid_1": {"name": "node1"}}}}],
    "standbys": [{"name": "node2"}],
}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        # One of its OSDs is down already.
        ("node1", Doings((0, 3), ("10.0.0.1:0/1",), True)),
        # Its metadata server stands by.
        ("node2", Doings((1,), ("10.0.0.1:0/1",), False)),
        ("node3", Doings((), ("10.0.0.1:0/1",), False, news=False)),
    ],
)
def test_what_is_told(node: str, expected: Doings) -> None:
    assert doings(node, TREE, SYSTEMS, ["10.0.0.1:0/1"]) == expected


class Monitors:
    """Monitors that carry out every order but those of one kind, and what they were asked."""

    def __init__(self, refused: str = "") -> None:
        self.asked: list[Mapping[str, Any]] = []
        self._refused = refused

    def ask(self, command: Mapping[str, Any]) -> str:
        self.asked.append(command)
        if command["prefix"] == self._refused:
            raise LostError(f"Ceph does not do {self._refused}: Permission denied.")
        answers = {"osd tree": json.dumps(TREE), "fs dump": json.dumps(SYSTEMS)}
        return answers.get(str(command["prefix"]), "")


def test_it_is_told_as_monitors_take_it() -> None:
    monitors = Monitors()
    lost = Lost("node1", monitors, say=lambda _text: None)
    lost.tell(lost.look(["10.0.0.1:0/1"]))
    told = monitors.asked[2:]
    assert sorted(str(command["prefix"]) for command in told) == ["mds fail", "osd blocklist", "osd down"]
    assert {"prefix": "osd down", "ids": ["0", "3"], "definitely_dead": True} in told


def test_what_is_done_is_said_also_when_something_is_not() -> None:
    said: list[str] = []
    lost = Lost("node1", Monitors("mds fail"), say=said.append)
    with pytest.raises(LostError, match=r"^Ceph does not do mds fail: Permission denied\.$"):
        lost.tell(lost.look(["10.0.0.1:0/1"]))
    assert [text.partition(": ")[2].split()[1] for text in said] == ["down", "blocklist"]
