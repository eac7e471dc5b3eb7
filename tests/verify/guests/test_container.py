# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container has without anybody's thought: an address, its own memory, its own ids, and never a second start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import guest_of
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab
from ..plays import Outcome, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]

NAME = "dayone"
FOLDER = f"/srv/drover/shared/containers/{NAME}"
#: A device that node2 does not have; and the node that gives addresses.
DEVICE, SERVER = "/dev/lab", "node3"


@pytest.fixture(scope="module")
def guests(declared: Declared) -> Declared:
    """The declaration with a container that says as little as can be of its network."""
    dayone = {
        "kind": "container",
        "memory": "128MiB",
        "rootfs": {"image": "debian-13"},
        "nics": [{"bridge": "br0"}],
        "devices": ["/dev/net/tun", DEVICE],
        "mounts": [{"source": "/usr/lib/ocf", "target": "/srv/ocf"}],
        "placement": {"prefer": ["node1"]},
    }
    return {**declared, NAME: dayone}


@pytest.fixture(scope="module", autouse=True)
def dhcp(lab: Lab) -> Iterator[None]:
    """A node gives addresses to who asks for one."""
    on_node = lab.ssh(SERVER)
    [file] = on_node(["sh", "-c", "ls /etc/systemd/network/*br0.network"]).stdout.split()
    folder = f"{file}.d"
    settings = "[Network]\nDHCPServer=yes\n[DHCPServer]\nPoolOffset=200\nPoolSize=20\nEmitDNS=yes\nDNS=192.0.2.53\n"
    on_node(["mkdir", "-p", folder])
    on_node(["tee", f"{folder}/lab-dhcp.conf"], stdin=settings)
    on_node(["networkctl", "reload"])
    yield
    on_node(["rm", "-r", folder])
    on_node(["networkctl", "reload"])


@pytest.fixture(scope="module", autouse=True)
def device(lab: Lab) -> Iterator[None]:
    """All nodes but one have a device."""
    for node in ("node1", "node3"):
        lab.ssh(node)(["mknod", DEVICE, "c", "1", "3"])
    yield
    for node in ("node1", "node3"):
        lab.ssh(node)(["rm", "-f", DEVICE])


def inside(lab: Lab, *argv: str, ok: Any = (0,)) -> str:
    """What a program in the container says."""
    attach = ["lxc-attach", "-P", "/run/drover/lxc", "-n", NAME, "--"]
    return lab.ssh(lab.where(NAME))([*attach, *argv], ok=ok).stdout.strip()


def ids(lab: Lab, guest: str) -> int:
    definition = guest_of(lab.configuration().guests()[guest])
    assert definition is not None
    return int(definition["idmap"]["start"])


def settle(guests: Declared, **more: Any) -> Outcome:
    return succeed("guests", guests=guests, **more)


def test_it_asks_for_its_address_and_nothing_in_it_fails(lab: Lab, guests: Declared) -> None:
    settle(guests)

    def addresses() -> list[str]:
        links = json.loads(inside(lab, "ip", "-json", "-4", "address", "show", "dev", "eth0"))
        return [one["local"] for link in links for one in link.get("addr_info", ())]

    wait_for(addresses, bool, what="an address", timeout=60)
    state = wait_for(
        lambda: inside(lab, "systemctl", "is-system-running", ok=None),
        lambda state: state not in ("initializing", "starting"),
        what="its start",
        timeout=60,
    )
    assert (state, inside(lab, "systemctl", "--failed", "--plain", "--no-legend")) == ("running", "")
    assert "nameserver 192.0.2.53" in inside(lab, "cat", "/etc/resolv.conf")


def test_it_sees_its_own_memory_and_processors_also_when_lxcfs_begins_anew(lab: Lab, guests: Declared) -> None:
    def shown() -> str:
        return inside(lab, "findmnt", "--noheadings", "--output", "FSTYPE", "/proc/meminfo", ok=None)

    assert shown() == "fuse.lxcfs"
    node = lab.ssh(lab.where(NAME))
    node(["systemctl", "kill", "--signal=KILL", "lxcfs.service"])
    wait_for(
        lambda: inside(lab, "head", "-n", "1", "/proc/meminfo", ok=None),
        lambda line: line.startswith("MemTotal"),
        what="lxcfs's return",
        timeout=30,
    )
    assert shown() == "fuse.lxcfs"


