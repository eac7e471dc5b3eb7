# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab and its guests, for every test."""

from __future__ import annotations

from typing import Any

import pytest

from .lab import Lab
from .plays import variable


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab that DROVER_LAB names."""
    return Lab()


@pytest.fixture(scope="session")
def declared() -> dict[str, dict[str, Any]]:
    """The guests that the inventory declares."""
    guests: dict[str, dict[str, Any]] = variable("guests")
    return guests
