# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection where it is installed: with an inventory of one's own and no configuration, it manages the cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..lab import Lab
from ..plays import ROOT

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
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
        "ANSIBLE_NOCOLOR": "1",
    }

    def run(*argv: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), cwd=ROOT)
    [archive] = tmp_path.glob("*.tar.gz")
    run("ansible-galaxy", "collection", "install", "--offline", "-p", "collections", str(archive))
    said = run("ansible-playbook", "-i", "mine.json", "cspp.drover.status")
    assert all(name in said for name in lab.nodes)
    assert "changed=0" in said
