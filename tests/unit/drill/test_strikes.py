# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What strikes run on nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import ssh_argv
from ansible_collections.cspp.drover.plugins.module_utils.drill.strikes import (
    Scene,
    filter_packets,
    kill_ceph,
    let_packets_pass,
    links,
)


class Node:
    """Keeps what it is told, and answers as it is told to."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.said: list[tuple[list[str], str]] = []

    def __call__(self, argv: Sequence[str], *, stdin: str = "", **_how: Any) -> CommandResult:
        self.said.append((list(argv), stdin))
        return CommandResult(tuple(argv), 0, self.answer, "")


def test_packets_of_both_families_are_kept_from_passing_both_ways() -> None:
    node = Node()
    filter_packets(node, ["10.0.0.1", "10.0.0.2", "fd00::1"], "drop")
    [(argv, rules)] = node.said
    assert argv == ["nft", "-f", "-"]
    assert rules.count("ip saddr { 10.0.0.1, 10.0.0.2 } drop") == 2
    assert rules.count("ip6 daddr { fd00::1 } drop") == 2
    assert "chain input" in rules and "chain output" in rules


def test_one_way_is_one_hook() -> None:
    node = Node()
    filter_packets(node, ["10.0.0.1"], "drop", hooks=("input",))
    assert "chain output" not in node.said[0][1]


def test_some_packets_and_those_in_return() -> None:
    node = Node()
    filter_packets(node, ["10.0.0.1"], "reject", "tcp dport 1", "tcp sport 1")
    assert "ip saddr { 10.0.0.1 } tcp dport 1 reject" in node.said[0][1]
    assert "ip daddr { 10.0.0.1 } tcp sport 1 reject" in node.said[0][1]
    let_packets_pass(node)
    assert node.said[1][0] == ["nft", "delete", "table", "inet", "fault"]


@pytest.mark.parametrize(
    ("conf", "number"),
    [("nodelist {\n ring0_addr: 10.0.0.1\n ring0_addr: 10.0.0.2\n", 1), ("ring0_addr: 1\nring1_addr: 2\n", 2)],
)
def test_links(conf: str, number: int) -> None:
    assert links(Node(conf)) == number


def test_a_server_is_reached_as_its_inventory_says() -> None:
    variables = {"ansible_host": "10.0.0.1", "ansible_port": 2222, "ansible_ssh_common_args": "-o ProxyJump=a"}
    argv = ssh_argv("node1", variables)
    assert argv[-1] == "root@10.0.0.1"
    assert argv[argv.index("-p") + 1] == "2222"
    assert "ProxyJump=a" in argv


def test_a_server_that_is_reached_otherwise_is_refused() -> None:
    with pytest.raises(DroverError, match="docker"):
        ssh_argv("node1", {"ansible_connection": "docker"})


def test_a_daemon_of_ceph_is_killed_on_its_node_alone() -> None:
    nodes = {"node1": Node(), "node2": Node()}

    class Ground:
        def runner(self, name: str) -> Node:
            return nodes[name]

    ground: Any = Ground()
    kill_ceph("osd")(Scene(ground, "node1"))
    assert [argv for argv, _stdin in nodes["node1"].said] == [["pkill", "-KILL", "-x", "ceph-osd"]]
    assert nodes["node2"].said == []
