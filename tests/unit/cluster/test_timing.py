# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The timing of a cluster: what follows from a profile, and what is refused, with values that would do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.timing import PROFILES
from ansible_collections.cspp.drover.plugins.module_utils.cluster.timing import timing as resolved
from ansible_collections.cspp.drover.plugins.module_utils.cluster.timing_rules import (
    Device,
    Problem,
    Site,
    problems,
    seconds,
)
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.declaration.timing import timing

#: What a wrong combination is made of: a profile, a cluster, and variables by their names.
Wrong = dict[str, Any]
PROPERTY, OPTION = re.compile(r"cluster_properties\.(.+)"), re.compile(r"fencing_bmc of (\w+), options\.(.+)")
OWN = (
    "token",
    "token_coefficient",
    "consensus",
    "knet_ping_interval",
    "knet_ping_timeout",
    "monitor_interval",
    "qdevice_timeout",
    "qdevice_sync_timeout",
)


def site(wrong: Wrong) -> Site:
    """The cluster that such variables make; every node has a power controller."""
    nodes = wrong.get("nodes", 3)
    own = {name: wrong.get(f"cluster_{name}") for name in OWN}
    options: dict[str, dict[str, str]] = {f"n{number}": {} for number in range(1, nodes + 1)}
    properties = {}
    for name, value in wrong.items():
        if match := PROPERTY.fullmatch(name):
            properties[match[1]] = value
        if match := OPTION.fullmatch(name):
            options[match[1]][match[2]] = value
    return Site(
        resolved(wrong.get("profile", "safe"), own, nodes=nodes, links=wrong.get("links", 1)),
        properties,
        [Device(node, its) for node, its in options.items()],
        None if "fencing_watchdog_timeout" not in wrong else float(wrong["fencing_watchdog_timeout"]),
        seconds("cluster_failure_timeout", wrong.get("cluster_failure_timeout", "10min")),
        wrong.get("arbiter", False),
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("links", [1, 2])
@pytest.mark.parametrize("nodes", range(1, 33))
def test_a_profile_holds_together_in_clusters_of_any_size(profile: str, links: int, nodes: int) -> None:
    for arbiter in (False, True):
        assert problems(site({"profile": profile, "links": links, "nodes": nodes, "arbiter": arbiter})) == []


@pytest.mark.parametrize(("profile", "nodes", "device"), [("safe", 2, 1833), ("safe", 4, 2291), ("fast", 2, 1250)])
def test_a_quorum_device_notices_a_loss_when_the_members_do(profile: str, nodes: int, device: int) -> None:
    found = resolved(profile, {}, nodes=nodes)
    assert found.qdevice_timeout == device
    assert found.device_loss <= max(found.loss, 1500)


@pytest.mark.parametrize(
    ("profile", "nodes", "loss"),
    [
        ("safe", 2, 2200),
        ("safe", 3, 2475),
        ("safe", 16, 6050),
        ("safe", 32, 10450),
        ("fast", 2, 1210),
        ("fast", 3, 1375),
        ("fast", 16, 3520),
        ("fast", 32, 6160),
    ],
)
def test_how_long_a_loss_takes(profile: str, nodes: int, loss: int) -> None:
    assert resolved(profile, {}, nodes=nodes).loss == loss


#: Each with the code, and the numbers that the message has to have.
TABLE: list[tuple[Wrong, str, str]] = [
    ({"cluster_token": 300}, "token_low", "300 < 500"),
    ({"cluster_token_coefficient": 0, "nodes": 8}, "coefficient_low", "0 < 25, at 8 nodes"),
    ({"cluster_consensus": 1200}, "consensus_short", "1200 < 1350 at a token of 1125"),
    ({"cluster_token": 3000, "cluster_consensus": 3000}, "consensus_short", "3000 < 3750"),
    ({"profile": "fast", "nodes": 16, "cluster_consensus": 750}, "consensus_short", "750 < 1920"),
    ({"nodes": 2, "cluster_consensus": 60}, "consensus_short", "60 < 100"),
    ({"cluster_knet_ping_interval": 100}, "ping_often", "100 < 200"),
    ({"cluster_knet_ping_timeout": 300}, "one_ping_decides", "300 < 562"),
    ({"cluster_knet_ping_interval": 500, "cluster_knet_ping_timeout": 700}, "one_ping_decides", "700 < 1000"),
    ({"links": 2, "cluster_knet_ping_timeout": 1000}, "second_link_late", "1125 < 1000 + 267"),
    ({"profile": "fast", "links": 2, "nodes": 2, "cluster_token": 500}, "second_link_late", "500 < 400 + 119"),
    ({"cluster_token": 25_000}, "asking_short", "55 < 25.125 + 30.15 + 7"),
    (
        {"nodes": 32, "cluster_token": 5000, "cluster_token_coefficient": 650},
        "asking_short",
        "55 < 24.5 + 29.4 + 7",
    ),
    ({"nodes": 32, "cluster_token_coefficient": 800}, "asking_short", "55 < 25 + 30 + 7"),
    ({"fencing_bmc of n2, options.power_wait": "60"}, "asking_short", "55 < 1.125 + 1.35 + 65"),
    ({"cluster_token": 8000, "cluster_properties.cluster-delay": "15s"}, "delay_short", "15 s < 17.875 s"),
    ({"cluster_monitor_interval": 30}, "beats_missed", "25 < 65"),
    ({"cluster_monitor_interval": 1}, "monitors_often", "1 < 2"),
    ({"cluster_failure_timeout": "1min"}, "failures_forgotten", "60 s < 320 s"),
    ({"cluster_properties.cluster-recheck-interval": "15min"}, "recheck_late", "900 s > 600 s"),
    ({"cluster_properties.stonith-timeout": "20s"}, "off_short", "20 s < 30 s, for n1"),
    ({"fencing_bmc of n2, options.pcmk_off_timeout": "10s"}, "off_short", "pcmk_off_timeout"),
    ({"fencing_bmc of n1, options.login_timeout": "40"}, "login_long", "30 < 43, for n1"),
    ({"nodes": 2, "fencing_bmc of n1, options.pcmk_delay_base": "0s"}, "both_shoot", "0 < 0 + 5"),
    ({"nodes": 2, "fencing_bmc of n2, options.pcmk_delay_base": "5s"}, "both_shoot", "5 < 5 + 5"),
    ({"nodes": 2, "fencing_bmc of n2, options.pcmk_delay_max": "10s"}, "both_shoot", "5 < 10 + 5"),
    ({"nodes": 2, "cluster_properties.priority-fencing-delay": "5s"}, "priority_overruled", "5 s < 10 s"),
    ({"cluster_properties.stonith-watchdog-timeout": "10s"}, "watchdog_missing", "10 s"),
    (
        {"fencing_watchdog_timeout": 6, "cluster_properties.stonith-watchdog-timeout": "10s"},
        "watchdog_counted_early",
        "10 s < 12 s",
    ),
    ({"fencing_watchdog_timeout": 3}, "watchdog_hasty", "3 s < 3.475 s"),
    ({"nodes": 2, "arbiter": True, "cluster_qdevice_timeout": 1000}, "device_hasty", "1000 < 1250"),
    ({"nodes": 4, "arbiter": True, "cluster_qdevice_sync_timeout": 3500}, "device_unheard", "3500 < 5498"),
    ({"nodes": 2, "arbiter": True, "cluster_qdevice_timeout": 50_000}, "device_late", "55 < 60 + 7"),
]


def found(wrong: Wrong, code: str) -> list[Problem]:
    return [problem for problem in problems(site(wrong)) if problem.code == code]


@pytest.mark.parametrize(("wrong", "code", "numbers"), TABLE)
def test_what_does_not_go_together_is_refused(wrong: Wrong, code: str, numbers: str) -> None:
    problem, *_others = found(wrong, code)
    assert numbers in f"{problem.inequality} {problem.found}"
    assert str(problem).startswith(problem.inequality)


@pytest.mark.parametrize(("wrong", "code", "numbers"), TABLE)
def test_each_value_that_is_said_to_do_does(wrong: Wrong, code: str, numbers: str) -> None:
    problem, *_others = found(wrong, code)
    assert problem.cures
    for name, value in problem.cures:
        cured = found({**wrong, name: value}, code)
        # Of several power controllers each has to be told.
        assert problem not in cured, (name, value, cured)


@pytest.mark.parametrize("arbiter", [True, False])
def test_with_a_quorum_device_two_nodes_do_not_shoot_at_each_other(arbiter: bool) -> None:
    wrong = {"nodes": 2, "arbiter": arbiter, "fencing_bmc of n1, options.pcmk_delay_base": "0s"}
    assert bool(found(wrong, "both_shoot")) is not arbiter


HOSTS = [{"inventory_hostname": f"n{number}", "fencing_bmc": {"address": "192.0.2.1"}} for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("profile", "own", "more", "words"),
    [
        ("quick", {}, {}, "cluster_timing is 'quick': take safe or fast"),
        ("safe", {"token": "soon"}, {}, "cluster_token is 'soon'"),
        ("safe", {"consensus": -5}, {}, "cluster_consensus is -5"),
        ("safe", {}, {"failure_timeout": "a while"}, "cluster_failure_timeout is 'a while'"),
        ("safe", {}, {"properties": {"stonith-timeout": "soon"}}, "cluster_properties.stonith-timeout is 'soon'"),
        ("safe", {"token": 300}, {}, "What would do: cluster_token: 500"),
    ],
)
def test_an_inventory_that_cannot_be_is_told(profile: str, own: Any, more: Any, words: str) -> None:
    assert any(words in problem for problem in timing(profile, own, hosts=HOSTS, **more)["problems"])


def test_an_inventory_becomes_what_corosync_is_told() -> None:
    hosts = [{**host, "cluster_links": ["192.0.2.7", "198.51.100.7"]} for host in HOSTS]
    members = [{"name": f"n{number}"} for number in range(5)]
    told = timing("fast", {"token": "600", "consensus": ""}, hosts=hosts, members=members)
    assert told == {
        "token": 600,
        "token_coefficient": 75,
        "consensus": 990,
        "knet_ping_interval": 206,
        "knet_ping_timeout": 412,
        "monitor_interval": 5,
        "nodes": 5,
        "links": 2,
        "qdevice_timeout": 1512,
        "qdevice_sync_timeout": 5000,
        "problems": [],
    }


def test_what_many_power_controllers_have_in_common_is_said_once() -> None:
    told = timing("safe", {}, hosts=HOSTS, properties={"stonith-timeout": "20s"})["problems"]
    assert [problem.partition(" does")[0] for problem in told] == [
        "stonith-timeout >= power_wait + power_timeout + login_timeout + shell_timeout"
    ]


def test_durations_are_read_as_pacemaker_does() -> None:
    assert [seconds("x", text) for text in ("10", "10s", "5min", "500ms", "1h")] == [10, 10, 300, 0.5, 3600]
    with pytest.raises(InvalidValue):
        seconds("x", "10 days")
