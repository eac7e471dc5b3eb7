# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that are to stay down, for each reason there is, and what is said of them; and changes that have to wait.

The tests are one story, in this order; the last one undoes all.
"""

from __future__ import annotations

import copy
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import stopped_by
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab, address, boot, init_of, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
#: A monitor's interval, and time for the cluster to act on it beside all else.
SEEN = 60
DNS = "192.0.2.53"
LXC = ["lxc-attach", "-P", "/run/drover/lxc", "-n", "web", "--"]


@pytest.fixture(scope="module")
def guests(declared: Declared) -> Iterator[Declared]:
    """The declaration, changed from test to test."""
    yield copy.deepcopy(declared)


def status() -> str:
    return succeed("status").told


def wait_until_down(lab: Lab, guest: str, why: str) -> None:
    """Until the cluster knows that the guest stays down, and nothing of it runs."""
    wait_for(
        lambda: (stopped_by(lab.configuration().guests()[guest]), lab.status().resource(guest)),
        lambda seen: seen[0] == why and seen[1] is not None and not seen[1].active and not seen[1].pending,
        what=f"the cluster to leave {guest} down",
        timeout=SEEN,
    )
    assert lab.instances(guest) == {guest: 0}


def test_a_guest_is_stopped_and_started_as_declared(lab: Lab, guests: Declared) -> None:
    guests["web"]["state"] = "stopped"
    foretold = succeed("guests", "--check", guests=guests)
    assert "(declared to be stopped)" in foretold.told
    done = succeed("guests", guests=guests)
    assert lab.instances("web") == {"web": 0}
    assert "web   stopped" in done.output
    assert succeed("guests", guests=guests).changed == set()
    assert "stopped (declared)" in status()
    refused = play("start", guest="web")
    assert refused.rc != 0 and "declare guests.web with state: present" in str(refused.failures)
    guests["web"]["state"] = "present"
    succeed("guests", guests=guests)
    wait_until_answering(guests["web"], timeout=60)


def test_guests_that_shut_themselves_down_stay_down_if_told_so(lab: Lab, guests: Declared) -> None:
    for guest in guests.values():
        guest["on_poweroff"] = "stop"
    first, init = boot(guests["game"]), init_of(lab, "web")
    assert "waits for a restart" not in succeed("guests", guests=guests).told
    assert (boot(guests["game"]), init_of(lab, "web")) == (first, init)
    with socket.create_connection((address(guests["game"]), 9), 5) as console:
        console.sendall(b"poweroff\n")
    lab.ssh(lab.where("web"))([*LXC, "poweroff"], ok=None)
    for name in guests:
        wait_until_down(lab, name, "itself")
    assert not lab.status().failures
    seen = status()
    assert seen.count("stopped by itself") == 2 and "! guest" not in seen
    # No run starts them behind the back of who shut them down.
    said = succeed("guests", guests=guests)
    assert said.changed == set() and "was shut down from inside" in said.told
    for name in guests:
        succeed("start", guest=name)
    for guest in guests.values():
        wait_until_answering(guest, timeout=60)


def kill(lab: Lab, guest: str) -> None:
    """End the guest's process on its node, which nobody has asked for."""
    vm = ["pkill", "-KILL", "-f", f"^/usr/bin/qemu-system-x86_64 -name guest={guest}"]
    lab.ssh(lab.where(guest))(["kill", "-KILL", init_of(lab, guest)] if guest == "web" else vm)


def wait_until_running(lab: Lab, *names: str) -> None:
    wait_for(
        lambda: [lab.status().resource(name) for name in names],
        lambda seen: all(one is not None and one.running for one in seen),
        what=f"{' and '.join(names)} to run, as far as the cluster knows",
        timeout=SEEN,
    )


