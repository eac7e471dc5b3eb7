# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests of libvirt need: a folder of the daemon's own records that is empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import emulator


@pytest.fixture(autouse=True)
def run_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(emulator, "_RUN", tmp_path)
    return tmp_path
