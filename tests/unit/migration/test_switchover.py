# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One of a VM and not two, whoever died in the last moment of its migration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus, NodeStatus
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import LibvirtUnreachable
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.plugins.module_utils.migration import switchover
from ansible_collections.cspp.drover.plugins.module_utils.migration.switchover import (
    Unknown,
    gone,
    landed,
    runs,
    service,
)
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("answer", [True, False])
def test_the_target_tells(answer: bool) -> None:
    assert landed("web", "n2", 5, ask_node=lambda *_arguments: {"landed": answer}) is answer


def test_a_target_is_asked_until_it_answers_or_is_dead() -> None:
    answers: Iterator[Any] = iter([PeerError("no"), PeerError("no"), {"landed": True}])

    def ask_node(*_arguments: Any) -> dict[str, Any]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found

    clock = Clock()
    how: Any = {"ask_node": ask_node, "clock": clock, "sleep": clock.sleep}
    assert landed("web", "n2", 60, is_dead=lambda _node: False, **how)
    answers = iter([PeerError("no")] * 2)
    deaths = iter([False, True])
    assert not landed("web", "n2", 60, is_dead=lambda _node: next(deaths), **how)
    answers = iter([PeerError("no route")] * 1000)
    with pytest.raises(Unknown, match="cannot be told: no route"):
        landed("web", "n2", 60, is_dead=lambda _node: False, **how)


class Peer:
    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.said.append(message)


class Host:
    """libvirt at the target: ``states`` are what it says, one after the other; None is a daemon that is away."""

    states: list[State | None]
    destroyed = False

    def __init__(self) -> None:
        self.state = Host.states.pop(0) if len(Host.states) > 1 else Host.states[0]
        if self.state is None:
            raise LibvirtUnreachable("away")

    def seen(self, _guest: str) -> Seen:
        assert self.state is not None
        return Seen(self.state)

    def destroy(self, _guest: str) -> None:
        Host.destroyed = True


@pytest.mark.parametrize(
    ("states", "told", "destroyed"),
    [
        ([State.RUNNING], True, False),
        ([None, None, State.RUNNING], True, False),
        ([State.INCOMING], False, True),
        ([None, State.FAILED], False, True),
        ([State.ABSENT], False, True),
    ],
)
def test_what_does_not_run_at_the_target_is_removed(
    monkeypatch: pytest.MonkeyPatch, states: list[State | None], told: bool, destroyed: bool
) -> None:
    Host.states, Host.destroyed = list(states), False
    monkeypatch.setattr(switchover, "LibvirtHost", Host)
    monkeypatch.setattr(switchover, "kill_emulator", lambda *_arguments: True)
    monkeypatch.setattr(switchover, "_AGAIN", 0.001)
    peer: Any = Peer()
    service({"guest": "web"}, peer)
    assert (peer.said, Host.destroyed) == ([{"landed": told}], destroyed)


def test_a_daemon_that_stays_away_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Host.states = [None]
    monkeypatch.setattr(switchover, "LibvirtHost", Host)
    monkeypatch.setattr(switchover, "_AGAIN", 0.001)
    monkeypatch.setattr(switchover, "_DAEMON_PATIENCE", 0.01)
    peer: Any = Peer()
    with pytest.raises(PeerError, match="does not tell"):
        service({"guest": "web"}, peer)
    assert peer.said == []


@pytest.mark.parametrize(
    ("pid", "state", "told"),
    [(None, State.ABSENT, False), (7, State.INCOMING, False), (7, State.RUNNING, True), (7, State.FAILED, False)],
)
def test_whether_it_runs_here(monkeypatch: pytest.MonkeyPatch, pid: int | None, state: State, told: bool) -> None:
    Host.states = [state]
    monkeypatch.setattr(switchover, "LibvirtHost", Host)
    monkeypatch.setattr(switchover, "emulator_pid", lambda _guest: pid)
    peer: Any = Peer()
    runs({"guest": "web"}, peer)
    assert peer.said == [{"runs": told, "here": pid is not None}]


def test_what_is_gone_from_a_node() -> None:
    assert gone("web", "n2", 60, lambda *_arguments: {"runs": False, "here": False})
    assert not gone("web", "n2", 60, lambda *_arguments: {"runs": False, "here": True})


@pytest.mark.parametrize(
    ("online", "unclean", "quorum", "fencing", "dead", "fenced"),
    [
        (True, False, True, True, False, False),
        (False, False, True, True, True, False),
        (False, True, True, True, True, True),
        (False, True, False, True, False, False),
        (False, True, True, False, False, False),
    ],
)
def test_a_lost_node_is_fenced_by_whoever_has_to_know_that_it_is_dead(
    monkeypatch: pytest.MonkeyPatch, online: bool, unclean: bool, quorum: bool, fencing: bool, dead: bool, fenced: bool
) -> None:
    calls: list[str] = []
    others = tuple(NodeStatus(name, True, False, False, False, False, False) for name in ("n1", "n3"))

    class Cluster:
        def status(self) -> ClusterStatus:
            node = NodeStatus("n2", online, False, False, False, unclean, False)
            # What the coordinator wrote of the quorum may be old.
            return ClusterStatus("n1", True, fencing, False, (node, *others))

        def has_quorum(self) -> bool:
            return quorum

        def fence(self, node: str, _seconds: float) -> None:
            calls.append(node)

    def nobody(*_arguments: Any) -> dict[str, Any]:
        raise PeerError("no route")

    monkeypatch.setattr(pacemaker, "Pacemaker", Cluster)
    assert gone("web", "n2", 60, nobody) == dead
    assert calls == (["n2"] if fenced else [])
    others = others[:1]
    assert gone("web", "n2", 60, nobody) == (dead and not unclean)
