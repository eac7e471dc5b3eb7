# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The running corosync beside its configuration file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.corosync_conf import from_file
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.host.corosync import differences, from_cmap
from ansible_collections.cspp.drover.plugins.modules import corosync

NODES = {"node1": "10.0.0.1", "node2": "10.0.0.2", "node3": "10.0.0.3"}


def conf(nodes: dict[str, str], token: int = 1000) -> str:
    """As the role writes it."""
    lines = ["# Kept by Drover.", "totem {", "    version: 2", f"    token: {token}", "}", "nodelist {"]
    for name, address in nodes.items():
        lines += ["    node {", f"        name: {name}", f"        nodeid: {address[-1]}"]
        lines += [f"        ring0_addr: {address}", "    }"]
    return "\n".join([*lines, "}", "logging {", "    to_syslog: yes", "}", ""])


def cmap(nodes: dict[str, str], token: int = 1000) -> str:
    """As corosync-cmapctl prints it."""
    lines = ["config.totemconfig_reload_in_progress (u8) = 0", "nodelist.local_node_pos (u32) = 0"]
    for position, (name, address) in enumerate(nodes.items()):
        lines += [
            f"nodelist.node.{position}.name (str) = {name}",
            f"nodelist.node.{position}.nodeid (u32) = {address[-1]}",
        ]
        lines.append(f"nodelist.node.{position}.ring0_addr (str) = {address}")
    return "\n".join([*lines, f"runtime.config.totem.token (u32) = {token + 125}", f"totem.token (u32) = {token}", ""])


@pytest.mark.parametrize(
    ("nodes", "token", "found"),
    [
        (NODES, 1000, []),
        (dict(reversed(NODES.items())), 1000, []),
        ({"node0": "10.0.0.9", **NODES}, 1000, ["node0 joins the list of nodes"]),
        ({"node1": "10.0.0.1"}, 1000, ["node2 leaves the list of nodes", "node3 leaves the list of nodes"]),
        (NODES, 2000, ["totem.token: 1000 becomes 2000"]),
    ],
)
def test_what_a_reload_would_change(nodes: dict[str, str], token: int, found: list[str]) -> None:
    assert differences(from_file(conf(nodes, token)), from_cmap(cmap(NODES))) == found


DEVICE = {"quorum.device.model": "net", "quorum.device.net.host": "192.0.2.50"}


@pytest.mark.parametrize(
    ("declared", "running", "found"),
    [
        (DEVICE, DEVICE, []),
        (
            DEVICE,
            {"quorum.two_node": "1"},
            [
                "quorum.device.model: None becomes net",
                "quorum.device.net.host: None becomes 192.0.2.50",
                "quorum.two_node: 1 becomes None",
            ],
        ),
        ({}, {"quorum.device.model": "net"}, ["quorum.device.model: net becomes None"]),
        # Of a cluster without a device nothing else is looked at than before there could be one.
        ({"quorum.two_node": "1"}, {}, []),
    ],
)
def test_a_quorum_device_comes_and_goes(declared: dict[str, str], running: dict[str, str], found: list[str]) -> None:
    assert differences(declared, running) == found


TIMERS = """
totem {
    token: 550
    consensus: 750
    interface {
        linknumber: 0
        knet_ping_interval: 200
    }
    interface {
        linknumber: 1
        knet_ping_interval: 250
    }
}
"""


def test_each_link_has_its_own_timers() -> None:
    running = from_cmap(
        "totem.token (u32) = 550\ntotem.consensus (u32) = 600\ntotem.interface.0.knet_ping_interval (u32) = 200\n"
    )
    assert differences(from_file(TIMERS), running) == [
        "totem.consensus: 600 becomes 750",
        "totem.interface.1.knet_ping_interval: None becomes 250",
    ]


def test_a_node_with_another_address_differs() -> None:
    moved = {**NODES, "node2": "10.0.1.2"}
    [line] = differences(from_file(conf(moved)), from_cmap(cmap(NODES)))
    assert line.startswith("node2: ") and "10.0.1.2" in line


class Running:
    """corosync on some nodes: each has members, and a reload on one lets all of them read their files."""

    def __init__(self, members: dict[str, dict[str, str]]) -> None:
        self.members = members
        self.reloads: list[str] = []
        self.on = ""

    def run(self, argv: Sequence[str], **_options: Any) -> CommandResult:
        if argv == ["corosync-cfgtool", "-R"]:
            self.reloads.append(self.on)
            for node in set(self.members[self.on]):
                self.members[node] = self.file
        return CommandResult(tuple(argv), 0, cmap(self.members[self.on]), "")

    @property
    def file(self) -> dict[str, str]:
        return {"node0": "10.0.0.9", **NODES}


def test_members_learn_of_a_new_node_that_comes_first_and_of_one_that_an_interrupted_run_left_out(
    call: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running({"node0": {"node0": "10.0.0.9", **NODES}, **dict.fromkeys(NODES, NODES)})
    monkeypatch.setattr(corosync, "run", running.run)
    path = tmp_path / "corosync.conf"
    path.write_text(conf(running.file))
    changed = {}
    for check in (True, False, False):
        for node in running.members:
            running.on = node
            changed[node] = call(corosync, check=check, path=str(path))["changed"]
        if check:
            assert changed == {"node0": False, "node1": True, "node2": True, "node3": True}
            assert running.reloads == []
    # One of those that did not know was enough, and once was enough.
    assert running.reloads == ["node1"]
    assert not any(changed.values())


def test_a_dry_run_on_a_bare_host_has_no_corosync_to_ask(call: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    assert call(corosync, check=True, path=str(tmp_path / "missing"))["changed"] is False
    assert "journalctl" in call(corosync, path=str(tmp_path / "missing"))["msg"]
