# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection elsewhere, for tests: built, installed in a folder, and used there without any configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build(home: Path) -> Path:
    """The collection's archive, built into ``home``."""
    run("ansible-galaxy", "collection", "build", "--output-path", str(home), home=home, cwd=ROOT)
    [archive] = home.glob("*.tar.gz")
    return archive


def install(archive: Path, home: Path) -> None:
    """Install the collection where :func:`run` with the same ``home`` finds it."""
    run("ansible-galaxy", "collection", "install", "--offline", "-p", "collections", str(archive), home=home)


def run(*argv: str, home: Path, cwd: Path | None = None, timeout: float = 120) -> str:
    """What one of Ansible's programs says, which knows nothing but ``home`` and what is installed there."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(home / "collections"),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        argv, cwd=cwd or home, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
