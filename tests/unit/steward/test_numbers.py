# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Numbers for Prometheus: what comes of them, and that who asks waits for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.console.metrics import exposition
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.guest_usage import LibvirtUsage, of_container
from ansible_collections.cspp.drover.plugins.module_utils.planning.headroom import homeless
from ansible_collections.cspp.drover.plugins.module_utils.steward.failovers import failovers
from ansible_collections.cspp.drover.plugins.module_utils.steward.numbers import history
from ansible_collections.cspp.drover.plugins.module_utils.steward.sampler import Sampler
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB
from ansible_collections.cspp.drover.tests.unit.monitoring.numbers import JOURNAL, NUMBERS

from .conftest import House


def samples() -> set[str]:
    return {line for line in exposition(NUMBERS).splitlines() if not line.startswith("#")}


def test_the_exposition_says_what_the_steward_knows() -> None:
    text = exposition(NUMBERS)
    assert text.endswith("\n")
    assert len(text.splitlines()) == len(set(text.splitlines()))
    assert {
        'drover_sample_age_seconds{part="cluster"} 3.5',
        "drover_quorum 1",
        'drover_node_state{node="node1",state="online"} 1',
        'drover_headroom_memory_bytes{node="node1"} 42949672960',
        'drover_headroom_homeless_guests{node="node2"} 1',
        'drover_headroom_homeless_guests{node="node3"} 0',
        "drover_headroom_survives_largest_node 1",
        "drover_drift_known 1",
        "drover_drifted_guests 1",
        'drover_declaration_info{commit="3f2c1a",dirty="false"} 1',
        'drover_guest_cpu_seconds_total{guest="odd\\"name",kind="vm"} 12.5',
        'drover_guest_cpu_seconds_total{guest="web",kind="container"} 0.25',
        'drover_moves_total{kind="vm",result="moved"} 1',
        'drover_moves_total{kind="vm",result="failed"} 1',
        'drover_move_pause_seconds_bucket{kind="vm",le="0.025"} 0',
        'drover_move_pause_seconds_bucket{kind="vm",le="0.05"} 1',
        'drover_move_pause_seconds_bucket{kind="vm",le="+Inf"} 1',
        'drover_move_pause_seconds_sum{kind="vm"} 0.04',
        'drover_move_pause_seconds_count{kind="container"} 1',
        # It was forecast to be 50 ms.
        'drover_move_forecast_error_seconds_bucket{le="0.025"} 1',
        "drover_move_forecast_error_seconds_sum 0.01",
        'drover_fence_proof_timestamp_seconds{node="node2"} 0',
        'drover_drill_timestamp_seconds{drill="power",variant="off",result="well"} 1795946405',
        'drover_certificate_end_timestamp_seconds{name="ca",what="certificate"} 1800000000',
        "drover_stories_untold 0",
    } <= samples()
    # A container that has no limits tells no memory.
    assert not [line for line in samples() if "memory_bytes" in line and 'guest="web"' in line]


def test_a_part_without_a_sample_is_left_out() -> None:
    nothing: dict[str, Any] = {"age": {}, "cluster": None, "usage": None, "history": None}
    assert [line for line in exposition(nothing).splitlines() if not line.startswith("#")] == []


