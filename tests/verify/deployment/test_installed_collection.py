# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection where it is installed: with an inventory of one's own and no configuration, it manages the cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.tests.elsewhere import build, install, run

from ..lab import Lab

pytestmark = pytest.mark.stage("built")


def test_the_status_is_told_from_elsewhere(lab: Lab, tmp_path: Path) -> None:
    described = lab.description
    options = f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={described['known_hosts']}"
    hosts = {
        name: {
            "ansible_host": node.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": described["ssh_key"],
            "ansible_ssh_common_args": options,
        }
        for name, node in lab.nodes.items()
    }
    (tmp_path / "mine.json").write_text(json.dumps({"nodes": {"hosts": hosts}}))
    install(build(tmp_path), tmp_path)
    said = run("ansible-playbook", "-i", "mine.json", "cspp.drover.status", home=tmp_path, timeout=180)
    assert all(name in said for name in lab.nodes)
    assert "changed=0" in said
