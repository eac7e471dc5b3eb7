# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nodes have, and what guests leave of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.capacity import capacity, free
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, live, primitive, status

MIB = 2**20


def test_what_guests_leave_of_a_node() -> None:
    objects = live(primitive("a", memory=1024 * MIB, vcpus=1), primitive("b", memory=512 * MIB, vcpus=2))
    seen = status(guest("a", "n1"), guest("b", "n1", "n2", pending="Migrating"))
    has = capacity(objects)
    left = free(objects, seen)
    assert {
        node: (has[node]["memory"] - left[node]["memory"], has[node]["vcpus"] - left[node]["vcpus"]) for node in has
    } == {
        "n1": (1536, 3),
        "n2": (512, 2),
        "n3": (0, 0),
    }


def test_a_node_that_has_not_said_what_it_has_owes_what_it_carries() -> None:
    objects = live(primitive("a", memory=1024 * MIB, vcpus=1))
    assert free(objects, status(guest("a", "n9")))["n9"] == {"memory": -1024, "vcpus": -1}


def test_a_value_that_was_put_there_by_hand_and_is_no_number_is_named() -> None:
    objects = live(replace(primitive("a", memory=1024 * MIB, vcpus=1), utilization={"memory": "12GB"}))
    with pytest.raises(InvalidValue, match="memory=12GB as the utilization of a, which is no whole number"):
        free(objects, status(guest("a", "n1")))
