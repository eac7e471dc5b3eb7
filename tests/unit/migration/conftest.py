# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests of a whole migration need at its other end: a target that answers, and no packets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.migration import live, packets, settling, switchover, watching
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.tests.unit.migration.live_host import MIB, Forwarder


@pytest.fixture
def at_the_target(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the target says about the VM, and what was done to its process here meanwhile."""
    what: dict[str, Any] = {"landed": False, "done": []}

    def landed(*_arguments: Any) -> bool:
        if isinstance(what["landed"], Exception):
            raise what["landed"]
        return bool(what["landed"])

    monkeypatch.setattr(switchover, "landed", landed)
    to_watch = ((settling, "hold"), (settling, "kill"), (switchover, "kill"), (switchover, "let_go"), (live, "kill"))
    for where, name in to_watch:
        monkeypatch.setattr(where, name, lambda _guest, name=name: what["done"].append(name))
    return what


@pytest.fixture
def forwarders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Forwarder]:
    Forwarder.made = []
    monkeypatch.setattr(packets, "Forwarder", Forwarder)
    monkeypatch.setattr(Pacemaker, "status", lambda _self: SimpleNamespace(resources=()))
    monkeypatch.setattr(watching, "speed", lambda _target: 1000 * MIB)
    monkeypatch.setattr(moves, "_FOLDER", tmp_path)
    return Forwarder.made
