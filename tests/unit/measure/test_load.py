# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of load: what becomes of counters, for how long it is kept, and who is told what."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.measure import load
from ansible_collections.cspp.drover.plugins.module_utils.measure.load import Keeper
from ansible_collections.cspp.drover.plugins.module_utils.measure.node_counters import of_node


class Taken:
    """A keeper whose samples are 15 s apart, the last of them now."""

    def __init__(self, folder: Path, samples: int, every: float = 15.0) -> None:
        self.folder, self.every, self.left = folder, every, samples
        self.keeper = Keeper(folder, clock=lambda: 1000.0 - self.ago, now=lambda: time.time() - self.ago)

    @property
    def ago(self) -> float:
        return self.left * self.every

    def note(self, kind: load.Kind, **counters: Mapping[str, float]) -> None:
        self.left -= 1
        self.keeper.note(kind, counters)


def test_counters_become_what_was_used_each_second(tmp_path: Path) -> None:
    taken = Taken(tmp_path, 3)
    taken.note("nodes", n1={"cpu_seconds": 100.0, "cpus": 8, "load": 1.256, "memory": 1 << 30, "read": 0})
    assert load.series("nodes", "n1", folder=tmp_path) == {"at": []}
    taken.note("nodes", n1={"cpu_seconds": 130.0, "cpus": 8, "load": 2.0, "memory": 2 << 30, "read": 30720, "sent": 5})
    taken.note(
        "nodes", n1={"cpu_seconds": 130.0, "cpus": 8, "load": 0.5, "memory": 3 << 30, "read": 30720, "sent": 155}
    )
    told = load.series("nodes", "n1", folder=tmp_path)
    assert len(told.pop("at")) == 2
    assert told == {
        "cpu": [2.0, 0.0],
        "cpus": [8, 8],
        "load": [2.0, 0.5],
        "memory": [2 << 30, 3 << 30],
        "read": [2048, 0],
        # It was not counted before.
        "sent": [None, 10],
    }
    assert load.latest(folder=tmp_path)["nodes"]["n1"]["cpu"] == 0.0


def test_what_was_counted_anew_is_not_known_for_once(tmp_path: Path) -> None:
    taken = Taken(tmp_path, 4)
    for seconds in (50.0, 2.0, 17.0):
        taken.note("guests", mc={"cpu_seconds": seconds, "memory": 1024})
    assert load.series("guests", "mc", folder=tmp_path)["cpu"] == [None, 1.0]
    # Without one in between, there is nothing to compare with.
    taken.note("guests", web={"cpu_seconds": 1.0})
    assert "web" not in load.latest(folder=tmp_path)["guests"]
    assert not (tmp_path / "guests" / "web").exists()


def test_an_hour_is_kept_and_its_size_has_a_bound(tmp_path: Path) -> None:
    taken = Taken(tmp_path, 300)
    for number in range(300):
        taken.note("guests", mc={"cpu_seconds": number * 15.0})
    file = tmp_path / "guests" / "mc"
    assert file.stat().st_size <= 11 << 10
    assert file.stat().st_mode & 0o077 == 0
    told = load.series("guests", "mc", folder=tmp_path)
    assert 238 <= len(told["cpu"]) <= 240
    assert told["at"] == sorted(told["at"])
    # Nothing of it is told once it is older.
    old = Taken(tmp_path / "old", 250)
    old.note("guests", mc={"cpu_seconds": 0.0})
    old.note("guests", mc={"cpu_seconds": 1.0})
    assert load.series("guests", "mc", folder=tmp_path / "old") == {"at": []}


def test_what_a_clock_that_was_set_back_has_left_is_not_told(tmp_path: Path) -> None:
    taken = Taken(tmp_path, -10)
    taken.note("guests", mc={"cpu_seconds": 0.0})
    taken.note("guests", mc={"cpu_seconds": 1.0})
    assert load.latest(folder=tmp_path) == {"nodes": {}, "guests": {}}
    assert load.series("guests", "mc", folder=tmp_path) == {"at": []}
    # What comes after it is not among it.
    taken.left = 1
    taken.note("guests", mc={"cpu_seconds": 300.0})
    assert len(load.series("guests", "mc", folder=tmp_path)["at"]) == 1
    assert (tmp_path / "guests" / "mc").stat().st_size == load._RECORD.size


