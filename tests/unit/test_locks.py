# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed from the package index is what was looked at: each file's hash is written down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["requirements", "requirements-dev", "requirements-mutation"]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)*)", re.MULTILINE)


def pins(text: str) -> dict[str, tuple[str, int]]:
    """Each package's version, and of how many files the hash is known."""
    return {
        re.sub(r"[-_.]+", "-", name).lower(): (version, rest.count("--hash=sha256:"))
        for name, version, rest in _PIN.findall(text)
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_package_is_locked_with_its_hashes(name: str) -> None:
    asked = pins((ROOT / f"{name}.txt").read_text())
    locked = pins((ROOT / f"{name}.lock").read_text())
    assert asked
    stale = {package for package, (version, _hashes) in asked.items() if locked.get(package, ("", 0))[0] != version}
    assert stale == set(), "run `make lock`"
    assert [package for package, (_version, hashes) in locked.items() if not hashes] == []


def test_only_what_is_locked_is_installed() -> None:
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line and " -r " in line]
    assert len(lines) == len(NAMES)
    assert all("--require-hashes" in line and ".lock" in line for line in lines)


def test_a_package_without_hashes_is_noticed() -> None:
    assert pins("a-b==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\nc_d==2 ; x == 'y'\n") == {
        "a-b": ("1.0", 1),
        "c-d": ("2", 0),
    }
