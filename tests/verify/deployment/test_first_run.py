# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bare nodes: a dry run leaves them bare, and a first attempt may die in the middle. (The scenario then converges.)"""

from __future__ import annotations

import pytest
from testinfra.host import Host

from ..lab import Lab
from ..plays import killed_at, succeed

pytestmark = pytest.mark.stage("fresh")

#: Where a node would show that it was touched; what it writes by itself, or for SSH, is elsewhere.
TOUCHABLE = ("/etc", "/usr", "/srv", "/var/lib/dpkg", "/var/lib/apt", "/var/lib/drover")


@pytest.mark.parametrize("package", ["chrony", "corosync", "libvirt-daemon-system", "lxc", "pacemaker", "qemu-utils"])
def test_nodes_are_bare(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


def test_a_dry_run_on_bare_nodes_succeeds_and_touches_nothing(lab: Lab) -> None:
    before = fingerprints(lab)
    predicted = succeed("site", "--check", "--diff")
    after = fingerprints(lab)
    assert {node: sorted(after[node] ^ before[node]) for node in lab.nodes} == {node: [] for node in lab.nodes}
    # It says on every node that there is something to do.
    assert {host for host, _task in predicted.changed} >= set(lab.nodes)


def test_the_controller_dies_while_the_network_changes(lab: Lab) -> None:
    assert "cspp.drover.node" in killed_at("site", "Carry it out")


def test_the_controller_dies_in_the_middle(lab: Lab) -> None:
    said = killed_at("site", "Run corosync and Pacemaker")
    assert "cspp.drover.kvm" in said
    for node in lab.nodes:
        assert lab.ssh(node)(["dpkg", "--audit"]).stdout == ""


def fingerprints(lab: Lab) -> dict[str, set[str]]:
    """Every file below TOUCHABLE with its size and times, by node."""
    find = [
        "find",
        *TOUCHABLE,
        "-name",
        "__pycache__",
        "-prune",
        "-o",
        "!",
        "-type",
        "d",
        "-printf",
        "%p %y %s %T@ %m\\n",
    ]
    # Those folders that are not there yet are an error to find.
    return {node: set(lab.ssh(node)(find, ok=(0, 1)).stdout.splitlines()) for node in lab.nodes}
