# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Obstacles to a move are found before anything is touched, each by its code, and are gone when they are cured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from ..lab import Lab, wait_until_answering
from ..plays import Outcome, play, succeed

pytestmark = pytest.mark.stage("changed")

CHECK = "Check the moves"
#: Seconds that a node which is cut off may cost.
PATIENCE = 7.0


@contextmanager
def done(lab: Lab, node: str, do: list[str], undo: list[str]) -> Iterator[None]:
    """Something done to a node, and undone."""
    on_node = lab.ssh(node)
    on_node(do)
    try:
        yield
    finally:
        on_node(undo)


def a_domain_of_its_name(lab: Lab, node: str) -> Any:
    xml = "<domain type='qemu'><name>game</name><memory>1024</memory><os><type arch='x86_64'>hvm</type></os></domain>"
    return done(lab, node, ["sh", "-c", f'echo "{xml}" | virsh define /dev/stdin'], ["virsh", "undefine", "game"])


def shorter_frames(lab: Lab, node: str) -> Any:
    set_mtu = ["ip", "link", "set", "br0", "mtu"]
    return done(lab, node, [*set_mtu, "1400"], [*set_mtu, "1500"])


def a_filtering_bridge(lab: Lab, node: str) -> Any:
    # Undone by what the role left behind.
    return done(
        lab, node, ["sysctl", "-w", "net.bridge.bridge-nf-call-iptables=1"], ["systemctl", "restart", "systemd-sysctl"]
    )


def a_firewall(lab: Lab, node: str, ports: str, *verdict: str) -> Any:
    table = f"inet test-{verdict[0]}"
    chain = f"add table {table}; add chain {table} input {{ type filter hook input priority 0; }}"
    rule = f"add rule {table} input tcp dport {ports} {' '.join(verdict)}"
    return done(lab, node, ["nft", f"{chain}; {rule}"], ["nft", f"delete table {table}"])


def no_peer_service(lab: Lab, node: str) -> Any:
    return done(lab, node, ["systemctl", "stop", "drover-peer"], ["systemctl", "start", "drover-peer"])


def maintenance(lab: Lab, node: str) -> Any:
    standby = ["crm_attribute", "--node", node, "--name", "standby"]
    return done(lab, node, [*standby, "--update", "on"], [*standby, "--delete"])


def codes(outcome: Outcome) -> dict[str, set[str]]:
    """Reason codes by target, of a play for one guest."""
    return {one["to"]: {finding["code"] for finding in one["findings"]} for one in outcome.result(CHECK)["checks"]}


@pytest.mark.whole
def test_obstacles_are_found_and_refused_before_anything_is_touched(
    lab: Lab, declared: dict[str, dict[str, Any]]
) -> None:
    wait_until_answering(declared["game"], timeout=60)
    source = lab.where("game")
    crooked, deaf = (node for node in lab.nodes if node != source)
    with ExitStack() as obstacles:
        obstacles.enter_context(a_domain_of_its_name(lab, crooked))
        obstacles.enter_context(shorter_frames(lab, crooked))
        obstacles.enter_context(a_filtering_bridge(lab, crooked))
        obstacles.enter_context(a_firewall(lab, crooked, "16514", "reject", "with", "tcp", "reset"))
        obstacles.enter_context(a_firewall(lab, crooked, "49152-49215", "drop"))
        obstacles.enter_context(no_peer_service(lab, deaf))
        before = lab.version()
        found = codes(succeed("preflight", guest="game"))
        assert found == {
            crooked: {"name_taken", "mtu_smaller", "bridge_firewall", "libvirt_unreachable", "stream_unreachable"},
            deaf: {"node_silent"},
        }
        refused = play("migrate", guest="game")
        assert refused.rc != 0
        [told] = refused.failures
        for code in (found[crooked] | found[deaf]) - {"bridge_firewall"}:
            assert code in told
        assert "bridge_firewall" not in told, "a warning is no reason to refuse"
        assert play("migrate", "--check", guest="game", to=deaf).rc != 0
        for options in ([], ["--check"]):
            emptied = play("maintenance", *options, node=source, state="on")
            assert emptied.rc != 0
            [told] = emptied.failures
            assert all(code in told for code in ("game can't leave", "name_taken", "node_silent"))
        assert lab.version() == before
        assert lab.where("game") == source
        assert lab.instances("game") == {"game": 1}
    with maintenance(lab, deaf):
        assert codes(succeed("preflight", guest="game")) == {crooked: set(), deaf: {"node_in_maintenance"}}
    assert codes(succeed("preflight", guest="game")) == {crooked: set(), deaf: set()}


def test_a_node_that_is_cut_off_costs_some_seconds(lab: Lab) -> None:
    source = lab.where("game")
    target = next(node for node in lab.nodes if node != source)
    ask = (
        f"import sys, time; sys.path.insert(0, '{lab.library(source)}')\n"
        "from drover.preflight.survey import Going, survey\n"
        "start = time.monotonic(); views = survey([Going('game', {'name': 'game'}, sys.argv[1], (sys.argv[2],))])\n"
        "print(time.monotonic() - start, views[sys.argv[2]].error)"
    )
    with a_firewall(lab, target, "16515", "drop"):
        took, _space, error = lab.ssh(source)(["python3", "-c", ask, source, target]).stdout.partition(" ")
    assert float(took) < PATIENCE
    assert "timed out" in error
