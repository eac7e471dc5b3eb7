# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make real`: what its nodes are made from, how their machines are started, what is declared for them."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.declaration import sbd
from ansible_collections.cspp.drover.plugins.module_utils.declaration.timing import timing
from ansible_collections.cspp.drover.plugins.module_utils.images.recipe import recipes
from ansible_collections.cspp.drover.plugins.module_utils.storage import mounts
from tests.real import site
from tests.real.machine import SHARED, qemu_argv
from tests.real.recipe import SEED, SEED_UNIT, UNWANTED, node_recipe, role_packages
from tests.real.site import NODES
from tests.real.steps import STEPS, counters, vlans

ROOT = Path(__file__).resolve().parents[2]


def test_the_image_has_what_each_role_of_the_site_installs() -> None:
    played = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())[0]["roles"]
    wanted = role_packages(ROOT / "roles")
    for role in (name.rsplit(".", 1)[-1] for name in played):
        declared = (yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text()) or {}).get(
            f"{role}_packages", []
        )
        assert isinstance(declared, str) or wanted.issuperset(declared), role
    assert {"qemu-system-x86", "lxc", "corosync", "chrony", "mmdebstrap", "dosfstools", "qemu-utils"} <= wanted
    assert wanted <= set(node_recipe(ROOT)["packages"])


def test_the_image_has_what_the_mount_of_the_pool_takes() -> None:
    pools = site.group_variables("key")["storage_pools"]
    assert set(mounts.packages(pools)) <= set(node_recipe(ROOT)["packages"])


def test_packages_that_a_role_computes_are_read_from_their_text(tmp_path: Path) -> None:
    for role, text in (("one", "one_packages: [a-package]"), ("two", "two_packages: \"{{ ['b+1', 'c.d'] + more }}\"")):
        (tmp_path / role / "defaults").mkdir(parents=True)
        (tmp_path / role / "defaults/main.yml").write_text(text)
    assert role_packages(tmp_path) == {"a-package", "b+1", "c.d"}


def test_the_recipe_is_one_that_the_builder_takes_and_has_debians_kernel_with_apparmor() -> None:
    recipe = recipes({}, {"node": {"vm": node_recipe(ROOT)}})["node", "vm"]
    assert recipe.boot == "disk"
    assert {"linux-image-cloud-amd64", "apparmor", "ifupdown"} <= set(recipe.packages)
    assert UNWANTED not in recipe.packages
    assert "cloud-init" not in recipe.packages


def test_the_same_recipe_is_the_same_image_and_a_changed_one_another() -> None:
    first, again, other = (
        recipes({}, {"node": {"vm": node_recipe(ROOT, size)}})["node", "vm"].hash for size in ("6GiB", "6GiB", "7GiB")
    )
    assert first == again != other


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_a_machine_is_emulated_and_answers_on_the_loopback_alone(node: site.Node) -> None:
    argv = qemu_argv(node)
    assert argv[argv.index("-accel") + 1].startswith("tcg")
    assert not any("kvm" in word for word in argv)
    [entry] = [word for word in argv if word.startswith("user,")]
    assert f"hostfwd=tcp:127.0.0.1:{node.ssh_port}-{node.behind}:22" in entry.split(",")
    assert f"file={node.name}.qcow2" in " ".join(argv)


def test_no_two_machines_share_a_port_an_address_or_a_mac() -> None:
    assert len({node.ssh_port for node in NODES}) == len({node.address for node in NODES}) == len(NODES)
    macs = [word.split("mac=")[1].split(",")[0] for node in NODES for word in qemu_argv(node) if "mac=" in word]
    assert len(set(macs)) == len(macs) == 2 * len(NODES)


def test_one_end_of_the_wire_waits_and_the_other_plugs_in() -> None:
    ends = [word for node in NODES for word in qemu_argv(node) if word.startswith("stream,")]
    assert [f"server={state}" in end for end, state in zip(ends, ("on", "off"), strict=True)] == [True, True]
    assert len({end.split("addr.path=")[1] for end in ends}) == 1


def test_interfaces_are_named_after_where_the_machine_has_them() -> None:
    for node in NODES:
        cards = [word for word in qemu_argv(node) if word.startswith("virtio-net-pci")]
        slots = {card.split("netdev=")[1].split(",")[0]: int(card.split("addr=")[1], 16) for card in cards}
        assert {"ssh": f"enp0s{slots['ssh']}", "wire": f"enp0s{slots['wire']}"} == {
            "ssh": site.SSH_PORT,
            "wire": site.PORT,
        }


def test_the_inventory_has_the_nodes_with_the_wire_as_their_address(tmp_path: Path) -> None:
    declared = site.hosts(tmp_path)["nodes"]["hosts"]
    for node in NODES:
        host = declared[node.name]
        assert (host["ansible_host"], host["ansible_port"], host["node_address"]) == (
            "127.0.0.1",
            node.ssh_port,
            node.address,
        )
        assert host["network_bridges"]["br0"] == {
            "ports": [site.PORT],
            "addresses": [f"{node.address}/24"],
            "vlan_aware": True,
        }
    variables = site.group_variables("ssh-ed25519 AAAA me")
    assert variables["network_takeover"] and variables["cluster_allow_unfenced"]
    assert yaml.safe_load(yaml.safe_dump(variables)) == variables


