# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SBD as it is declared and found: what is refused with which code, and whom it counts as able to reset."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import fence_arguments, sbd
from ansible_collections.cspp.drover.plugins.module_utils.declaration import nodes
from ansible_collections.cspp.drover.plugins.module_utils.declaration import sbd as declared
from ansible_collections.cspp.drover.plugins.module_utils.declaration.timing import timing
from ansible_collections.cspp.drover.plugins.module_utils.verbs import pause, prove, remove

A, B, C = "/dev/disk/by-id/a", "/dev/disk/by-id/b", "/dev/disk/by-id/c"
HEADER = {"uuid": "u1", "sector": 512, "watchdog": 15, "msgwait": 30}


def host(number: int, **more: Any) -> dict[str, Any]:
    return {"inventory_hostname": f"node{number}", "ansible_host": f"192.0.2.{number}", **more}


def hosts(*, count: int = 2, devices: Any = (A,), **more: Any) -> list[dict[str, Any]]:
    return [host(number, fencing_sbd_devices=list(devices), **more) for number in range(1, count + 1)]


def disk(path: str = A, **more: Any) -> dict[str, Any]:
    slots = {"node1": "clear", "node2": "clear"}
    return {"path": path, "fault": "", "header": HEADER, "slots": slots, "content": "", **more}


def told(*disks: dict[str, Any], watchdog: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    its = {"device": "/dev/watchdog", "present": True, "module": True, "identity": "iTCO_wdt", "software": False}
    return {
        "devices": list(disks or (disk(),)),
        "watchdog": {**its, "active": True, "longest": 613, **(watchdog or {})},
        "running": True,
        "watches": ["u1"],
        "cluster": True,
        **more,
    }


def codes(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (hosts(), None),
        (hosts(devices=[A, B, C], fencing_watchdog="softdog", fencing_watchdog_timeout=30), None),
        ([host(1), host(2)], None),
        ([*hosts(count=1), host(2)], "sbd_partly"),
        (hosts(devices=[A, B, C, "/dev/d"]), "sbd_devices"),
        (hosts(devices=[A, A]), "sbd_devices"),
        (hosts(devices=["sdb"]), "sbd_devices"),
        # It would end the line in /etc/default/sbd, or make two disks of one.
        (hosts(devices=['/dev/a"; x']), "sbd_devices"),
        (hosts(devices=["/dev/a,/dev/b"]), "sbd_devices"),
        ([*hosts(count=1), host(2, fencing_sbd_devices=[B])], "sbd_devices"),
        (hosts(devices=["/dev/a\nSBD_OPTS=-Z"]), "sbd_devices"),
        (hosts(fencing_watchdog="iTCO_wdt"), "sbd_watchdog"),
        (hosts(fencing_watchdog="/dev/watchdog\nSBD_OPTS=-Z"), "sbd_watchdog"),
        *((hosts(fencing_watchdog_timeout=wrong), "sbd_timeout") for wrong in (4, 51, "soon", True, None)),
        ([*hosts(count=1), host(2, fencing_sbd_devices=[A], fencing_watchdog_timeout=20)], "sbd_timeout"),
    ],
)
def test_what_is_declared_goes_together_or_is_refused(given: list[dict[str, Any]], code: str | None) -> None:
    found = declared.sbd_declared(given)
    assert set(codes(found["problems"])) == ({code} if code else set())
    if code:
        assert declared.fencing_devices(given, []) == []


def test_verbs_wait_longer_for_fencing_than_the_longest_delivery() -> None:
    longest = max(
        second for second in range(200) if not declared.sbd_declared(hosts(fencing_watchdog_timeout=second))["problems"]
    )
    for patience in (prove._POWER, pause._CUT, remove._OFF):
        assert sbd.msgwait(longest) + 15 < patience


def test_what_follows_from_the_timeout_of_the_watchdog() -> None:
    found = declared.sbd_declared(hosts(fencing_watchdog_timeout="20"))
    assert (found["devices"], found["timeout"], found["msgwait"]) == ([A], 20, 40)
    assert declared.sbd_declared([host(1)])["devices"] == []


BLANK = disk(header=None, slots={})


