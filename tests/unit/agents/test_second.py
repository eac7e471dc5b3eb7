# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Never a second one of a container on shared storage, whatever Pacemaker was told."""

from __future__ import annotations

import os
import syslog
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container, glance, second
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code
from ansible_collections.cspp.drover.plugins.module_utils.cluster import pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline
from ansible_collections.cspp.drover.plugins.module_utils.migration import whereabouts
from ansible_collections.cspp.drover.plugins.module_utils.storage import lease
from ansible_collections.cspp.drover.tests.unit.cluster_samples import node, status
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime

from .container_node import Host, definition, request

HERE = os.uname().nodename


def seen(fencing: bool = True, **of_n2: Any) -> ClusterStatus:
    return replace(status(nodes=(node("n1"), node("n2", **of_n2))), fencing=fencing)


def holder(rootfs: Path) -> str:
    found = lease.look(rootfs)
    return found.node if found else ""


def test_a_start_takes_the_lease_a_stop_gives_it_back(rootfs: Path) -> None:
    host: Any = Host("STOPPED", "RUNNING")
    assert container.start(request(rootfs, "start"), host) is Code.SUCCESS
    assert holder(rootfs) == HERE
    assert container.stop(request(rootfs, "stop"), Host("STOPPED")) is Code.SUCCESS  # type: ignore[arg-type]
    assert holder(rootfs) == ""


def test_a_start_that_fails_holds_nothing(rootfs: Path) -> None:
    host: Any = Host("STOPPED", "STOPPED")
    with pytest.raises(AgentError, match="ended at once"):
        container.start(request(rootfs, "start"), host)
    assert holder(rootfs) == ""


def test_nobody_is_waited_for_about_one_that_ended_here_a_moment_ago(
    rootfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(_name: str, seconds: float, question: str) -> str:
        assert seconds == 0.0
        raise whereabouts.Unheard("n3 does not tell")

    monkeypatch.setattr(whereabouts, "elsewhere", elsewhere)
    monkeypatch.setattr(glance, "claimed", lambda name: name == "web")
    host: Any = Host("STOPPED", "RUNNING")
    assert container.start(request(rootfs, "start"), host) is Code.SUCCESS
    assert holder(rootfs) == HERE


def test_one_that_somebody_moved_by_hand_has_not_ended_here(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "elsewhere", lambda *_, **__: "n3")
    monkeypatch.setattr(glance, "claimed", lambda name: name == "web")
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match="web runs on n3"):
        container.start(request(rootfs, "start"), host)


def test_one_that_runs_elsewhere_is_not_started(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def elsewhere(_name: str, _seconds: float, question: str) -> str:
        asked.append(question)
        return "n3"

    monkeypatch.setattr(whereabouts, "elsewhere", elsewhere)
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match="web runs on n3, though the cluster does not know"):
        container.start(request(rootfs, "start"), host)
    assert (asked, host.calls, holder(rootfs)) == (["runs"], [], "")


def test_a_member_that_does_not_tell_is_not_taken_for_one_that_says_no(
    rootfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(*_asked: Any, **_how: Any) -> None:
        raise whereabouts.Unheard("n3 does not tell: timed out")

    monkeypatch.setattr(whereabouts, "elsewhere", elsewhere)
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match=r"it may run on another node: n3 does not tell"):
        container.start(request(rootfs, "start"), host)
    assert host.calls == []


@pytest.mark.parametrize(
    ("told", "waits"),
    [
        # It says itself that it does not run there, it was fenced, or it was shut down.
        (seen(), False),
        (seen(online=False), False),
        # Nobody has made sure.
        (seen(online=False, unclean=True), True),
        (seen(fencing=False, online=False), True),
    ],
)
@pytest.mark.parametrize("beats", [True, False])
def test_a_lease_delays_no_recovery_after_fencing_and_else_is_watched(
    rootfs: Path, monkeypatch: pytest.MonkeyPatch, told: ClusterStatus, waits: bool, beats: bool
) -> None:
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(pacemaker.Pacemaker, "status", lambda _self: told)
    lease.take(rootfs, "n2", None)
    clock = FakeTime()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if beats and clock() > 12:
            os.utime(lease.place(rootfs), (clock(), clock()))

    began = clock()
    inside: list[str] = []

    def start() -> None:
        with second.held(definition(rootfs), Deadline(100, clock, sleep)):
            inside.append(holder(rootfs))

    if waits and beats:
        with pytest.raises(AgentError, match="web runs on n2, which is no running member"):
            start()
        assert (inside, holder(rootfs)) == ([], "n2")
    else:
        start()
        assert inside == [HERE]
        assert (clock() - began > 20) is waits


def test_a_lease_of_a_node_that_is_none_is_watched(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(pacemaker.Pacemaker, "status", lambda _self: seen())
    assert not second._is_gone("another cluster's")


def monitored(rootfs: Path) -> str:
    return container._renewed_lease(request(rootfs, "monitor"))


def test_a_monitor_renews_it_and_tells_of_another_holder(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _level, words: log.append(words))
    assert monitored(rootfs) == str(lease.place(rootfs))
    assert holder(rootfs) == HERE
    lease.give_back(rootfs, HERE)
    lease.take(rootfs, "n9", None)
    assert monitored(rootfs) == ""
    assert "n9 holds its lease" in log[-1]
    local = request(rootfs, "monitor", rootfs={"type": "directory", "path": str(rootfs), "shared": False})
    assert container._renewed_lease(local) == ""
