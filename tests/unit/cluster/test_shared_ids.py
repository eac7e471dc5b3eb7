# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ids that two runs at a time have given away."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import GuestSpec
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.tests.unit.cluster_samples import definition, live, primitive, status


@pytest.mark.parametrize(
    ("before", "wanted", "other", "refused"),
    [
        (0, 10_065_536, 10_065_536, True),
        (0, 10_065_536, 10_131_072, False),
        (10_000_000, 10_065_536, 10_065_536, True),
        # As it was: what shares does not get worse.
        (10_000_000, 10_000_000, 10_000_000, False),
    ],
)
def test_ids_that_another_run_has_given_away_meanwhile_are_refused(
    before: int, wanted: int, other: int, refused: bool
) -> None:
    def ids(start: int) -> dict[str, Any]:
        return {"kind": "container", "idmap": {"start": start, "count": 65536}}

    there = [primitive("mail", **ids(other)), *([primitive("web", **ids(before))] if before else [])]
    asked = [GuestSpec("web", definition("web", **ids(wanted)))]
    if refused:
        with pytest.raises(InvalidValue, match="web was given ids that mail has got meanwhile"):
            guests.plan_guests(asked, live(*there), status())
    else:
        guests.plan_guests(asked, live(*there), status())