@pytest.mark.parametrize(
    ("seen", "laid_out", "code", "words"),
    [
        ({"node1": told(), "node2": told()}, True, None, ""),
        ({"node1": told(BLANK), "node2": told(BLANK)}, False, None, ""),
        ({"node1": told(BLANK), "node2": told(BLANK)}, True, "sbd_device_blank", "run site.yml again"),
        (
            {"node1": told(), "node2": told(disk(fault="No such file or directory", header=None, slots={}))},
            False,
            "sbd_device_missing",
            f"{A} on node2: No such file or directory: attach",
        ),
        (
            {"node1": told(), "node2": told(BLANK)},
            False,
            "sbd_device_not_shared",
            f"{A} is one disk on node1 and node2",
        ),
        (
            {"node1": told(), "node2": told(disk(header={**HEADER, "uuid": "u2"}))},
            True,
            "sbd_device_not_shared",
            "by a path that leads to the same disk on each",
        ),
        # Copied, with its UUID.
        (
            {"node1": told(), "node2": told(disk(slots={"node2": "clear"}))},
            True,
            "sbd_device_not_shared",
            "as a copy of",
        ),
        (
            {"node1": told(disk(content="ext4", header=None)), "node2": told(disk(content="ext4", header=None))},
            False,
            "sbd_device_not_empty",
            "holds ext4, as node1 sees it, and is left alone: name another disk, or when nothing of that is needed: ",
        ),
        (
            {node: told(disk(header={**HEADER, "watchdog": 5, "msgwait": 10})) for node in ("node1", "node2")},
            False,
            "sbd_timeouts",
            "set fencing_watchdog_timeout: 5, or stop the cluster on all nodes",
        ),
        (
            {node: told(disk(header={**HEADER, "msgwait": 10})) for node in ("node1", "node2")},
            False,
            "sbd_timeouts",
            f"stop the cluster on all nodes (systemctl stop corosync) and type on one: sbd -d {A} -1 15 -4 30 create",
        ),
        ({"node1": told(watchdog={"present": False})}, False, "sbd_watchdog_missing", "node1 has no /dev/watchdog"),
        ({"node1": told(running=False)}, False, "sbd_watchdog_busy", "RuntimeWatchdogSec"),
        ({"node1": told(watchdog={"longest": 10})}, False, "sbd_watchdog_short", "takes 10 s at most"),
        ({"node1": told(watchdog={"longest": None})}, False, None, ""),
    ],
)
def test_what_the_nodes_have_is_fit_or_refused(
    seen: dict[str, Any], laid_out: bool, code: str | None, words: str
) -> None:
    found = declared.sbd_problems(hosts(), seen, laid_out=laid_out)
    # A disk that is on two nodes in the same condition is told of once for each.
    assert set(codes(found)) == ({code} if code else set())
    assert all(words in line for line in found[:1])


@pytest.mark.parametrize(
    ("watchdog", "code"),
    [
        ({"present": False, "active": False}, None),
        ({"software": True, "identity": "Software Watchdog"}, None),
        ({"present": False, "active": False, "module": False}, "sbd_softdog_missing"),
        # Which of both would be /dev/watchdog is a matter of luck.
        ({"software": False}, "sbd_hardware_watchdog"),
    ],
)
def test_softdog_is_for_nodes_that_have_no_watchdog(watchdog: dict[str, Any], code: str | None) -> None:
    given = hosts(fencing_watchdog="softdog")
    assert codes(declared.sbd_problems(given, {"node1": told(watchdog=watchdog)})) == ([code] if code else [])


def test_each_disk_is_judged_by_its_own_place() -> None:
    given = hosts(devices=[A, B, C])
    seen = {
        "node1": told(disk(A), disk(B, fault="gone", header=None), disk(C)),
        "node2": told(disk(A), disk(B), disk(C)),
    }
    [line] = declared.sbd_problems(given, seen)
    assert line.startswith(f"sbd_device_missing: {B} on node1: gone")


@pytest.mark.parametrize(
    ("seen", "pending"),
    [
        ({}, False),
        ({"watches": []}, True),
        # It watches the disk that was declared before.
        ({"watches": ["u0"]}, True),
        ({"watches": [], "cluster": False}, False),
    ],
)
def test_a_node_whose_sbd_does_not_read_its_slot_is_no_device(seen: dict[str, Any], pending: bool) -> None:
    found = declared.sbd_pending(hosts(), {"node1": told(**seen), "node2": told()})
    assert found == (["node1"] if pending else [])
    devices = [device["node"] for device in declared.fencing_devices(hosts(), found)]
    assert devices == (["node2"] if pending else ["node1", "node2"])


@pytest.mark.parametrize(("watches", "pending"), [(["u1", "u2"], []), (["u2"], ["node1"]), (["u1", "u3", "u0"], [])])
def test_of_three_disks_two_are_enough(watches: list[str], pending: list[str]) -> None:
    disks = [disk(path, header={**HEADER, "uuid": f"u{at}"}) for at, path in enumerate((A, B, C), 1)]
    assert declared.sbd_pending(hosts(devices=[A, B, C]), {"node1": told(*disks, watches=watches)}) == pending


def test_nodes_of_a_run_of_some_nodes_alone_are_not_known() -> None:
    assert declared.sbd_unseen(hosts(), {"node1": told()}) == ["node2"]
    assert declared.sbd_unseen([host(1)], {}) == []


def test_the_devices_are_what_the_modules_take() -> None:
    for device in declared.fencing_devices(hosts(devices=[A, B, C]), []):
        assert set(device) <= set(fence_arguments.FENCING)
        assert device["level"] in fence_arguments.FENCING["level"]["choices"]
        assert (device["agent"], device["address"]) == (sbd.AGENT, f"{A},{B},{C}")


def test_a_node_with_sbd_alone_can_be_fenced_once_it_runs() -> None:
    given = hosts()
    devices = declared.fencing_devices(given, ["node2"])
    report = nodes.fencing_report(["node1", "node2"], devices, {}, ["node2"])
    assert report == "node2 has no power controller, and its SBD does not run yet: start its cluster anew."
    assert nodes.fencing_report(["node1", "node2"], declared.fencing_devices(given, []), {}) == ""


@pytest.mark.parametrize(("seconds", "hasty"), [(15, False), (5, False), (5, True)])
def test_the_timing_is_judged_with_the_watchdog_that_is_declared(seconds: int, hasty: bool) -> None:
    given = hosts(fencing_watchdog_timeout=seconds)
    found = timing("safe", {"token": 2000} if hasty else {}, hosts=given)["problems"]
    assert any("the watchdog's timeout >= token + consensus + 1 s" in line for line in found) is hasty
    # Without SBD there is no watchdog to judge.
    assert timing("safe", {"token": 2000}, hosts=[host(1), host(2)])["problems"] == []