def test_it_has_what_it_was_given_of_its_node(lab: Lab, guests: Declared) -> None:
    node, own = lab.ssh(lab.where(NAME)), ids(lab, NAME)
    assert inside(lab, "stat", "--format=%F %a %u", "/dev/net/tun") == "character special file 660 0"
    # Opened in earnest: the kernel makes the interface.
    assert "tun7" in inside(lab, "sh", "-c", "ip tuntap add tun7 mode tun && ip -brief link show tun7")
    assert "resource.d" in inside(lab, "sh", "-c", "touch /srv/ocf/x 2>/dev/null || ls /srv/ocf")
    assert node(["stat", "--format=%u %a", f"/dev/drover/{NAME}/net/tun"]).stdout.split() == [str(own), "660"]


def test_nobody_else_gets_at_its_files(lab: Lab, guests: Declared) -> None:
    node, own, other = lab.ssh(lab.where(NAME)), ids(lab, NAME), ids(lab, "web")
    assert abs(own - other) >= 65536
    assert node(["stat", "--format=%u %g %a", FOLDER]).stdout.split() == ["0", str(own), "750"]
    for user, reads in ((own, True), (other, False), (65534, False)):
        look = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "ls", f"{FOLDER}/rootfs"]
        assert (node(look, ok=None).rc == 0) is reads


def test_containers_that_share_ids_get_their_own_with_a_permitted_restart(lab: Lab, guests: Declared) -> None:
    """Done backwards first: the agent gives its files to any range that its definition says."""
    own, other = ids(lab, NAME), ids(lab, "web")
    inside(lab, "sh", "-c", "cp /bin/true /srv/suid && chown 7:9 /srv/suid && chmod 6755 /srv/suid")
    definition = guest_of(lab.configuration().guests()[NAME])
    assert definition is not None
    shared = json.dumps({**definition, "idmap": {"start": other, "count": 65536}}, sort_keys=True)
    node = lab.ssh("node1")
    node(["crm_resource", "--resource", NAME, "--set-parameter", "definition", "--parameter-value", shared])
    node(["crm_resource", "--resource", NAME, "--restart"], timeout=120)

    def owner() -> list[str]:
        return lab.ssh(lab.where(NAME))(["stat", "--format=%u %g %a", f"{FOLDER}/rootfs/srv/suid"]).stdout.split()

    assert owner() == [str(other + 7), str(other + 9), "6755"]
    told = settle(guests)
    assert f"guests_allow_restart={NAME}" in told.output
    assert ids(lab, NAME) == other
    settle(guests, guests_allow_restart=NAME)
    assert ids(lab, NAME) == own
    assert owner() == [str(own + 7), str(own + 9), "6755"]
    assert inside(lab, "stat", "--format=%u %g %a", "/srv/suid") == "7 9 6755"


def test_no_second_one_is_started_whatever_the_cluster_believes(lab: Lab, guests: Declared) -> None:
    here = lab.where(NAME)
    there = next(node for node in lab.nodes if node != here)
    forced = lab.ssh(there)(["crm_resource", "--resource", NAME, "--force-start"], ok=None, timeout=120)
    assert forced.rc != 0
    assert f"{NAME} runs on {here}" in forced.stdout + forced.stderr
    assert json.loads(lab.ssh(there)(["cat", f"{FOLDER}/lease"]).stdout) == {"node": here}
    assert lab.instances(NAME) == {NAME: 1}
    # Nor when the other node does not say so: who is silent has not said no.
    lab.ssh(here)(["systemctl", "stop", "drover-peer.service"])
    try:
        forced = lab.ssh(there)(["crm_resource", "--resource", NAME, "--force-start"], ok=None, timeout=120)
        assert "may run on another node" in forced.stdout + forced.stderr
    finally:
        lab.ssh(here)(["systemctl", "start", "drover-peer.service"])
    assert lab.instances(NAME) == {NAME: 1}


def test_a_node_without_its_device_is_no_target(lab: Lab, guests: Declared) -> None:
    refused = succeed("preflight", guest=NAME)
    assert "device_missing" in refused.output


def test_it_goes(lab: Lab, guests: Declared, declared: Declared) -> None:
    settle({**declared, NAME: {"state": "absent", "remove_disks": True}})
    assert lab.instances(NAME) == {NAME: 0}
    assert lab.ssh("node1")(["test", "-e", FOLDER], ok=None).rc != 0
