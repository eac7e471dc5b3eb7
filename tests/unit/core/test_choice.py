# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is among those that are named."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.choice import chosen


@pytest.mark.parametrize(
    ("choice", "is_in"), [(True, True), (False, False), ([], False), (["web"], True), (frozenset({"db"}), False)]
)
def test_a_name_is_among_all_none_or_those_listed(choice: Collection[str] | bool, is_in: bool) -> None:
    assert chosen("web", choice) is is_in
