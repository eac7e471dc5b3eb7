# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which container gets which ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.declaration.id_ranges import Area, choose, id_range
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import IDMAP
from ansible_collections.cspp.drover.plugins.module_utils.storage.id_shift import _range_of

SIZE = 65536
#: What ``lxc_id_area`` is when nobody says anything else.
AREA = Area()
LENT = {"node1": [[AREA.start, AREA.count]], "node2": [[AREA.start, SIZE], [AREA.start, AREA.count]]}


def own(slot: int) -> dict[str, int]:
    return {"start": AREA.start + slot * SIZE, "count": SIZE}


def test_every_new_container_has_its_own() -> None:
    names = [f"web{number}" for number in range(300)]
    chosen = choose(names, {"old": IDMAP}, AREA, False, LENT)
    starts = {its["start"] for its in chosen.ranges.values()}
    assert len(starts) == 300
    assert IDMAP["start"] not in starts
    assert all((start - AREA.start) % SIZE == 0 and start < AREA.start + AREA.count for start in starts)
    assert chosen.sharing == {}
    # Whichever others come and go.
    assert (
        choose(["web7"], {}, AREA, False, LENT).ranges["web7"] == choose(["web7"], {}, AREA, True, LENT).ranges["web7"]
    )


@pytest.mark.parametrize(
    ("known", "permitted", "kept", "sharing"),
    [
        ({"web": own(5)}, True, True, {}),
        # Alone in the range that all had: nobody else will ever get it.
        ({"web": IDMAP}, True, True, {}),
        ({"web": IDMAP, "mail": IDMAP}, False, True, {"web": ["mail"]}),
        ({"web": IDMAP, "mail": IDMAP}, ["mail"], True, {"web": ["mail"]}),
        ({"web": IDMAP, "mail": IDMAP}, ["web"], False, {}),
        ({"web": IDMAP, "mail": IDMAP}, True, False, {}),
        ({"web": own(5), "mail": own(5)}, ["web"], False, {}),
    ],
)
def test_who_shares_one_keeps_it_until_it_may_be_restarted(
    known: dict[str, Any], permitted: Any, kept: bool, sharing: dict[str, list[str]]
) -> None:
    chosen = choose(["web"], known, AREA, permitted, LENT)
    assert (chosen.ranges["web"] == known["web"]) is kept
    assert chosen.sharing == sharing
    assert bool(chosen.worth_knowing()) is bool(sharing)
    assert all("guests_allow_restart=web" in line for line in chosen.worth_knowing())


def test_the_last_one_is_found_and_then_there_are_none() -> None:
    small = Area(AREA.start, 4 * SIZE)
    known = {"a": own(1), "b": own(3)}
    assert choose(["c"], known, small, False, LENT).ranges["c"] == own(2)
    with pytest.raises(InvalidValue, match=r"guests.d: no ids are left .* larger count"):
        choose(["c", "d"], known, small, False, LENT)


def test_a_node_that_does_not_lend_them_yet_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"node3 does not lend ids .* run playbooks/site.yml"):
        choose(["web"], {}, AREA, False, {**LENT, "node3": [[AREA.start, SIZE]]})
    # Nobody needs it for what is there.
    choose(["web"], {"web": IDMAP}, AREA, False, {"node3": [[AREA.start, SIZE]]})


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (None, None),
        ({"start": 10_000_000 + 10 * SIZE, "count": 2 * SIZE}, None),
        ({"start": 20_000_000}, "a multiple of 65536 above"),
        ({"start": 100_000}, "start has to be 10000000"),
        ({"count": 65535}, "count a multiple"),
        ({"count": SIZE}, "two of them"),
        ({"count": SIZE << 15}, "above 2147483648"),
    ],
)
def test_an_area_is_judged(declared: dict[str, int] | None, reason: str | None) -> None:
    if reason is None:
        assert Area.read(declared).slots()
    else:
        with pytest.raises(InvalidValue, match=reason):
            Area.read(declared)


def test_the_owner_of_a_tree_tells_its_range() -> None:
    for slot in (0, 1, 4095):
        start = own(slot)["start"]
        assert {_range_of(start + user).start for user in (0, 1000, 65535)} == {start}
    assert _range_of(1000).start == 0


def test_the_role_lends_what_is_chosen_from() -> None:
    defaults = Path(__file__).parents[3] / "roles/lxc/defaults/main.yml"
    assert Area.read(yaml.safe_load(defaults.read_text())["lxc_id_area"]) == AREA
    assert id_range("root") == f"root:{AREA.start}:{AREA.count}"
