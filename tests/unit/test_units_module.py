# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.units: one look, the fewest calls, none in check mode."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.host.systemd_units import PROPERTIES
from ansible_collections.cspp.drover.plugins.modules import units

SHOW = f"systemctl show -p {PROPERTIES} --"
STATES = {
    "up": "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n",
    "down": "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n",
    "unread": "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=yes\n",
    "gone": "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n",
    "masked": "LoadState=masked\nActiveState=inactive\nUnitFileState=masked\n",
}

Call = Callable[..., dict[str, Any]]
Programs = Callable[..., list[list[str]]]


def running_for(seconds: float) -> str:
    """What systemctl shows of a unit that was started so long ago."""
    return f"{STATES['up']}ExecMainStartTimestampMonotonic={int((time.monotonic() - seconds) * 1e6)}\n"


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
    assert result["changed"] is bool(actions)
    made = [f"systemctl {action}" for action in actions]
    assert result["actions"] == made
    # After a call, units are looked at again.
    assert [" ".join(argv) for argv in calls] == [f"{SHOW} a", *([*made, f"{SHOW} a"] if made and not check else [])]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("show", "changed_paths", "due"),
    [
        ("up", [], False),
        ("unread", [], True),
        ("up", ["/etc/systemd/system/a.service.d/drover.conf"], "check"),
        ("up", ["/etc/systemd/system/a.service"], "check"),
        ("up", ["/etc/systemd/system/b.service.d/drover.conf"], False),
        # Its package is still to come, and brings a daemon-reload of its own.
        ("gone", ["/etc/systemd/system/a.service"], False),
    ],
)
def test_unit_files_are_read_again_where_systemd_has_not(
    call: Call, programs: Programs, check: bool, show: str, changed_paths: list[str], due: bool | str
) -> None:
    answers = {SHOW: STATES[show], "systemctl": ""}
    programs(units, answers)
    result = call(units, check=check, running=["a.service"], changed_paths=changed_paths)
    expected = due is True or (due == "check" and check)
    assert ("systemctl daemon-reload" in result["actions"]) is expected


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("age", "restart", "actions", "left"),
    [
        # Seconds that the unit has run for; the file was changed 100 seconds ago.
        (90, True, [], []),
        (110, True, ["systemctl stop a", "systemctl start a"], []),
        (110, False, [], ["a"]),
    ],
)
def test_a_unit_is_restarted_because_it_is_older_than_what_it_reads(
    call: Call,
    programs: Programs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: bool,
    age: float,
    restart: bool,
    actions: list[str],
    left: list[str],
) -> None:
    monkeypatch.setattr(units, "changed_at", lambda path: time.monotonic() - 100)
    programs(units, {SHOW: running_for(age), "systemctl": ""})
    group = {"units": ["a"], "paths": [str(tmp_path)]}
    result = call(units, check=check, running=["a"], restarted_if_older=[group], restart=restart)
    assert (result["actions"], result["outdated"]) == (actions, left)
    assert result["changed"] is bool(actions)


def test_in_check_mode_what_would_change_makes_a_unit_older(call: Call, programs: Programs, tmp_path: Path) -> None:
    programs(units, {SHOW: running_for(0)})
    group = {"units": ["a"], "paths": [str(tmp_path / "missing")]}
    arguments: dict[str, Any] = {"restarted_if_older": [group], "restart": False}
    assert call(units, check=True, changed_paths=group["paths"], **arguments)["outdated"] == ["a"]
    assert call(units, changed_paths=group["paths"], **arguments)["outdated"] == []


def test_a_path_changed_when_it_or_what_it_leads_to_was_written_or_renamed(tmp_path: Path) -> None:
    assert units.changed_at(str(tmp_path / "missing")) == float("-inf")

    def rename() -> None:
        os.utime(tmp_path / "draft", (0, 0))
        (tmp_path / "draft").rename(tmp_path / "file")

    steps: list[Callable[[], object]] = [
        lambda: (tmp_path / "draft").write_text(""),
        rename,
        lambda: (tmp_path / "link").symlink_to("file"),
        lambda: (tmp_path / "file").write_text("again"),
    ]
    for step in steps:
        before = time.monotonic()
        step()
        path = next(path for path in (tmp_path / "link", tmp_path / "file", tmp_path / "draft") if path.exists())
        # The kernel's clock for files goes by ticks.
        assert before - 0.02 <= units.changed_at(str(path)) <= time.monotonic()


@pytest.mark.parametrize("check", [True, False])
def test_a_restart_waits_for_moves(
    call: Call, programs: Programs, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    under_way = ["game: 10% to node2"]
    monkeypatch.setattr(units, "moves_of", lambda node: under_way)
    calls = programs(units, {"systemctl": ""})
    result = call(units, check=check, restarted=["a"], patience=60)
    assert (result["waiting_for"], calls, result["changed"]) == (under_way, [], check)
    under_way = []
    assert call(units, restarted=["a"], patience=60)["actions"] == ["systemctl stop a", "systemctl start a"]


def test_a_unit_that_does_not_start_says_where_to_look(
    call: Callable[..., dict[str, Any]], programs: Callable[..., list[list[str]]]
) -> None:
    programs(units, {SHOW: STATES["down"], "systemctl enable": "", "systemctl start": 1})
    result = call(units, running=["a"])
    assert result["failed"]
    assert "systemctl start a exited with 1" in result["msg"]
    assert "journalctl" in result["msg"]
