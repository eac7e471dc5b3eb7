# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes that are this machine, for what Ansible really runs: their tools of Pacemaker tell a transcript."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.tests.unit.fake_cluster import DATA

ROOT = Path(__file__).resolve().parents[2]
#: A node that nobody reaches.
DEAD = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


def inventory(folder: Path, nodes: Mapping[str, Mapping[str, Any]]) -> Path:
    """The inventory of nodes; those without variables are this machine."""
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {"nodes": {"hosts": {name: dict(variables) or here for name, variables in nodes.items()}}}
    file = folder / "hosts.json"
    file.write_text(json.dumps(hosts))
    return file


def tools(folder: Path, cib: str = "cib-guests", status: str = "crm_mon-guests") -> Path:
    """The folder of tools that tell these transcripts."""
    place = folder / "bin"
    place.mkdir(exist_ok=True)
    for name, told in (("cibadmin", cib), ("crm_mon", status)):
        (place / name).write_text(f"#!/bin/sh\necho run >> {folder}/asked\nexec cat {DATA / told}.xml\n")
        (place / name).chmod(0o755)
    return place


def ansible(program: str, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs as a user does, with those tools in the folder, if there are any."""
    path = [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "5"}
    return subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        cwd=ROOT,
        env={**os.environ, **settings, "PATH": ":".join(path), **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