def test_a_node_comes_with_both_interfaces_configured_by_ifupdown() -> None:
    for node in NODES:
        files = site.identity(node, host_key="secret", host_key_public="public", login_key_public="login")
        text = files["etc/network/interfaces"][1]
        assert f"iface {site.PORT} inet static\n    address {node.address}/24" in text
        assert f"iface {site.SSH_PORT} inet static\n    address {node.behind}/24" in text
        assert files["etc/ssh/ssh_host_ed25519_key"] == (0o600, "secret")
        assert ("etc/exports.d/real.exports" in files) is (node is NODES[0])


def test_the_seed_is_a_tar_file_that_tar_unpacks_over_the_root(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/kernel").write_text("kernel")
    site.seed(
        tmp_path / "seed", {"etc/hostname": (0o640, "node1\n")}, {"/srv/export/images/tiny-1": tmp_path / "image"}
    )
    with tarfile.open(tmp_path / "seed") as archive:
        assert archive.getmember("etc/hostname").mode == 0o640
        unpacked = archive.extractfile("srv/export/images/tiny-1/kernel")
        assert unpacked is not None and unpacked.read() == b"kernel"
        assert not any(name.startswith("/") for name in archive.getnames())
    assert f"--file={SEED}" in SEED_UNIT and any(
        f"serial={SEED.rsplit('-', 1)[1]}" in word for word in qemu_argv(NODES[0])
    )


def test_bridge_ports_are_read_with_their_ranges_of_vlans() -> None:
    listing = [
        {
            "ifname": "enp0s17",
            "vlans": [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 2, "vlanEnd": 4094}],
        },
        {"ifname": "vnet1", "vlans": [{"vlan": 42, "flags": ["PVID", "Egress Untagged"]}]},
    ]
    ports = vlans(json.dumps(listing))
    assert ports["enp0s17"][42] == set() and 4094 in ports["enp0s17"]
    assert ports["vnet1"] == {42: {"PVID", "Egress Untagged"}}


def test_counters_of_a_cgroup_are_read_by_name() -> None:
    assert counters("low 0\noom_kill 3\nusage_usec 12\n") == {"low": 0, "oom_kill": 3, "usage_usec": 12}


def test_every_step_says_what_it_shows() -> None:
    assert all((step.__doc__ or "").strip() for step in STEPS.values())
    # The last restarts a node, whose kernel's log begins anew.
    assert list(STEPS)[:2] == ["debian", "site"] and list(STEPS)[-2:] == ["denials", "sbd"]


def test_both_machines_have_one_disk_that_neither_keeps_in_memory() -> None:
    drives = {word for node in NODES for word in qemu_argv(node) if "id=shared" in word}
    assert len(drives) == 1
    assert {"cache=none", "file.locking=off", f"file={SHARED}"} <= set(drives.pop().split(","))
    assert all(any("share-rw=on" in word and "serial=shared" in word for word in qemu_argv(node)) for node in NODES)


def test_what_is_declared_of_sbd_for_emulated_machines_holds_together() -> None:
    variables = {**site.group_variables("key"), **site.FENCING}
    hosts = [
        {**host, **variables, "inventory_hostname": name} for name, host in site.hosts(ROOT)["nodes"]["hosts"].items()
    ]
    assert sbd.sbd_declared(hosts)["problems"] == []
    assert timing("safe", {"token": variables["cluster_token"]}, hosts=hosts)["problems"] == []
    assert set(sbd_packages(ROOT / "roles")) <= set(node_recipe(ROOT)["packages"])
    shared = variables["fencing_sbd_devices"][0].rpartition("virtio-")[2]
    assert any(f"serial={shared}," in word for word in qemu_argv(NODES[0]))


def sbd_packages(roles: Path) -> list[str]:
    found: list[str] = yaml.safe_load((roles / "fencing/defaults/main.yml").read_text())["fencing_sbd_packages"]
    return found


@pytest.mark.parametrize(
    ("told", "rc", "said"),
    [("status", 0, ""), ("monitor", 0, ""), ("metadata", 0, "resource-agent"), ("off", 1, ""), ("reboot", 1, "")],
)
def test_the_power_controller_answers_and_does_not_obey(tmp_path: Path, told: str, rc: int, said: str) -> None:
    agent = tmp_path / "agent"
    agent.write_text(site.DISOBEDIENT_AGENT)
    done = subprocess.run(
        ["sh", str(agent)], input=f"ip=10.0.2.2\naction={told}\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == rc
    assert said in done.stdout
    assert ("not obeyed" in done.stderr) is (rc == 1)
