# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodes on which agents are tried: one with what a VM needs, one with what a container needs."""

from __future__ import annotations

import syslog
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container, full_storage
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import accelerator
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.migration import disk_notes, disk_switch, whereabouts
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.plugins.module_utils.storage import id_shift
from ansible_collections.cspp.drover.tests.unit.agents.vm_node import RECORDED


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A node with an accelerator and the VM's disk."""
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(accelerator, "RECORD", tmp_path / "accelerator.json")
    monkeypatch.setattr(moves, "_FOLDER", tmp_path / "moves")
    monkeypatch.setattr(full_storage, "_TOLD", tmp_path / "notes")
    monkeypatch.setattr(disk_notes, "_FOLDER", tmp_path / "disks")
    monkeypatch.setattr(disk_switch, "LOCKS", tmp_path / "locks")
    RECORDED.clear()
    monkeypatch.setattr(book, "record", RECORDED.append)
    monkeypatch.setattr(book, "members", list)
    monkeypatch.setattr(whereabouts, "elsewhere", lambda *_asked, **_how: None)
    (tmp_path / "accelerator.json").write_text('{"accelerator": "tcg"}')
    (tmp_path / "vda.qcow2").touch()
    return tmp_path


@pytest.fixture
def rootfs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(container, "controllers", lambda: {"memory", "cpu"})
    monkeypatch.setattr(whereabouts, "elsewhere", lambda *_asked, **_how: None)
    monkeypatch.setattr(id_shift, "settle", lambda *_arguments: 0)
    monkeypatch.setattr(id_shift, "confine", lambda *_arguments: None)
    (tmp_path / "rootfs/sbin").mkdir(parents=True)
    return tmp_path / "rootfs"
