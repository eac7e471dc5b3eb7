# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.units: one look, the fewest calls, none in check mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.modules import units

SHOW = "systemctl show -p Id,Names,LoadState,ActiveState,UnitFileState,Triggers --"
STATES = {
    "up": "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n",
    "down": "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n",
    "masked": "LoadState=masked\nActiveState=inactive\nUnitFileState=masked\n",
}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("arguments", "state", "actions"),
    [
        ({"running": ["a"]}, "up", []),
        ({"running": ["a"]}, "down", ["enable a", "start a"]),
        ({"running": ["a"]}, "masked", ["unmask a", "enable a", "start a"]),
        ({"enabled": ["a"]}, "down", ["enable a"]),
        ({"masked": ["a"]}, "up", ["mask a", "stop a"]),
        ({"masked": ["a"]}, "masked", []),
    ],
)
def test_units(
    call: Callable[..., dict[str, Any]],
    programs: Callable[..., list[list[str]]],
    check: bool,
    arguments: dict[str, Any],
    state: str,
    actions: list[str],
) -> None:
    calls = programs(units, {SHOW: STATES[state], **{f"systemctl {action}": "" for action in actions}})
    result = call(units, check=check, **arguments)
    assert (result["changed"], result["actions"]) == (bool(actions), actions)
    assert [" ".join(argv) for argv in calls] == [f"{SHOW} a", *([] if check else [f"systemctl {a}" for a in actions])]


@pytest.mark.parametrize(("check", "lines"), [(True, []), (False, ["systemctl daemon-reload"])])
def test_unit_files_are_read_again_first(
    call: Callable[..., dict[str, Any]], programs: Callable[..., list[list[str]]], check: bool, lines: list[str]
) -> None:
    calls = programs(units, {"systemctl daemon-reload": ""})
    assert call(units, check=check, reload=True)["changed"] is False
    assert [" ".join(argv) for argv in calls] == lines


def test_a_unit_that_does_not_start_says_where_to_look(
    call: Callable[..., dict[str, Any]], programs: Callable[..., list[list[str]]]
) -> None:
    programs(units, {SHOW: STATES["down"], "systemctl enable": "", "systemctl start": 1})
    result = call(units, running=["a"])
    assert result["failed"]
    assert "systemctl start a exited with 1" in result["msg"]
    assert "journalctl" in result["msg"]
