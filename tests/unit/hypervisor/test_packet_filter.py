# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The node's packet filter in the kernel: filled before a guest's port is used, and put back whoever takes it away."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.packet_filter import FilterError, PacketFilter
from ansible_collections.cspp.drover.tests.frames import arp
from ansible_collections.cspp.drover.tests.unit.hypervisor.filter_bench import Bench

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes bridges")

MAC, OTHER = "52:54:00:3f:a2:c0", "52:54:00:3f:a2:c1"
HONEST = arp(MAC, "10.0.0.20", "10.0.0.9")
SPOOFED = arp(MAC, "10.0.0.11", "10.0.0.9")
NEW = arp(MAC, "10.0.0.30", "10.0.0.9")


def guest(*addresses: str, macs: Sequence[str] = (MAC,), **more: Any) -> dict[str, Any]:
    nics = [{"mac": mac, "bridge": "br0", "addresses": list(addresses)} for mac in macs]
    return {"kind": "vm", "name": "web", "nics": nics, **more}


class Node:
    """A node with its bridge, and with what it keeps under /run and /etc."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder, self.calls = bench, folder, 0
        self.running: list[tuple[dict[str, Any], dict[str, Any]]] = []
        (folder / "net").mkdir()
        self.tell(enabled=True)

    def tell(self, **facts: Any) -> None:
        told = {"nodes": ["10.0.0.11"], "own": ["up0"], "bridges": ["br0"], **facts}
        (self.folder / "filter.json").write_text(json.dumps(told))

    def plug(self, *ports: str) -> None:
        for path in (self.folder / "net").iterdir():
            path.unlink()
        for port in ports:
            (self.folder / "net" / port).touch()

    @property
    def filter(self) -> PacketFilter:
        return PacketFilter(
            self._run,
            facts=self.folder / "filter.json",
            state=self.folder / "state",
            net=self.folder / "net",
            locks=self.folder / "locks",
            generation=self.bench.generation,
            running=lambda without: [one for one in self.running if one[0]["name"] not in without],
        )

    def passes(self, frame: bytes, machine: str = "web") -> bool:
        return bool(self.bench.send(machine, frame))

    def _run(self, argv: Sequence[str], **how: Any) -> CommandResult:
        self.calls += 1
        code, out, err = self.bench.nft(*argv[1:], text=how.get("stdin") or "")
        if code:
            raise CommandError(err)
        return CommandResult(tuple(argv), code, out, err)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Bench({"web": "web-3fa2c0", "second": "web-3fa2c1", "lan": "up0"}) as bench:
        yield Node(bench, tmp_path)


def test_a_node_without_facts_or_switched_off_filters_nothing(node: Node) -> None:
    (node.folder / "filter.json").unlink()
    node.filter.admit(guest("10.0.0.20/24"))
    assert node.filter.keep(guest()) == ""
    node.filter.expel("web")
    assert not node.filter.restore()
    assert node.calls == 0
    assert node.passes(SPOOFED)
    node.tell(enabled=True)
    assert node.filter.restore()
    assert not node.passes(SPOOFED)
    node.tell(enabled=False)
    assert node.filter.restore()
    assert not node.filter.restore()
    assert node.passes(SPOOFED)


def test_a_guest_is_let_in_before_its_port_is_used_and_forgotten_after_it_left(node: Node) -> None:
    assert node.filter.restore()
    assert not node.filter.restore()
    assert not node.passes(HONEST)
    node.filter.admit(guest("10.0.0.20/24"))
    assert node.passes(HONEST)
    assert not node.passes(SPOOFED)
    assert node.filter.dropped() == {"web": {"spoofed": 1}}
    # The port is there: nothing of it is forgotten.
    node.plug("web-3fa2c0")
    node.filter.expel("web", on_its_way=True)
    assert node.passes(HONEST)
    node.plug()
    node.filter.expel("web")
    assert not node.passes(HONEST)
    assert node.filter.dropped() == {}


def test_one_that_has_ended_is_forgotten_though_the_kernel_is_slow_with_its_port(node: Node) -> None:
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    node.plug("web-3fa2c0")
    node.filter.expel("web")
    assert not node.passes(HONEST)
    assert not node.filter.knows("web")


def test_what_was_told_before_costs_no_program(node: Node) -> None:
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    before = node.calls
    node.filter.admit(guest("10.0.0.20/24"))
    assert node.filter.keep(guest("10.0.0.20/24")) == ""
    assert node.calls == before


def test_one_that_is_on_its_way_is_known_for_a_while(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    node.filter.expel("web", on_its_way=True)
    assert node.passes(HONEST)
    monkeypatch.setattr("time.time", lambda: 1e12)
    node.filter.expel("web", on_its_way=True)
    assert not node.passes(HONEST)


@pytest.mark.parametrize(
    "harm",
    [
        "flush ruleset",
        'delete element bridge drover out { "web-3fa2c0" }',
        "delete table bridge drover",
    ],
)
def test_what_somebody_takes_away_is_put_back_and_said(node: Node, harm: str) -> None:
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    assert node.bench.nft("-f", "-", text=f"{harm}\n")[0] == 0
    assert "put back" in node.filter.keep(guest("10.0.0.20/24"))
    assert node.passes(HONEST)
    assert not node.passes(SPOOFED)
    assert not node.passes(HONEST, "second")
    assert node.filter.keep(guest("10.0.0.20/24")) == ""


def test_others_rules_are_looked_past_once(node: Node) -> None:
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    for number in range(2):
        node.bench.nft("-f", "-", text=f"add table ip other{number}\n")
        before = node.calls
        assert node.filter.keep(guest("10.0.0.20/24")) == ""
        assert node.calls == before + 3
        assert node.filter.keep(guest("10.0.0.20/24")) == ""
        assert node.calls == before + 3
    node.filter.admit(guest("10.0.0.30/24"))
    assert node.passes(NEW)


def test_a_flush_before_a_start_is_no_open_door(node: Node) -> None:
    node.filter.restore()
    node.bench.nft("flush", "ruleset")
    node.filter.admit(guest("10.0.0.20/24"))
    assert node.passes(HONEST)
    assert not node.passes(SPOOFED)
    assert not node.passes(HONEST, "second")


def test_guests_that_ran_before_there_was_a_filter_are_known_when_it_closes(node: Node) -> None:
    # With an address that its definition has not any more, which waits for a restart.
    node.running = [(guest("10.0.0.30/24"), guest("10.0.0.20/24"))]
    node.plug("web-3fa2c0")
    assert node.filter.restore()
    assert node.passes(HONEST) and node.passes(NEW)
    assert not node.passes(SPOOFED)
    # Also when it is not site.yml that comes first.
    node.bench.nft("flush", "ruleset")
    for path in (node.folder / "state").iterdir():
        path.unlink()
    node.filter.admit({**guest("10.0.0.40/24", macs=[OTHER]), "name": "two"})
    assert node.passes(HONEST)


def test_a_changed_address_waits_for_the_restart_and_a_move_takes_that_along(node: Node) -> None:
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    node.filter.keep(guest("10.0.0.30/24"))
    assert node.passes(HONEST) and node.passes(NEW)
    known = node.filter.known("web")
    node.filter.expel("web")
    node.filter.admit(guest("10.0.0.30/24"), known)
    assert node.passes(HONEST) and node.passes(NEW)
    node.filter.admit(guest("10.0.0.30/24"))
    assert node.passes(NEW)
    assert not node.passes(HONEST)


def test_a_port_that_is_taken_away_is_known_until_it_is_gone(node: Node) -> None:
    second = arp(OTHER, "10.0.0.20", "10.0.0.9")
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    node.plug("web-3fa2c0")
    node.filter.keep(guest("10.0.0.20/24", macs=[MAC, OTHER]))
    assert node.passes(second, "second")
    node.plug("web-3fa2c0", "web-3fa2c1")
    node.filter.keep(guest("10.0.0.20/24"))
    assert node.passes(second, "second")
    node.plug("web-3fa2c0")
    node.filter.keep(guest("10.0.0.20/24"))
    assert not node.passes(second, "second")
    assert node.passes(HONEST)


def test_a_firewall_is_changed_while_the_guest_runs(node: Node) -> None:
    node.filter.restore()
    node.filter.admit(guest("10.0.0.20/24"))
    node.filter.keep(guest("10.0.0.20/24", firewall={"in": []}))
    _code, listed, _err = node.bench.nft("list", "chain", "bridge", "drover", "in_web_3fa2c0")
    assert "goto firewall_in" in listed
    node.filter.keep(guest("10.0.0.20/24"))
    _code, listed, _err = node.bench.nft("list", "chain", "bridge", "drover", "in_web_3fa2c0")
    assert "goto" not in listed


def test_a_filter_that_cannot_be_changed_keeps_the_guest_from_starting(node: Node) -> None:
    node.filter.restore()
    with pytest.raises(FilterError, match=r"could not be changed: .*nonsense.*restart drover-filter"):
        node.filter.admit(guest("10.0.0.20/24", macs=["nonsense"]))
    node.filter.admit(guest("10.0.0.20/24"))
    (node.folder / "filter.json").write_text("{")
    with pytest.raises(FilterError, match=r"filter.json is unreadable: .*Run site.yml"):
        node.filter.admit(guest("10.0.0.20/24"))
