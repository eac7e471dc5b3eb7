# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests as hosts of an inventory: tasks in a container through any node, before a move and after it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.verify.lab import Lab
from tests.verify.plays import ENVIRONMENT, ROOT, inventories, succeed

pytestmark = pytest.mark.stage("changed")

CONTAINER = "web"


def ansible(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """An ad-hoc command in the container, by an inventory of guests that is kept from the first time on."""
    file = folder / "guests.drover.yml"
    cached = f"cache: true\ncache_plugin: jsonfile\ncache_connection: {folder}/cache\n"
    file.write_text(f"plugin: cspp.drover.guests\ncontainers: attach\n{cached}")
    sources = [word for one in (*inventories(), str(file)) for word in ("-i", one)]
    argv = ["ansible", CONTAINER, *sources, "-m", "ansible.builtin.raw", "-a", command]
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_container_is_reached_wherever_it_runs(lab: Lab, tmp_path: Path) -> None:
    first = ansible(tmp_path, "hostname; cat /proc/1/comm")
    assert first.returncode == 0, first.stdout + first.stderr
    before = lab.where(CONTAINER)
    there = next(node for node in lab.nodes if node != before)
    succeed("migrate", guest=CONTAINER, to=there)
    assert lab.where(CONTAINER) == there
    # The inventory still has it at its old node.
    again = ansible(tmp_path, "hostname")
    assert again.returncode == 0, again.stdout + again.stderr
    assert ansible(tmp_path, "exit 7").returncode != 0