def test_only_what_is_of_the_last_minute_is_how_it_is_now(tmp_path: Path) -> None:
    taken = Taken(tmp_path, 7)
    taken.note("guests", mc={"cpu_seconds": 0.0}, web={"cpu_seconds": 0.0})
    taken.note("guests", mc={"cpu_seconds": 1.0}, web={"cpu_seconds": 1.0})
    taken.left = 2
    taken.note("guests", mc={"cpu_seconds": 60.0})
    assert set(load.latest(folder=tmp_path)["guests"]) == {"mc"}


def test_of_a_guest_that_has_gone_nothing_is_left_after_an_hour(tmp_path: Path) -> None:
    taken = Taken(tmp_path, 4)
    for seconds in (0.0, 1.0):
        taken.note("guests", mc={"cpu_seconds": seconds}, web={"cpu_seconds": seconds})
    taken.note("guests", web={"cpu_seconds": 2.0})
    assert (tmp_path / "guests" / "mc").exists()
    an_hour_ago = time.time() - 3601
    os.utime(tmp_path / "guests" / "mc", (an_hour_ago, an_hour_ago))
    taken.note("guests", web={"cpu_seconds": 3.0})
    assert [file.name for file in (tmp_path / "guests").iterdir()] == ["web"]


def test_a_file_that_broke_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    taken = Taken(tmp_path, 4)
    for seconds in (0.0, 15.0, 30.0):
        taken.note("guests", mc={"cpu_seconds": seconds})
    file = tmp_path / "guests" / "mc"
    file.write_bytes(file.read_bytes()[:-3])
    assert load.series("guests", "mc", folder=tmp_path)["cpu"] == [1.0]


def test_another_node_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        def send(self, message: Mapping[str, Any]) -> None:
            said.update(message)

    said: dict[str, Any] = {}
    peer: Any = Told()
    monkeypatch.setattr(load, "_FOLDER", tmp_path)
    taken = Taken(tmp_path, 2)
    for seconds in (0.0, 15.0):
        taken.note("guests", mc={"cpu_seconds": seconds})
    load.now({"do": "load"}, peer)
    load.past({"do": "past load", "guest": "mc"}, peer)
    assert said["load"] == {"nodes": {}, "guests": {"mc": {"cpu": 1.0}}}
    assert said["series"]["cpu"] == [1.0]
    load.past({"do": "past load", "node": "n1"}, peer)
    assert said["series"] == {"at": []}


STAT = """\
cpu  1000 200 300 5000 400 50 25 25 700 0
cpu0 500 100 150 2500 200 25 13 12 350 0
cpu1 500 100 150 2500 200 25 12 13 350 0
intr 1 2 3
"""


def test_a_node_is_counted_by_the_kernels_files(tmp_path: Path) -> None:
    def put(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    where = {name: tmp_path / name for name in ("proc", "block", "net")}
    assert of_node(**where) == {}
    put("proc/stat", STAT)
    put("proc/loadavg", "1.25 0.75 0.50 2/300 4711\n")
    put("proc/meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  400 kB\nHugePages_Total:   0\n")
    # A partition table's disk, the mapped device on it, and one that came later; a card, the bridge on it, and a tap.
    put("block/sda/stat", "  1 0 10 0 1 0 20 0 0 0 0\n")
    put("block/sda/device/model", "disk\n")
    put("block/dm-0/stat", "  1 0 1000 0 1 0 1000 0 0 0 0\n")
    put("block/nvme0n1/stat", "  1 0 2 0 1 0 4 0 0 0 0\n")
    put("block/nvme0n1/device/model", "disk\n")
    for card, received in (("eno1", 7), ("br0", 7000), ("mc-12abcd", 70000)):
        put(f"net/{card}/statistics/rx_bytes", f"{received}\n")
        put(f"net/{card}/statistics/tx_bytes", "9\n")
    put("net/eno1/device/vendor", "0x8086\n")
    hertz = os.sysconf("SC_CLK_TCK")
    assert of_node(**where) == {
        # Neither idle nor waiting for disks; guests are part of user already.
        "cpu_seconds": 1600 / hertz,
        "cpus": 2,
        "load": 1.25,
        "memory": 600 << 10,
        "memory_total": 1000 << 10,
        "read": 12 * 512,
        "written": 24 * 512,
        "received": 7,
        "sent": 9,
    }
