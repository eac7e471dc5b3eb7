# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that tests run. Where one is missing, the test fails and says so: one that is left out tells nobody."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

__all__ = ["needed"]


def needed(program: str) -> str:
    """The path of a program that tests/setup-dev brings."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
    found = shutil.which(program, path=os.pathsep.join(places))
    assert found, f"{program} is missing: make setup-dev brings it"
    return found
