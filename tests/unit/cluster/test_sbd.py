# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies on a disk of SBD, as Debian 13's sbd 1.5.2 wrote it: its first five sectors, with slots of two nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import fencing, sbd
from ansible_collections.cspp.drover.plugins.module_utils.cluster.fencing import FenceDevice
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Primitive
from ansible_collections.cspp.drover.tests.unit.cluster_samples import live

DISK = (Path(__file__).parents[1] / "data" / "sbd" / "disk").read_bytes()
UUID = "ab81b6ce-b0a7-42d3-bf7e-fe47a87cd54a"


def test_the_header_as_sbd_wrote_it() -> None:
    # As `sbd dump` told of it.
    assert sbd.parse_header(DISK) == sbd.Header(UUID, sector=512, watchdog=15, msgwait=30)


@pytest.mark.parametrize(
    ("at", "byte"),
    [(0, b"X"), (8, b"\x03"), (9, b"\x10"), (32, b"\0")],
    ids=["magic", "version", "slots", "from before UUIDs"],
)
def test_what_is_no_header_that_we_know(at: int, byte: bytes) -> None:
    assert sbd.parse_header(DISK[:at] + byte + DISK[at + 1 :]) is None


def test_a_disk_of_zeros_or_of_nothing_has_no_header() -> None:
    assert sbd.parse_header(bytes(512)) is sbd.parse_header(b"") is None


def test_the_messages_to_nodes_as_sbd_wrote_them() -> None:
    # As `sbd list` told of them. What was cut off is no slot.
    assert sbd.parse_slots(DISK, 512) == {"node1": "clear", "node2": "reset"}
    assert sbd.parse_slots(DISK[:1536], 512) == {"node1": "clear"}


def test_the_disks_that_sbd_watches_by_the_titles_of_its_processes() -> None:
    titles = [
        f"sbd: watcher: /dev/disk/by-id/a b - slot: 0 - uuid: {UUID}".encode() + b"\0\0\0",
        b"sbd: watcher: Pacemaker\0",
        b"sbd: inquisitor\0",
        # Somebody who only talks of it.
        f"grep sbd: watcher: - uuid: {UUID}".encode(),
    ]
    assert sbd.watched(titles) == {UUID}
    assert sbd.watched(titles[1:]) == set()


@pytest.mark.parametrize(("devices", "needed"), [(1, 1), (2, 2), (3, 2)])
def test_how_many_disks_an_order_has_to_reach(devices: int, needed: int) -> None:
    assert sbd.majority(devices) == needed


DEVICE = FenceDevice("n1", "/dev/a,/dev/b,/dev/c", agent="fence_sbd", options=sbd.agent_options(15), level=3)


def test_the_agent_is_told_of_disks_and_may_take_longer_than_delivery() -> None:
    assert DEVICE.parameters == {"devices": "/dev/a,/dev/b,/dev/c", "power_timeout": "45"}
    params = DEVICE.resource(delayed=False).params
    # The agent kills sbd after power_timeout, and Pacemaker the agent.
    assert 2 * 15 < int(params["power_timeout"]) < int(params["pcmk_reboot_timeout"].removesuffix("s"))
    assert params["pcmk_off_timeout"] == params["pcmk_reboot_timeout"]
    # "on" by the agent would wipe an order that nobody has read yet.
    assert (params["pcmk_reboot_action"], params["pcmk_on_action"]) == ("reboot", "status")
    assert params["pcmk_host_list"] == "n1"


def test_sbd_is_the_last_level_however_many_come_before() -> None:
    bmc, second = FenceDevice("n1", "192.0.2.1"), FenceDevice("n1", "192.0.2.9", level=2)
    for devices, order in (
        ([DEVICE, bmc], ["drover-fence-n1", "drover-sbd-n1"]),
        ([second, DEVICE, bmc], ["drover-fence-n1", "drover-fallback-n1", "drover-sbd-n1"]),
        ([DEVICE], []),
    ):
        levels, gone = fencing.levels(devices, live())
        assert [(level.level, level.device) for level in levels] == list(enumerate(order, 1))
        assert gone.isdisjoint(level.id for level in levels)
        assert {f"drover-level-n1-{place}" for place in range(len(order) + 1, 4)} <= gone
    assert fencing.node_of("drover-sbd-n1") == ("n1", 3)
    _primitives, _places, gone = fencing.fencing([], live(Primitive("drover-sbd-n1", "stonith", None, "fence_sbd")))
    assert gone == {"drover-sbd-n1"}


def test_sbd_of_a_node_that_nobody_asked_is_not_made_and_stays_where_it_is() -> None:
    there = live(Primitive("drover-sbd-n1", "stonith", None, "fence_sbd"))
    bmc = FenceDevice("n1", "192.0.2.1")
    assert fencing.trusted([bmc, DEVICE], live(), ["n1"]) == [bmc]
    assert fencing.trusted([bmc, DEVICE], there, ["n1"]) == [bmc, DEVICE]
    assert fencing.trusted([bmc, DEVICE], live(), ["n2"]) == [bmc, DEVICE]


@pytest.mark.parametrize(
    ("resources", "alone"),
    [
        (["drover-sbd-n1", "drover-fence-n2", "mc"], True),
        (["drover-sbd-n1", "drover-fence-n1"], False),
        (["drover-fence-n1"], False),
        ([], False),
    ],
)
def test_whether_a_node_has_nothing_but_sbd(resources: list[str], alone: bool) -> None:
    assert fencing.only_sbd("n1", resources) is alone
