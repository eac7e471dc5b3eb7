# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Power controllers that do not obey keep HA from being switched on, and nothing is touched."""

from __future__ import annotations

import pytest

from ..lab import Lab
from ..plays import play

pytestmark = pytest.mark.stage("changed")


def test_ha_is_refused_when_a_power_controller_does_not_obey(lab: Lab) -> None:
    before = lab.version()
    outcome = play("site", bmc_password="not-the-password")
    assert outcome.rc != 0
    [message] = outcome.failures
    assert "HA is not switched on" in message
    for node in lab.nodes:
        others = ", ".join(sorted(set(lab.nodes) - {node}))
        assert f"{node} cannot be fenced by {others}" in message
    assert "not-the-password" not in outcome.output
    assert lab.version() == before
