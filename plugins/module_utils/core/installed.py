# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the version of Drover that this process runs from is installed (see host/release.py)."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["program"]


def program(name: str) -> str:
    """The path of a program of the same version, which may no longer be the one in use."""
    package = sys.modules[__name__.partition(".")[0]]
    return str(Path(package.__path__[0]).parent / "bin" / name)
