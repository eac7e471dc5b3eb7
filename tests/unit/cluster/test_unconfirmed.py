# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When nobody can confirm that a lost node is off, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import FenceEvent
from ansible_collections.cspp.drover.plugins.module_utils.cluster.unconfirmed import (
    UnconfirmedError,
    refuse,
    unconfirmed,
)
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, node, status


def ago(seconds: float) -> str:
    return str(datetime.now(UTC) - timedelta(seconds=seconds))[:19] + " +00:00"


def event(status: str, when: str = "", target: str = "n1", reason: str = "") -> FenceEvent:
    return FenceEvent(target, "reboot", status, "n2", when, reason)


FAILED, OLD, WELL = event("failed", ago(40), reason="no answer"), event("failed", ago(4000)), event("success", ago(20))
PENDING = event("pending")


@pytest.mark.parametrize(
    ("events", "more", "since"),
    [
        ((FAILED,), {}, FAILED.when),
        ((FAILED, PENDING), {}, FAILED.when),
        # The first failure tells since when.
        ((FAILED, event("failed", ago(100))), {}, ago(100)),
        # Being fenced for the first time, whatever became of an earlier loss.
        ((PENDING,), {}, None),
        ((OLD, PENDING), {}, None),
        # Nobody tries any more.
        ((OLD,), {}, OLD.when),
        ((FAILED, WELL), {}, None),
        # Who switches it on has not cut it off.
        ((FAILED, replace(WELL, action="on")), {}, FAILED.when),
        ((replace(FAILED, action="on"),), {}, None),
        ((WELL, event("failed", ago(5))), {}, ago(5)),
        ((event("failed", ago(40), target="n3"),), {}, None),
        ((FAILED,), {"unclean": False}, None),
        ((FAILED,), {"online": True}, None),
        ((), {}, None),
    ],
)
def test_when_it_cannot_be_confirmed(events: tuple[FenceEvent, ...], more: dict[str, bool], since: str | None) -> None:
    lost = node("n1", **{"online": False, "unclean": True, **more})
    seen = status(guest("mc", "n1"), nodes=(lost, node("n2")), fence_events=events)
    assert [found.since for found in unconfirmed(seen)] == ([since] if since else [])


def test_what_is_said_of_it() -> None:
    lost = node("n1", online=False, unclean=True)
    there = (guest("web", "n1"), guest("mc", "n1"), guest("other", "n2"), guest("drover-fence-n2", "n1"))
    seen = status(*there, nodes=(lost, node("n2")), fence_events=(FAILED,))
    with pytest.raises(UnconfirmedError) as refused:
        refuse(seen, "the start of mc")
    said = str(refused.value)
    for words in (
        "the start of mc does not come about: n1 is lost",
        f"since {FAILED.when}",
        "(no answer)",
        "Guests that wait: mc, web.",
        "playbooks/fencing.yml -e confirm=n1",
    ):
        assert words in said
    # Who waits for other guests, waits for something else.
    refuse(seen, "the stop of other", ["other"])
    refuse(status(nodes=(node("n1"), node("n2"))), "nothing")
