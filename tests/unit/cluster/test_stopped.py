# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that stay down: what each run makes of why they do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import GuestSpec, guest_of, plan_guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import parse_status
from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import STARTED, stopped, stopped_by
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB, STATUS

BY_HAND: Mapping[str, str | None] = {"target-role": "Stopped"}


def declared(cib: str, *, stopped: bool) -> tuple[str, tuple[str, ...]]:
    """The CIB after a run that declares ``mc``, and what that run says that it kept."""
    spec = GuestSpec("mc", guest_of(read(cib).primitives["mc"]), stopped=stopped)
    difference = reconcile(cib, plan_guests([spec], read(cib), parse_status(STATUS)).wanted)
    return difference.xml, difference.kept


@pytest.mark.parametrize(
    ("before", "declare_stopped", "after", "kept"),
    [
        # Declared to be stopped, and to run again.
        ({}, True, "declared", False),
        (stopped("declared"), True, "declared", False),
        (stopped("declared"), False, None, False),
        # What a guest did to itself stays, until it is started or declared.
        (stopped("itself"), False, "itself", False),
        (stopped("itself"), True, "declared", False),
        # What somebody set by hand stays his, and is told.
        (BY_HAND, False, "hand", True),
        (BY_HAND, True, "declared", False),
        ({"target-role": "Started"}, False, None, True),
        ({"target-role": "Started"}, True, "declared", False),
        ({}, False, None, False),
    ],
)
def test_each_run_keeps_apart_what_is_declared_and_what_is_not(
    before: Mapping[str, str | None], declare_stopped: bool, after: str | None, kept: bool
) -> None:
    cib, said = declared(reconcile(CIB, Wanted(meta={"mc": before})).xml, stopped=declare_stopped)
    assert stopped_by(read(cib).primitives["mc"]) == after
    assert bool(said) is kept
    assert declared(cib, stopped=declare_stopped) == (cib, said)


@pytest.mark.parametrize("before", [stopped("declared"), stopped("itself"), BY_HAND])
def test_started_is_as_if_it_had_never_been_stopped(before: Mapping[str, str | None]) -> None:
    there = reconcile(CIB, Wanted(meta={"mc": before})).xml
    started = read(reconcile(there, Wanted(meta={"mc": STARTED})).xml).primitives["mc"]
    assert started == read(CIB).primitives["mc"]


def test_a_stopped_guest_has_its_change_with_the_next_start_and_needs_no_permission() -> None:
    cib, _said = declared(CIB, stopped=True)
    spec = GuestSpec("mc", {**(guest_of(read(CIB).primitives["mc"]) or {}), "vcpus": 2}, stopped=True)
    plan = plan_guests([spec], read(cib), parse_status(STATUS), restart_needed=frozenset())
    assert plan.pending_restart == ()
    assert "vcpus" in plan.wanted.primitives[0].params["definition"]