def until(sampler: Sampler, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What is told as soon as it is so; each look waits for a first sample a moment at most."""
    for _try in range(2000):
        if done(said := sampler.latest()):
            return said
        time.sleep(0.005)
    raise AssertionError(said)


def test_who_asks_waits_for_no_part_that_is_held_up() -> None:
    go = threading.Event()
    tried: list[str] = []

    def held_up() -> str:
        go.wait(60)
        return "late"

    def fails() -> str:
        tried.append("once more")
        raise DroverError("no")

    parts: dict[str, Callable[[], str]] = {"quick": lambda: "there", "slow": held_up, "broken": fails}
    sampler = Sampler(parts, every=0.01, first=0.01)
    # One that failed is tried again.
    said = until(sampler, lambda said: said["quick"] == "there" and len(tried) > 1)
    assert (said["slow"], said["broken"]) == (None, None)
    assert set(said["age"]) == {"quick"}
    go.set()
    until(sampler, lambda said: said["slow"] == "late")


def test_samples_are_taken_only_while_somebody_asks() -> None:
    now, count = [0.0], [0]

    def part() -> int:
        count[0] += 1
        return count[0]

    sampler = Sampler({"part": part}, every=0.001, first=0.01, linger=10.0, clock=lambda: now[0])
    until(sampler, lambda said: said["part"] is not None)
    now[0] = 1000.0
    for _try in range(2000):
        if not sampler.busy:
            break
        time.sleep(0.005)
    assert not sampler.busy
    last = count[0]
    # What was true then is not told to whoever comes later.
    assert until(sampler, lambda said: said["part"] is not None)["part"] > last


def test_a_scrape_does_not_look_at_the_cluster_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = house.steward.eyes.see, []

    def see(**more: bool) -> Any:
        asked.append(threading.current_thread())
        return real(**more)

    monkeypatch.setattr(house.steward.eyes, "see", see)
    said = until_known(house)
    assert asked
    assert threading.current_thread() not in asked
    assert said["cluster"]["look"]["declaration"]["drift"] is None
    assert "drover_quorum 1" in exposition(said)


def until_known(house: House) -> dict[str, Any]:
    """What the steward tells as soon as every part has a sample."""
    viewer = house.session("viewer")
    for _try in range(200):
        said = house.ask("metrics", viewer)
        if None not in said.values():
            return said
    raise AssertionError(said)


class Libvirt:
    """As much of libvirt's binding as is asked for; it keeps the flags."""

    VIR_DOMAIN_STATS_STATE, VIR_DOMAIN_STATS_CPU_TOTAL, VIR_DOMAIN_STATS_BALLOON = 1, 2, 4
    VIR_DOMAIN_STATS_INTERFACE, VIR_DOMAIN_STATS_BLOCK = 16, 32
    VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT = 1, 1 << 29
    libvirtError = RuntimeError

    def __init__(self, *said: tuple[str, dict[str, Any]]) -> None:
        self.said, self.flags = said, 0

    def registerErrorHandler(self, *_given: object) -> None:
        return

    def open(self, _uri: str) -> Libvirt:
        return self

    def getAllDomainStats(self, _what: int, flags: int) -> list[tuple[Any, dict[str, Any]]]:
        self.flags = flags
        return [(SimpleNamespace(name=lambda name=name: name), said) for name, said in self.said]


def test_vms_are_asked_for_in_a_way_that_waits_for_no_migration() -> None:
    whole = {
        "cpu.time": 12_500_000_000,
        "balloon.rss": 1024,
        "block.count": 2,
        "block.0.rd.bytes": 10,
        "block.0.wr.bytes": 1,
        "block.1.rd.bytes": 5,
        "net.count": 1,
        "net.0.rx.bytes": 7,
        "net.0.tx.bytes": 8,
    }
    # While a job is under way, libvirt leaves out what only QEMU knows.
    libvirt = Libvirt(("mc", whole), ("moving", {"cpu.time": 1_000_000_000, "block.count": 1}))
    usage = LibvirtUsage(libvirt).usage()
    assert libvirt.flags & Libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    mc = {"cpu_seconds": 12.5, "memory": 1 << 20, "read": 15, "written": 1, "received": 7, "sent": 8}
    assert usage == {"mc": mc, "moving": {"cpu_seconds": 1.0}}


def test_containers_are_read_from_the_kernels_files(tmp_path: Path) -> None:
    def put(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    where = {name: tmp_path / name for name in ("configs", "cgroups", "proc", "net")}
    assert of_container("web", None, **where) == {}
    put("proc/7/cgroup", "0::/machine/lxc.payload.web/init.scope\n")
    put("cgroups/machine/lxc.payload.web/cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    put("cgroups/machine/lxc.payload.web/memory.current", "4096\n")
    put("cgroups/machine/lxc.payload.web/io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n")
    put("configs/web/config", "lxc.uts.name = web\nlxc.net.0.veth.pair = web-3fa2c1\nlxc.net.1.veth.pair = ../../etc\n")
    put("net/web-3fa2c1/statistics/rx_bytes", "30\n")
    put("net/web-3fa2c1/statistics/tx_bytes", "40\n")
    used = {"cpu_seconds": 2.5, "memory": 4096, "read": 11, "written": 22, "received": 40, "sent": 30}
    assert of_container("web", 7, **where) == used
    # Without its process, it is looked for where LXC puts it.
    put("cgroups/lxc.payload.web/cpu.stat", "usage_usec 1000000\n")
    assert of_container("web", None, **where)["cpu_seconds"] == 1.0


@pytest.mark.parametrize(
    ("places", "usable", "expected"),
    [
        ({"mc": "n1", "web": "n2"}, ["n1", "n2", "n3"], {}),
        # 582 and 256 MiB on two nodes of 4000, of which one is lost.
        ({"mc": "n1", "web": "n2"}, ["n1", "n2"], {}),
        ({"mc": "n1", "web": "n1"}, ["n1"], {"n1": ["mc", "web"]}),
        ({"mc": None, "web": "n1"}, ["n1"], {"n1": ["web"]}),
    ],
)
def test_who_would_find_no_room(places: dict[str, str | None], usable: list[str], expected: dict[str, Any]) -> None:
    assert homeless(read(CIB), places, usable) == expected


def test_room_counts_what_is_there_already() -> None:
    small = CIB.replace('name="memory" value="4000"', 'name="memory" value="600"')
    assert homeless(read(small), {"mc": "n1", "web": "n2"}, ["n1", "n2"]) == {"n1": ["mc"], "n2": ["web"]}


def test_what_a_journal_does_not_have_is_no_number() -> None:
    assert history([], 0.0)["moves"] == []
    unmeasured = [{**entry, "downtime_ms": None} for entry in JOURNAL]
    assert sum(history(unmeasured, 0.0)["pauses"]["vm"]["counts"]) == 0


STORY = {
    "id": "s1",
    "kind": "story",
    "story": "lost",
    "subject": "n1",
    "reason": "n1 was lost.",
    "started": "2026-11-29T10:00:40.000Z",
    "steps": {
        "noticed": "2026-11-29T10:00:02.500Z",
        "fenced": "2026-11-29T10:00:03.000Z",
        "started": {"mc": "2026-11-29T10:00:04.250Z"},
    },
}
DRILL = {
    "id": "d",
    "kind": "drill",
    "drill": "power",
    "struck": "n1",
    "started": "2026-11-29T10:00:00.000Z",
    "answered": {"mc": 7.25},
}


def test_a_failover_is_a_line_of_time() -> None:
    [alone] = failovers([STORY, {**DRILL, "struck": "n2"}], 20)
    assert [(step["what"], step["seconds"]) for step in alone["steps"]] == [
        ("noticed", 0.0),
        ("fenced", 0.5),
        ("started", 1.75),
    ]
    # The drill that caused it knows when the power went, and when somebody had an answer again.
    [drilled] = failovers([DRILL, STORY], 20)
    assert drilled["drill"] == "power"
    assert [(step["what"], step["guest"], step["seconds"]) for step in drilled["steps"]] == [
        ("lost", None, 0.0),
        ("noticed", None, 2.5),
        ("fenced", None, 3.0),
        ("started", "mc", 4.25),
        ("answered", "mc", 7.25),
    ]
    assert failovers([STORY, {**STORY, "id": "s2"}], 1)[0]["id"] == "s2"
