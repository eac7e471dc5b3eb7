# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which systemctl calls are due."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.host.systemd_units import (
    Group,
    Unit,
    outdated,
    parse_show,
    plan,
)

NONE: Mapping[str, list[str]] = {"running": [], "enabled": [], "disabled": [], "stopped": [], "masked": []}
UP = Unit("loaded", "active", "enabled")
DOWN = Unit("loaded", "inactive", "disabled")
MASKED = Unit("masked", "inactive", "masked")


@pytest.mark.parametrize(
    ("wanted", "found", "calls"),
    [
        ("running", UP, []),
        ("running", DOWN, [["enable", "a"], ["start", "a"]]),
        ("running", Unit("loaded", "failed", "enabled"), [["start", "a"]]),
        ("running", Unit("loaded", "activating", "static"), []),
        ("running", MASKED, [["unmask", "a"], ["enable", "a"], ["start", "a"]]),
        # A package that is still to come.
        ("running", None, [["enable", "a"], ["start", "a"]]),
        ("enabled", Unit("loaded", "inactive", "enabled"), []),
        ("enabled", DOWN, [["enable", "a"]]),
        # It runs on.
        ("disabled", UP, [["disable", "a"]]),
        ("disabled", DOWN, []),
        ("disabled", None, []),
        ("stopped", UP, [["disable", "a"], ["stop", "a"]]),
        ("stopped", None, []),
        ("stopped", Unit("loaded", "active", "static"), [["stop", "a"]]),
        ("stopped", Unit("loaded", "failed", "enabled"), [["disable", "a"], ["reset-failed", "a"]]),
        ("masked", UP, [["mask", "a"], ["stop", "a"]]),
        ("masked", MASKED, []),
        ("masked", Unit("masked", "active", "masked-runtime"), [["stop", "a"]]),
        ("masked", None, [["mask", "a"]]),
    ],
)
def test_one_unit(wanted: str, found: Unit | None, calls: list[list[str]]) -> None:
    assert plan({**NONE, wanted: ["a"]}, {"a": found} if found else {}) == calls


def test_many_units_take_one_call_per_verb() -> None:
    wanted = {"running": ["a", "b"], "enabled": ["c"], "disabled": ["f"], "stopped": [], "masked": ["e"]}
    assert plan(wanted, dict.fromkeys("abc", DOWN) | {"e": UP, "f": UP}) == [
        ["mask", "e"],
        ["disable", "f"],
        ["stop", "e"],
        ["enable", "a", "b", "c"],
        ["start", "a", "b"],
    ]


def test_paragraphs_belong_to_the_names_asked_for_also_when_they_are_aliases() -> None:
    shown = (
        "Id=ssh.service\nNames=ssh.service sshd.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
        "\nId=gone.service\nNames=gone.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
    )
    assert parse_show(["sshd.service", "gone.service"], shown) == {"sshd.service": UP, "gone.service": Unit()}


def test_a_socket_is_added_to_a_service_while_that_is_stopped() -> None:
    units = {"a.socket": Unit("loaded", "inactive", "enabled", ("a.service",)), "a.service": UP}
    wanted = {"running": ["a.socket", "a.service"], "enabled": [], "disabled": [], "stopped": [], "masked": []}
    assert plan(wanted, units) == [["stop", "a.service"], ["start", "a.socket", "a.service"]]


def test_a_unit_began_with_its_main_process_and_systemd_knows_what_it_has_not_read() -> None:
    shown = (
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=yes\n"
        "InactiveExitTimestampMonotonic=1500000\nExecMainStartTimestampMonotonic=2500000\n"
        "\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nInactiveExitTimestampMonotonic=1500000\n"
    )
    found = parse_show(["a.service", "a.socket"], shown)
    assert found["a.service"] == Unit("loaded", "active", "enabled", began=2.5, unread=True)
    assert found["a.socket"] == Unit("loaded", "active", "enabled", began=1.5)


@pytest.mark.parametrize(
    ("began", "outdated_units"),
    [
        # Each group is the units a and b, which read x (changed at 10) and y (changed at 20).
        ({"a": 21.0, "b": 22.0}, []),
        ({"a": 21.0, "b": 15.0}, ["a", "b"]),
        ({"a": 5.0, "b": None}, ["a", "b"]),
        # What does not run reads everything when it starts.
        ({"a": None, "b": None}, []),
        ({"a": 21.0, "b": None}, []),
        ({"a": 21.0}, []),
    ],
)
def test_units_are_outdated_together(began: dict[str, float | None], outdated_units: list[str]) -> None:
    units = {
        name: Unit("loaded", "active" if moment else "inactive", "enabled", began=moment or 1.0)
        for name, moment in began.items()
    }
    changes = {"x": 10.0, "y": 20.0, "missing": float("-inf")}
    assert outdated([Group(["a", "b"], ["x", "y", "missing"])], units, changes.__getitem__) == outdated_units