def test_guests_that_are_killed_start_again_at_once_and_where_they_were(lab: Lab, guests: Declared) -> None:
    first, init, places = boot(guests["game"]), init_of(lab, "web"), {name: lab.where(name) for name in guests}
    for name in guests:
        kill(lab, name)
    wait_for(
        lambda: lab.instances("game", "web"),
        lambda seen: seen == {"game": 1, "web": 1} and lab.status().resource("web").running,  # type: ignore[union-attr]
        what="both to run again",
        timeout=SEEN,
    )
    assert boot(guests["game"]) != first
    wait_until_answering(guests["web"], timeout=60)
    assert init_of(lab, "web") != init
    assert {name: lab.where_it_runs(name) for name in guests} == places
    # By the kernel's word, and by nobody else's: a monitor would have failed as "monitor". Of a guest whose definition
    # has changed since it started, Pacemaker forgets a failure at once.
    for name, node in places.items():
        said = lab.ssh(node)(["journalctl", "-t", "drover-watch", "--since=-3min", "--output=cat"]).stdout
        assert any(line.startswith(f"{name} has ended") and "told the cluster" in line for line in said.splitlines())
    assert {one.operation for one in lab.status().failures} <= {"asyncmon"}
    assert lab.configuration().guests()["game"].meta.get("target-role") is None
    for name in guests:
        lab.ask(partial(Pacemaker.retry, resource=name))
    # The cluster looks at them anew, and knows nothing of them until it has.
    wait_until_running(lab, *guests)
    # Pacemaker forgot with the failure what each was started with; a move tells it.
    for name in guests:
        succeed("migrate", guest=name)


def test_nobody_is_told_of_guests_that_the_cluster_is_to_leave_alone(lab: Lab, guests: Declared) -> None:
    node, init = lab.where("web"), init_of(lab, "web")
    paused = ["crm_attribute", "--type", "crm_config", "--name", "maintenance-mode"]
    lab.ssh(node)([*paused, "--update", "true"])
    try:
        kill(lab, "web")
        said = ["journalctl", "-t", "drover-watch", "--since=-20s", "--output=cat"]
        wait_for(
            lambda: lab.ssh(node)(said).stdout,
            lambda log: "web has ended" in log and "leave all guests alone" in log,
            what="the watcher's word",
            timeout=5,
        )
        wait_for(lambda: lab.instances("web"), lambda seen: seen == {"web": 0}, what="the end of web", timeout=5)
        assert not lab.status().failures
    finally:
        lab.ssh(node)([*paused, "--delete"])
    wait_for(lambda: lab.instances("web"), lambda seen: seen == {"web": 1}, what="web to run again", timeout=SEEN)
    wait_until_running(lab, "web")
    assert init_of(lab, "web") != init
    lab.ask(partial(Pacemaker.retry, resource="web"))
    wait_until_running(lab, "web")
    succeed("migrate", guest="web")


def test_dns_servers_of_a_guest_wait_for_its_restart_and_come_with_it(lab: Lab, guests: Declared) -> None:
    first = init_of(lab, "web")
    guests["web"]["nameservers"] = [DNS]
    said = succeed("guests", guests=guests).told
    assert f"nameservers: nothing -> {DNS} (waits for a restart)" in said
    assert f"~ guest web: nameservers: nothing -> {DNS} (waits for a restart)" in status()
    assert init_of(lab, "web") == first
    said = succeed("guests", guests=guests, guests_allow_restart="web").told
    assert "waits for a restart" not in said and "guest web: nameservers" not in status()
    assert DNS in lab.ssh(lab.where("web"))([*LXC, "cat", "/etc/resolv.conf"]).stdout
    assert init_of(lab, "web") != first


def test_more_processors_for_an_emulated_vm_wait_for_its_restart(lab: Lab, guests: Declared) -> None:
    guests["game"]["max_vcpus"] = 2
    succeed("guests", guests=guests, guests_allow_restart="game")
    first = boot(guests["game"])
    guests["game"]["vcpus"] = 2
    said = succeed("guests", guests=guests).told
    emulated = "domain type='qemu'" in lab.ssh(lab.where("game"))(["virsh", "dumpxml", "game"]).stdout
    assert ("vcpus: 1 -> 2 (waits for a restart)" in said) is emulated
    assert boot(guests["game"]) == first


def test_a_guest_under_a_new_name_is_refused(lab: Lab, guests: Declared) -> None:
    renamed = {"game": guests["game"], "site": guests["web"]}
    before = lab.version()
    refused = play("guests", guests=renamed)
    assert refused.rc != 0
    assert f"{address(guests['web'])} is also that of web" in str(refused.failures)
    assert "declare web with state: absent" in str(refused.failures)
    assert lab.version() == before
    assert not (lab.folder / "shared" / "containers" / "site").exists()


def test_everything_is_undone(lab: Lab, declared: Declared) -> None:
    succeed("guests", guests=declared, guests_allow_restart="all")
    for guest in declared.values():
        wait_until_answering(guest, timeout=60)
    assert "~ guest" not in status()
