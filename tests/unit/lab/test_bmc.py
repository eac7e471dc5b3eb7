# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's BMC, which has its power."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.lab import bmc as lab_bmc
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import (
    Behaviour,
    BmcSettings,
    Chassis,
    ChassisError,
)
from ansible_collections.cspp.drover.tests.unit.lab.samples import CHASSIS, Machine


@pytest.fixture
def bmc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> lab_bmc.NodeBmc:
    """A BMC without its socket, of a node that starts when told to."""
    machine = Machine(monkeypatch, {})

    def boot(_self: Chassis) -> None:
        machine.pids["leader"] = 8

    monkeypatch.setattr(Chassis, "boot", boot)
    monkeypatch.setattr(Chassis, "unplug", lambda _self, _runner: None)
    monkeypatch.setattr("pyghmi.ipmi.bmc.Bmc.__init__", lambda _self, *_args, **_options: None)
    chassis = dataclasses.replace(CHASSIS, directory=str(tmp_path))
    return lab_bmc.NodeBmc(chassis, BmcSettings("127.0.0.1", 0, "drover", "secret"))


def test_bmc_has_the_nodes_power(bmc: lab_bmc.NodeBmc) -> None:
    for request, state in [
        (bmc.power_on, "on"),
        (bmc.power_on, "on"),
        (bmc.power_off, "off"),
        (bmc.power_off, "off"),
        (bmc.power_cycle, "on"),
        (bmc.power_reset, "on"),
    ]:
        assert request() == lab_bmc.COMPLETED
        assert bmc.get_power_state() == state


def test_bmc_says_when_it_failed(bmc: lab_bmc.NodeBmc, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Chassis) -> None:
        raise ChassisError("stuck")

    monkeypatch.setattr(Chassis, "cut_power", fail)
    assert bmc.power_off() == lab_bmc.FAILED


@pytest.mark.parametrize(("status", "state"), [("0", "off"), ("133", "on"), ("137", "off")])
def test_a_node_that_reboots_comes_back(bmc: lab_bmc.NodeBmc, status: str, state: str) -> None:
    bmc.chassis.exit_file.write_text(f"{status}\n")
    bmc.look_after_node()
    assert bmc.get_power_state() == state


def test_a_slow_bmc_accepts_now_and_cuts_later(bmc: lab_bmc.NodeBmc, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    bmc.power_on()
    Behaviour.SLOW.save(Path(bmc.chassis.directory))
    assert bmc.power_off() == lab_bmc.COMPLETED
    now += 1.5
    assert (bmc.do_what_is_due(), bmc.get_power_state()) == (0.5, "on")
    now += 0.6
    bmc.do_what_is_due()
    assert bmc.get_power_state() == "off"


def test_a_lying_bmc_accepts_and_does_nothing(bmc: lab_bmc.NodeBmc) -> None:
    bmc.power_on()
    Behaviour.LYING.save(Path(bmc.chassis.directory))
    assert bmc.power_off() == lab_bmc.COMPLETED
    bmc.do_what_is_due()
    assert bmc.get_power_state() == "on"


def test_what_came_to_a_silent_bmc_is_gone_for_good(bmc: lab_bmc.NodeBmc, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    for way in ("sessionless_data", "handle_raw_request"):
        monkeypatch.setattr(f"pyghmi.ipmi.bmc.Bmc.{way}", lambda _self, data, _whose: taken.append(data))
    bmc.pktqueue = deque([("asked in vain", "address")])
    Behaviour.SILENT.save(Path(bmc.chassis.directory))
    bmc.process_pktqueue()
    bmc.handle_raw_request("asked in vain", None)
    Behaviour.PROMPT.save(Path(bmc.chassis.directory))
    bmc.pktqueue.append(("asked", "address"))
    bmc.process_pktqueue()
    assert taken == ["asked"]
