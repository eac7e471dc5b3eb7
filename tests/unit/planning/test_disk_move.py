# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The next step of a disk on its way to another pool, from what is seen of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import DISKS_MOVE
from ansible_collections.cspp.drover.plugins.module_utils.planning.disk_move import Seen, Unclear, Way, next_step, ways
from ansible_collections.cspp.drover.tests.unit.cluster_samples import definition, primitive

A, B = {"type": "file", "path": "/a", "format": "qcow2"}, {"type": "file", "path": "/b", "format": "qcow2"}
DISK, BACK = Way("vda", A, B), Way("vda", A, B, back=True)


def seen(told: str = "/a", there: str = "/a", **more: Any) -> Seen:
    return Seen(**{"told": told, "begun": True, "runs": True, "live": "/a", "there": frozenset(there.split()), **more})


@pytest.mark.parametrize(
    ("way", "what", "step"),
    [
        (DISK, seen(begun=False), "begin"),
        (DISK, seen(), "copy"),
        (DISK, seen(there="/a /b"), "clear"),
        (DISK, seen(there="/a /b", copy="/b"), "wait"),
        (DISK, seen(there="/a /b", copy="/b", ready=True), "switch"),
        (DISK, seen(there="/a /b", live="/b"), "tell"),
        (DISK, seen("/b", "/a /b", live="/b"), "remove"),
        (DISK, seen("/b", "/b", live="/b"), "end"),
        (DISK, seen(runs=False, live=None), "begin"),
        (DISK, seen(runs=False, live=None, held=True), "carry"),
        (DISK, seen(there="/a /b", runs=False, live=None, held=True), "clear"),
        (DISK, seen("/b", "/a /b", runs=False, live=None), "remove"),
        (BACK, seen(there="/a /b", copy="/b", ready=True), "give up"),
        (BACK, seen(there="/a /b"), "clear"),
        (BACK, seen(), "end"),
        (BACK, seen(there="/a /b", runs=False, live=None, held=True), "clear"),
    ],
)
def test_the_next_step(way: Way, what: Seen, step: str) -> None:
    assert next_step(way, what) == step


@pytest.mark.parametrize(
    ("way", "what", "words"),
    [
        (DISK, seen(begun=False, there="/a /b"), "which no move has made"),
        (DISK, seen("/c"), "neither at /a nor at /b"),
        (DISK, seen(live=None), "at no place"),
        (DISK, seen("/b", "/a /b"), "QEMU writes to /a"),
        (DISK, seen(copy="/c"), "being copied to /c, by somebody else"),
        (BACK, seen("/b", "/a /b", live="/b"), "cannot be taken back"),
        (BACK, seen(there="/a /b", live="/b"), "cannot be taken back"),
    ],
)
def test_what_comes_of_no_move_is_left_alone(way: Way, what: Seen, words: str) -> None:
    with pytest.raises(Unclear, match=words):
        next_step(way, what)


@pytest.mark.parametrize(
    ("here", "record", "wanted", "found"),
    [
        (A, None, A, []),
        (A, None, B, [DISK]),
        # Carried on, taken back, finished, and finished before it goes back.
        (A, (A, B), B, [DISK]),
        (A, (A, B), A, [BACK]),
        (B, (A, B), B, [DISK]),
        (B, (A, B), A, [DISK, Way("vda", B, A)]),
        (A, (A, B), {**A, "path": "/c"}, [BACK, Way("vda", A, {**A, "path": "/c"})]),
    ],
)
def test_what_has_to_be_done(here: Any, record: Any, wanted: Any, found: list[Way]) -> None:
    guest = primitive(disks=[{"target": "vda", "source": here, "readonly": False}])
    if record:
        begun = {"vda": dict(zip(("from", "to"), record, strict=True))}
        guest = replace(guest, meta={DISKS_MOVE: json.dumps(begun)})
    assert ways(guest, definition(disks=[{"target": "vda", "source": wanted, "readonly": False}])) == found
