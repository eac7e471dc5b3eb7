# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's power and its hardware's description."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.lab import chassis as lab_chassis
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import BmcSettings, Chassis, ChassisError
from ansible_collections.cspp.drover.tests.unit.lab.samples import CHASSIS, Commands, Machine


@pytest.mark.parametrize(
    ("pids", "killed"),
    [
        ({"leader": 8, "supervisor": 7}, ["leader"]),
        ({"leader": 8}, ["leader"]),
        ({"supervisor": 7}, ["supervisor"]),
        ({}, []),
    ],
)
def test_cut_power(monkeypatch: pytest.MonkeyPatch, pids: dict[str, int], killed: list[str]) -> None:
    machine = Machine(monkeypatch, pids)
    monkeypatch.setattr(lab_chassis, "PATIENCE", 0)
    runner = Commands()
    CHASSIS.cut_power(runner=runner)
    assert machine.signals == [(name, 9) for name in killed]
    assert not CHASSIS.is_on()
    assert runner.argvs == [["ip", "link", "delete", "vb-try-1"]]


def test_power_is_not_off_before_all_processes_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {"leader": 8, "supervisor": 7})
    machine.immortal = True
    with pytest.raises(ChassisError, match="all processes of try-1"):
        CHASSIS.cut_power(timeout=0.05, runner=Commands())
    assert CHASSIS.is_on()


def test_a_node_has_a_cgroup_of_its_own() -> None:
    plain, scoped = CHASSIS.boot_argv(Path("/cgroup/drover-lab-try-1")), CHASSIS.boot_argv(None)
    container = plain[plain.index("systemd-nspawn") :]
    assert scoped[-len(container) :] == container
    assert ("/cgroup/drover-lab-try-1" in plain, "systemd-run" in plain) == (True, False)
    assert ("systemd-run" in scoped, "--unit=drover-lab-try-1" in scoped) == (True, True)
    assert container[-1] == "--bind=/dev/kvm"


def test_descriptions_are_read_as_written(tmp_path: Path) -> None:
    chassis = dataclasses.replace(CHASSIS, directory=str(tmp_path))
    settings = BmcSettings("10.99.0.101", 623, "drover", "secret")
    chassis.save(tmp_path)
    settings.save(tmp_path)
    assert (Chassis.load(tmp_path), BmcSettings.load(tmp_path)) == (chassis, settings)
    assert (tmp_path / "bmc.json").stat().st_mode & 0o777 == 0o600


def test_an_exit_status_is_taken_once(tmp_path: Path) -> None:
    chassis = dataclasses.replace(CHASSIS, directory=str(tmp_path))
    assert chassis.take_exit_status() is None
    chassis.exit_file.write_text("")  # just being written
    assert chassis.take_exit_status() is None
    chassis.exit_file.write_text("133\n")
    assert (chassis.take_exit_status(), chassis.take_exit_status()) == (133, None)
