# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.corosync_token: the members wait longer for each other, and no longer than they are told to."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.modules import corosync_token

Call = Callable[..., dict[str, Any]]
Programs = Callable[..., list[list[str]]]


def running(token: int) -> str:
    """As corosync-cmapctl prints it."""
    settings = {"token": token, "hold": 203, "token_retransmit": 267}
    return "".join(f"runtime.config.totem.{key} (u32) = {value}\n" for key, value in settings.items())


ANSWERS = {"corosync-cmapctl": running(1125), "corosync-cmapctl -s": "", "systemctl": 5, "systemd-run": ""}
NO_TIMER = "systemctl stop drover-corosync-token.timer"
RESTORING = [
    "corosync-cmapctl -s totem.token u32 1000",
    "corosync-cmapctl -d totem.hold",
    "corosync-cmapctl -d totem.token_retransmit",
]


@pytest.fixture
def conf(tmp_path: Path) -> str:
    path = tmp_path / "corosync.conf"
    path.write_text("totem {\n    version: 2\n    token: 1000\n}\n")
    return str(path)


def test_the_way_back_is_set_before_the_time_out_is_raised(call: Call, programs: Programs, conf: str) -> None:
    calls = programs(corosync_token, ANSWERS)
    assert call(corosync_token, state="raised", token=20000, seconds=70, path=conf)["changed"]
    asked, stopped, timer, *raised = map(shlex.join, calls)
    assert (asked, stopped) == ("corosync-cmapctl", NO_TIMER)
    assert (calls[2][0], calls[2][-1]) == ("systemd-run", "; ".join(RESTORING))
    assert "--unit=drover-corosync-token --on-active=70 " in timer
    # A ring at rest holds its token no longer than those wait who have not raised theirs yet.
    assert raised == [
        "corosync-cmapctl -s totem.hold u32 203",
        "corosync-cmapctl -s totem.token_retransmit u32 267",
        "corosync-cmapctl -s totem.token u32 20000",
    ]


def test_who_is_more_patient_already_stays_so(call: Call, programs: Programs, conf: str) -> None:
    calls = programs(corosync_token, {**ANSWERS, "corosync-cmapctl": running(30125)})
    assert call(corosync_token, state="raised", token=20000, path=conf)["changed"]
    assert [argv[0] for argv in calls] == ["corosync-cmapctl", "systemctl", "systemd-run"]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("token: 1000", RESTORING),
        ("version: 2", ["corosync-cmapctl -s totem.token u32 3000", *RESTORING[1:]]),
        ("token: 1000\n    hold: 150", [RESTORING[0], "corosync-cmapctl -s totem.hold u32 150", RESTORING[2]]),
    ],
)
def test_restored_is_what_the_file_says(
    call: Call, programs: Programs, conf: str, extra: str, expected: list[str]
) -> None:
    Path(conf).write_text(f"totem {{\n    {extra}\n}}\n")
    # What was not raised cannot be deleted.
    calls = programs(corosync_token, {**ANSWERS, "corosync-cmapctl -d": 1})
    assert call(corosync_token, state="restored", path=conf)["changed"]
    assert [shlex.join(argv) for argv in calls[1:]] == [NO_TIMER, *expected]


@pytest.mark.parametrize("state", ["raised", "restored"])
def test_check_mode_only_looks(call: Call, programs: Programs, conf: str, state: str) -> None:
    calls = programs(corosync_token, ANSWERS)
    assert call(corosync_token, check=True, state=state, path=conf)["changed"]
    assert calls == [["corosync-cmapctl"]]


def test_a_node_without_a_cluster_is_left_alone(call: Call, programs: Programs, tmp_path: Path) -> None:
    calls = programs(corosync_token, {"corosync-cmapctl": 1})
    assert not call(corosync_token, state="raised", path=str(tmp_path / "missing"))["changed"]
    assert len(calls) == 1
