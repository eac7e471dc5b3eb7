# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that waited for storage start again when it was mounted."""

from __future__ import annotations

import syslog

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import storage_back
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.tests.unit.cluster_samples import failure, guest, status

SEEN = status(
    guest("waits"),
    guest("runs", "n2"),
    guest("elsewhere"),
    guest("odd"),
    guest("fence", agent="stonith:fence_ipmilan"),
    failures=(
        failure("start", "waits"),
        failure("start", "waits", "n2"),
        failure("start", "runs"),
        failure("start", "elsewhere", "n2"),
        failure("stop", "odd"),
        failure("start", "fence"),
    ),
)


def test_those_that_failed_to_start_here_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(storage_back, "node_name", lambda: "n1")
    monkeypatch.setattr(Pacemaker, "status", lambda _self: SEEN)
    monkeypatch.setattr(Pacemaker, "retry", lambda _self, name: tried.append(name))
    assert storage_back.main() == 0
    assert tried == ["waits"]


def test_a_node_that_is_booting_has_nothing_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_self: Pacemaker) -> None:
        raise ClusterError("not a running member")

    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(Pacemaker, "status", down)
    assert storage_back.main() == 0
