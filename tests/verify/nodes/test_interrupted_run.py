# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run of site.yml that ended between a new configuration and the restart it asks for is finished by the next one."""

from __future__ import annotations

import pytest

from ..lab import Lab, one_by_one
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")


@pytest.mark.whole
def test_what_an_interrupted_run_left_is_finished_by_the_next(lab: Lab) -> None:
    # The test of an upgrade brings new code alone; what else runs from it is begun anew by this.
    succeed("site")
    corosync, before = "/etc/corosync/corosync.conf", lab.outages("libvirtd.service")
    first = next(iter(lab.nodes))
    for node in lab.nodes:
        lab.ssh(node)(["sed", "-i.declared", "-e", "s/token_coefficient: .*/token_coefficient: 126/", corosync])
    lab.ssh(first)(["corosync-cfgtool", "-R"])
    for node in lab.nodes:
        # Written, and nobody told: corosync and libvirt run with what they read before.
        lab.ssh(node)(["mv", f"{corosync}.declared", corosync])
        lab.ssh(node)(["touch", "/etc/libvirt/qemu.conf"])

    predicted = succeed("site", "--check")
    done = succeed("site")
    assert {task for _host, task in done.changed} == {
        "Let corosync read its configuration again",
        "Restart what runs with what it read before",
    }
    # One reload reaches all members. What it comes to, a dry run cannot know.
    assert len(done.changed) == len(lab.nodes) + 1 and done.changed <= predicted.changed
    outages = lab.outages("libvirtd.service")
    assert all(outages[node] != before[node] for node in lab.nodes)
    assert one_by_one(outages), outages
    assert succeed("site").changed == set()
