# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest on local storage starts where its data is."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError
from ansible_collections.cspp.drover.plugins.module_utils.storage import ownership
from ansible_collections.cspp.drover.tests.unit.cluster_samples import failure, guest, status

LOCAL = {"rootfs": {"type": "directory", "path": "/pool/containers/mc/rootfs", "shared": False}}
SHARED = {"rootfs": {"type": "directory", "path": "/pool/containers/mc/rootfs"}}
MIXED = {"disks": [{"source": {"path": "/a"}}, {"source": {"path": "/b", "shared": False}}]}
HERE = os.uname().nodename


class Cluster:
    def __init__(self, keeper: str | Exception | None, *failures: Any) -> None:
        self.keeper = keeper
        self.failures = failures
        self.retried: list[str] = []
        self.handed: list[tuple[str, str, str]] = []
        self.refuses: ClusterError | None = None

    def data_of(self, _guest: str) -> str | None:
        if isinstance(self.keeper, Exception):
            raise self.keeper
        return self.keeper

    def status(self) -> Any:
        return status(guest("mc", HERE), failures=self.failures)

    def retry(self, name: str) -> None:
        if self.refuses:
            raise self.refuses
        self.retried.append(name)

    def hand_over(self, name: str, source: str, target: str) -> None:
        if self.refuses:
            raise self.refuses
        self.handed.append((name, source, target))


@pytest.mark.parametrize(
    ("definition", "keeper", "reason"),
    [
        (LOCAL, HERE, None),
        (LOCAL, "node9", "the data of mc is on node9"),
        # Before and after any other in the alphabet.
        (LOCAL, "0", "the data of mc is on 0"),
        (LOCAL, "zz", "the data of mc is on zz"),
        (MIXED, "node9", "the data of mc is on node9"),
        (LOCAL, None, "run playbooks/guests.yml"),
        (LOCAL, ClusterError("no quorum"), "no quorum"),
        (SHARED, "node9", None),
    ],
)
def test_a_guest_starts_where_its_data_is(
    monkeypatch: pytest.MonkeyPatch, definition: dict[str, Any], keeper: str | Exception | None, reason: str | None
) -> None:
    monkeypatch.setattr(ownership, "Pacemaker", lambda: Cluster(keeper))
    if reason is None:
        ownership.require_here("mc", definition)
    else:
        with pytest.raises(ownership.OwnershipError, match=reason):
            ownership.require_here("mc", definition)


@pytest.mark.parametrize(
    ("failures", "retried"), [((), []), ((failure("start"),), ["mc"]), ((failure("monitor"),), [])]
)
def test_refusals_are_forgotten(monkeypatch: pytest.MonkeyPatch, failures: tuple[Any, ...], retried: list[str]) -> None:
    cluster = Cluster(HERE, *failures)
    monkeypatch.setattr(ownership, "Pacemaker", lambda: cluster)
    ownership.forget_refusals("mc")
    assert cluster.retried == retried


@pytest.mark.parametrize(
    ("keeper", "corrected"),
    [
        (HERE, False),
        (None, False),
        ("node9", True),
        (ClusterError("no quorum"), False),
    ],
    ids=["known", "nobody has it", "thought elsewhere", "silent"],
)
def test_a_guest_that_runs_here_has_its_data_here(
    monkeypatch: pytest.MonkeyPatch, keeper: str | Exception | None, corrected: bool
) -> None:
    cluster = Cluster(keeper)
    monkeypatch.setattr(ownership, "Pacemaker", lambda: cluster)
    assert ownership.claim("mc") is corrected
    assert cluster.handed == ([("mc", "node9", HERE)] if corrected else [])


def test_what_the_cluster_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster("node9", failure("start"))
    cluster.refuses = ClusterError("no quorum")
    monkeypatch.setattr(ownership, "Pacemaker", lambda: cluster)
    with pytest.raises(ownership.OwnershipError, match="no quorum"):
        ownership.hand_over("mc", "node9", HERE)
    with pytest.raises(ownership.OwnershipError, match="for the next minutes: no quorum"):
        ownership.forget_refusals("mc")
    assert ownership.claim("mc") is False
