# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be there before a container is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container_start


def test_no_root_file_system_no_start(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"waits for its storage: .* is not mounted here"):
        container_start.require_files({"name": "web", "rootfs": {"path": str(tmp_path)}})
