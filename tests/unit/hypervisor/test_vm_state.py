# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""libvirt's states of a domain, and what they mean."""

from __future__ import annotations

from typing import Literal

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State, classify


@pytest.mark.parametrize(
    ("state", "reason", "migration", "seen"),
    [
        (1, 1, None, Seen(State.RUNNING)),
        (4, 1, None, Seen(State.RUNNING)),  # shutting down is not down
        (5, 1, None, Seen(State.OFF)),
        (6, 1, None, Seen(State.FAILED)),
        (3, 1, None, Seen(State.PAUSED, "user")),
        (3, 2, "in", Seen(State.INCOMING, "migration")),
        (3, 11, "in", Seen(State.INCOMING, "starting up")),
        (3, 2, "out", Seen(State.LEAVING, "migration")),
        (3, 5, "out", Seen(State.FAILED, "I/O error")),
        (3, 2, None, Seen(State.FAILED, "migration")),
        (3, 5, None, Seen(State.FAILED, "I/O error")),
        (3, 10, None, Seen(State.FAILED, "crashed")),
        (3, 99, None, Seen(State.FAILED, "reason 99")),
        (0, 0, None, Seen(State.FAILED)),
    ],
)
def test_classify(state: int, reason: int, migration: Literal["in", "out"] | None, seen: Seen) -> None:
    assert classify(state, reason, migration) == seen


@pytest.mark.parametrize(("reason", "state"), [(5, State.PAUSED), (10, State.FAILED), (1, State.PAUSED)])
def test_only_an_io_error_can_be_the_lack_of_room(reason: int, state: State) -> None:
    seen = classify(3, reason, None, full=True)
    assert (seen.state, seen.full) == (state, reason == 5)
