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

    def data_of(self, _guest: str) -> str | None:
        if isinstance(self.keeper, Exception):
            raise self.keeper
        return self.keeper

    def status(self) -> Any:
        return status(guest("mc", HERE), failures=self.failures)

    def retry(self, name: str) -> None:
        self.retried.append(name)


@pytest.mark.parametrize(
    ("definition", "keeper", "reason"),
    [
        (LOCAL, HERE, None),
        (LOCAL, "node9", "the data of mc is on node9"),
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
