# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The removal of a lab leaves nothing of it on this machine, other than the caches that labs share."""

from __future__ import annotations

import pytest

from ..lab import Lab, leftovers

pytestmark = pytest.mark.stage("gone")


def test_nothing_is_left(lab: Lab) -> None:
    assert leftovers(lab.folder, lab.folder.name) == {
        "processes": [],
        "mounts": [],
        "links": [],
        "firewall tables": [],
        "files": [],
    }
