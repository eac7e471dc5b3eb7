# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A wrong bridge reaches one node, which goes back by itself; the cluster and its guests go on."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from ..lab import Lab, boot, init_of
from ..plays import play

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
#: A gap in a node's answers that is more than its being busy.
_DARK = 1.0
#: Seconds in which the others fence a node that has been silent for too long, and several more.
_SECOND_THOUGHTS = 8.0


class Lights(threading.Thread):
    """Looks at every node all the time; ``gaps`` are the longest times without an answer, in seconds."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self._addresses = {name: node.address for name, node in lab.nodes.items()}
        self._ended = threading.Event()
        self._last = dict.fromkeys(self._addresses, time.monotonic())
        self.gaps = dict.fromkeys(self._addresses, 0.0)

    def run(self) -> None:
        while not self._ended.wait(0.1):
            self._look()

    def _look(self) -> None:
        for name, address in self._addresses.items():
            if _refuses(address):
                self._last[name] = time.monotonic()
            else:
                self.gaps[name] = max(self.gaps[name], time.monotonic() - self._last[name])

    def end(self) -> None:
        self._ended.set()
        self.join()


def _refuses(address: str) -> bool:
    """Whether somebody is there to say that nobody listens. An SSH server locks out who calls and says nothing."""
    try:
        socket.create_connection((address, 9), 0.2).close()
    except OSError as error:
        return isinstance(error, ConnectionRefusedError)
    return True


def test_what_cannot_be_is_refused_before_a_network_is_touched(lab: Lab) -> None:
    outcome = play("site", network_bridges={"br0": {"ports": ["host0"], "address": "{{ ansible_host }}/24"}})
    assert outcome.rc != 0
    assert not {task for _host, task in outcome.changed if "bridge" in task or "way back" in task}
    assert any(
        "network_bridges.br0.address: is not a key here (did you mean addresses?)" in it for it in outcome.failures
    )


def test_a_wrong_bridge_darkens_one_node_for_a_moment(lab: Lab, declared: Declared) -> None:
    games, webs, version = boot(declared["game"]), init_of(lab, "web"), configuration(lab)
    lights = Lights(lab)
    lights.start()
    outcome = play("site", network_bridges={"br0": {"ports": ["host0"]}})
    lab.wait_for_members(timeout=180)
    # A node that has been silent for too long is fenced only now that the play is over.
    time.sleep(_SECOND_THOUGHTS)
    lab.wait_for_members(timeout=180)
    lights.end()

    assert outcome.rc != 0
    [said] = outcome.failures
    assert "has put its old network configuration back" in said or "has put the old one back" in said
    # Whichever of them said first that it has something to change.
    [touched] = {host for host, task in outcome.changed if task == "Declare the bridges"}
    assert f"br0.addresses ({lab.nodes[touched].address}/24 -> nothing)" in said
    assert "br0.gateway (" in said
    assert all(gap < _DARK for node, gap in lights.gaps.items() if node != touched), lights.gaps
    # Nobody was told of a new configuration, nobody has it, nobody was fenced, and no guest was restarted.
    assert configuration(lab) == version
    assert (boot(declared["game"]), init_of(lab, "web")) == (games, webs), lights.gaps


def configuration(lab: Lab) -> dict[str, str]:
    """The network configuration of each node, since when it is a member, and how long it waits for the others."""
    shown = "cat /etc/systemd/network/05-drover-*; systemctl show -P ActiveEnterTimestamp corosync"
    shown += "; corosync-cmapctl -g runtime.config.totem.token"
    return {node: lab.ssh(node)(["sh", "-c", shown]).stdout for node in lab.nodes}
