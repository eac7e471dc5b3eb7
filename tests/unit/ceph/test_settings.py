# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps to what a Ceph cluster is to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.settings import Seen, Wanted, plan

CAPS = {"client.drover": {"mon": "profile rbd"}, "mgr.a": {"mon": "profile mgr"}}
WANTED = Wanted(CAPS, {"client.drover": "KEY"}, ["disks"], ["roots"])
POOL = {"size": 3, "min_size": 2}
WHOLE = Seen(
    {"client.drover": {"key": "KEY", "caps": CAPS["client.drover"]}, "mgr.a": {"key": "ANY", "caps": CAPS["mgr.a"]}},
    {
        "disks": {**POOL, "applications": ["rbd"]},
        "roots.meta": {**POOL, "applications": ["cephfs"]},
        "roots.data": {**POOL, "applications": ["cephfs"]},
        "others": {"size": 1, "min_size": 1, "applications": []},
    },
    {"roots": {"standby_wanted": 1}},
)


def test_what_is_as_wanted_is_left_alone() -> None:
    assert plan(WANTED, WHOLE) == []


def test_a_fresh_cluster_gets_all_of_it() -> None:
    assert [step.text for step in plan(WANTED, Seen())] == [
        "let in client.drover",
        "let in mgr.a",
        "make pool disks",
        "make pool roots.meta",
        "make pool roots.data",
        "make file system roots",
    ]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (
            replace(WHOLE, entities={**WHOLE.entities, "client.drover": {"key": "OLD", "caps": CAPS["client.drover"]}}),
            "change what is allowed to client.drover",
        ),
        (
            replace(WHOLE, entities={**WHOLE.entities, "mgr.a": {"key": "ANY", "caps": {"mon": "allow *"}}}),
            "change what is allowed to mgr.a",
        ),
        (
            replace(WHOLE, pools={**WHOLE.pools, "disks": {"size": 2, "min_size": 1, "applications": ["rbd"]}}),
            "set pool disks right",
        ),
        (replace(WHOLE, filesystems={"roots": {"standby_wanted": 0}}), "want a standby for roots"),
    ],
)
def test_what_differs_is_put_right(seen: Seen, expected: str) -> None:
    assert [step.text for step in plan(WANTED, seen)] == [expected]


def test_keys_go_by_standard_input_alone() -> None:
    for step in plan(WANTED, Seen()):
        assert "KEY" not in str(step.orders)
