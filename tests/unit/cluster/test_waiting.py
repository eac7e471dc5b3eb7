# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a guest runs nowhere, node by node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, Pin
from ansible_collections.cspp.drover.plugins.module_utils.cluster.recovery import Failures
from ansible_collections.cspp.drover.plugins.module_utils.cluster.waiting import why_it_waits
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, live, node, primitive, status

N1, N2, N3 = node("n1"), node("n2"), node("n3")


@pytest.mark.parametrize(
    ("nodes", "objects", "memory", "failures", "words"),
    [
        ((N1, N2), (), 4096, {}, ""),
        (
            (node("n1", standby=True), node("n2", online=False)),
            (),
            4096,
            {},
            "n1 is in maintenance; n2 is offline",
        ),
        (
            (node("n1", online=False), N2, N3),
            (),
            1024,
            {},
            "n1 is offline; n2 has no room (MiB of memory: 2048 needed, 1024 left); "
            "n3 has no room (MiB of memory: 2048 needed, 1024 left)",
        ),
        (
            (N1, N2),
            (),
            4096,
            {"n1": Failures(4), "n2": Failures(not_started=True)},
            "it has failed 4 times on n1, which is tried again later; it could not be started on n2, which is tried "
            "again later",
        ),
        ((N1, N2), (), 4096, {"n1": Failures(4)}, ""),
        (
            (node("n1", online=False), N2),
            (Pin("drover-pin-mc", "mc", "n1"),),
            4096,
            {},
            "n1 is offline; it is bound to n1 (ha: false), not to n2",
        ),
        (
            (node("n1", online=False), N2),
            (Location("drover-data-mc", "mc", "n1", "20000"),),
            4096,
            {},
            "n1 is offline; its data is on n1, not on n2",
        ),
        (
            (N1,),
            (Pin("drover-disks-mc", "mc", None),),
            4096,
            {},
            "its disks are on their way to another pool (playbooks/guests.yml -e guests_move_disks=mc)",
        ),
    ],
)
def test_each_node_says_what_it_has_against_it(
    nodes: Any, objects: Any, memory: int, failures: dict[str, Failures], words: str
) -> None:
    configuration = replace(live(primitive(), *objects, memory=memory), failures={"mc": failures})
    assert why_it_waits("mc", configuration, status(guest("mc"), nodes=nodes)) == words
