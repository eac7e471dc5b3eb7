# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be there before a container is started."""

from __future__ import annotations

import os
import syslog
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container_start
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError
from ansible_collections.cspp.drover.plugins.module_utils.storage import id_shift
from ansible_collections.cspp.drover.plugins.module_utils.storage.id_shift import Unfinished

from .container_node import Host, definition


def test_no_root_file_system_no_start(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"waits for its storage: .* is not mounted here"):
        container_start.require_files({"name": "web", "rootfs": {"path": str(tmp_path)}})


@pytest.mark.parametrize(
    "has", [{"devices": ["/dev/none"]}, {"mounts": [{"source": "/none", "target": "/media", "read_only": True}]}]
)
def test_a_node_without_what_the_container_is_given_of_it_does_not_start_it(rootfs: Path, has: dict[str, Any]) -> None:
    with pytest.raises(AgentError, match=r"cannot start here, this node has no (/dev)?/none"):
        container_start.require_files(definition(rootfs, **has))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
@pytest.mark.parametrize("privileged", [True, False])
def test_before_it_starts_the_files_are_those_of_its_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, privileged: bool
) -> None:
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    (tmp_path / "web/rootfs/sbin").mkdir(parents=True)
    its = definition(tmp_path / "web/rootfs", idmap={"start": 10_065_536, "count": 65_536}, privileged=privileged)
    seen: list[int] = []
    host = Host("RUNNING")
    monkeypatch.setattr(
        host, "start", lambda *_: seen.append((tmp_path / "web/rootfs/sbin").stat().st_uid), raising=False
    )
    container_start.start(host, its, 60.0)  # type: ignore[arg-type]
    assert seen == [0 if privileged else 10_065_536]
    folder = (tmp_path / "web").stat()
    assert (folder.st_mode & 0o777, folder.st_gid) == (0o750, seen[0])


def test_it_does_not_start_with_half_of_its_files(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unfinished(*_arguments: Any) -> int:
        raise Unfinished("not all of them")

    monkeypatch.setattr(id_shift, "settle", unfinished)
    host = Host("STOPPED")
    with pytest.raises(AgentError, match=r"cannot start yet: not all of them. Every start goes on"):
        container_start.start(host, definition(rootfs), 60.0)  # type: ignore[arg-type]
    assert host.calls == []
