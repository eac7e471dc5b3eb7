# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""status.yml as it is run: by people, by programs, by whoever watches."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.plugin_utils.watch import Watch, fitted
from ansible_collections.cspp.drover.tests.unit import nodes
from ansible_collections.cspp.drover.tests.unit.fake_cluster import STATUS

PLAY = "playbooks/status.yml"


def status(folder: Path, *options: str, output: str = "brief") -> subprocess.CompletedProcess[str]:
    hosts = nodes.inventory(folder, {"n1": {}, "n2": nodes.DEAD})
    return nodes.ansible("ansible-playbook", "-i", str(hosts), PLAY, *options, folder=folder, DROVER_OUTPUT=output)


def test_people_get_a_table_and_programs_a_document(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    table = status(tmp_path)
    assert table.returncode == 0, table.stderr
    assert table.stdout.startswith("warning: n2: ")
    assert "\nNODE  STATE" in table.stdout
    document = status(tmp_path, "-eformat=json")
    assert document.returncode == 0, document.stderr
    told = json.loads(document.stdout)
    assert told["served_by"] == "n1"
    assert list(told["silent"]) == ["n2"]
    assert {guest["name"] for guest in told["guests"]} == {"mc", "web"}


def test_problems_count_for_the_exit_status_only_where_that_is_asked_for(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    broken = STATUS.replace('with_quorum="true"', 'with_quorum="false"')
    (tmp_path / "broken.xml").write_text(broken)
    (tmp_path / "bin" / "crm_mon").write_text(f"#!/bin/sh\nexec cat {tmp_path}/broken.xml\n")
    assert status(tmp_path).returncode == 0
    done = status(tmp_path, "-eformat=json", "-estrict=true")
    assert done.returncode == 2
    assert any("no quorum" in line for line in json.loads(done.stdout)["problems"])
    assert "Problems: " in done.stderr


def test_a_form_that_there_is_not_is_refused(tmp_path: Path) -> None:
    done = status(tmp_path, "-eformat=xml")
    assert done.returncode == 2
    assert "Say format=table, for people, or format=json, for programs, not format=xml" in done.stderr


def seen(guests: int, *problems: str) -> dict[str, Any]:
    named = [{"name": f"g{number}"} for number in range(guests)]
    lines = ["Cluster: quorum", "GUEST  KIND", *(f"g{number}  vm" for number in range(guests)), *problems]
    return {"member": True, "table": lines, "guests": named, "problems": [*problems]}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_watch_draws_once_a_second_and_forgets_who_fell_silent() -> None:
    clock = Clock()
    watch = Watch(terminal=True, clock=clock, rows=lambda: 24)
    first = watch.heard("n1", seen(1))
    assert first.startswith("\033[H\033[J")
    assert "as n1 sees it; Ctrl-C ends" in first
    assert watch.heard("n2", seen(1)) == ""
    clock.now = 2
    watch.silent("n1")
    assert "as n2 sees it" in watch.heard("n3", seen(1))
    clock.now = 60
    assert "as n3 sees it" in watch.heard("n3", seen(1))
    clock.now = 62
    assert "n3: it does not run" in watch.heard("n3", {"member": False, "reason": "it does not run"})


def test_into_a_file_goes_what_has_changed() -> None:
    clock = Clock()
    watch = Watch(terminal=False, clock=clock)
    assert "g0  vm" in watch.heard("n1", seen(1))
    clock.now = 2
    assert watch.heard("n1", seen(1)) == ""
    clock.now = 4
    assert "\033" not in watch.heard("n1", seen(2))


@pytest.mark.parametrize(("rows", "shown", "hidden"), [(20, 10, 0), (12, 9, 0), (10, 6, 4), (3, 0, 10)])
def test_what_is_wrong_stays_on_a_screen_that_is_too_small(rows: int, shown: int, hidden: int) -> None:
    lines = fitted(seen(10, "! it burns")["table"], 10, rows)
    assert lines[-1] == "! it burns"
    if hidden:
        assert len([line for line in lines if line.startswith("g")]) == shown
        assert f"... and {hidden} guests more" in lines
    assert len(lines) <= max(rows, 4) or not hidden
