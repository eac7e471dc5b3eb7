# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A live migration that fails leaves the VM running where it was and the cluster clean, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.cspp.drover.tests.clients import SessionProbe

from ..lab import Lab, address, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("broken")

LIBVIRT_TLS = "16514"


@contextmanager
def deaf(lab: Lab, node: str) -> Iterator[None]:
    """The node's libvirt cannot be reached by the others."""
    on_node = lab.ssh(node)
    table = ["inet", "test-deaf"]
    on_node(["nft", "add", "table", *table])
    try:
        chain = "{ type filter hook input priority 0; }"
        on_node(["nft", "add", "chain", *table, "input", chain])
        on_node(["nft", "add", "rule", *table, "input", "tcp", "dport", LIBVIRT_TLS, "reject", "with", "tcp", "reset"])
        yield
    finally:
        on_node(["nft", "delete", "table", *table])


def test_a_failed_migration_changes_nothing(lab: Lab, declared: dict[str, dict[str, Any]]) -> None:
    wait_until_answering(declared["game"], timeout=60)
    source = lab.where("game")
    target = next(node for node in lab.nodes if node != source)
    session = SessionProbe(address(declared["game"]))
    session.start()
    with deaf(lab, target):
        # The preflight would see it: this is about what it cannot see.
        failed = play("migrate", guest="game", to=target, ignore=["libvirt_unreachable"])
    assert failed.rc != 0
    told = "\n".join(failed.failures)
    assert "game" in told and target in told
    seen = session.stop()
    assert seen.alive, seen.broken
    assert lab.where("game") == source
    assert lab.instances("game") == {"game": 1}
    assert lab.status().failures == ()
    assert not [name for name in lab.configuration().constraints if "-move-" in name]

    succeed("migrate", guest="game", to=target)
    assert lab.where("game") == target
