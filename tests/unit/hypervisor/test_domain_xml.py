# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VM definitions as domain XML, and what differs in a running domain."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB, MIB
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml

NIC = {
    "mac": "52:54:00:aa:bb:cc",
    "bridge": "br0",
    "vlan": None,
    "mtu": None,
    "addresses": ["192.0.2.20/24"],
    "gateways": ["192.0.2.1"],
}
DISK = {
    "target": "vda",
    "source": {"type": "file", "path": "/pool/vms/game/vda.qcow2", "format": "qcow2"},
    "size": 4 * GIB,
    "readonly": False,
}
SEED = {
    "target": "vdz",
    "source": {"type": "file", "path": "/pool/vms/game/seed.img", "format": "raw"},
    "readonly": True,
}
VM: dict[str, Any] = {
    "kind": "vm",
    "name": "game",
    "uuid": "f246449a-73f2-5790-8809-6a79aba9ed04",
    "vcpus": 1,
    "max_vcpus": 2,
    "memory": 256 * MIB,
    "max_memory": 512 * MIB,
    "cpu": None,
    "firmware": "bios",
    "kernel": None,
    "disks": [DISK, SEED],
    "nics": [NIC],
    "migration": {"max_downtime": 50, "bandwidth": 128 * MIB, "timeout": None},
    "stop_timeout": 60,
}
KERNEL = {"kernel": "/images/tiny/kernel", "initrd": "/images/tiny/initrd", "cmdline": "console=ttyS0"}


def having(**changes: Any) -> dict[str, Any]:
    """The VM with some keys changed."""
    return copy.deepcopy({**VM, **changes})


def nic(**changes: Any) -> dict[str, Any]:
    return {**NIC, **changes}


def test_a_domain_is_what_its_definition_says() -> None:
    root = ET.fromstring(domain_xml.render(VM, "kvm"))
    assert root.get("type") == "kvm"
    assert root.findtext("memory") == str(512 * 1024)
    assert root.findtext("currentMemory") == str(256 * 1024)
    assert root.find("cpu").get("mode") == "host-model"  # type: ignore[union-attr]
    driver = root.find("devices/disk/driver").attrib  # type: ignore[union-attr]
    assert driver == {"name": "qemu", "type": "qcow2", "cache": "none", "io": "native", "discard": "unmap"}
    assert root.find("devices/disk[2]/readonly") is not None
    assert root.find("devices/interface/target").get("dev") == "game-aabbcc"  # type: ignore[union-attr]
    assert root.find("devices/video") is None


def test_an_emulated_cpu_is_the_same_everywhere() -> None:
    root = ET.fromstring(domain_xml.render(VM, "tcg"))
    assert (root.get("type"), root.findtext("cpu/model")) == ("qemu", "qemu64")


def test_a_kernel_replaces_the_boot_disk() -> None:
    root = ET.fromstring(domain_xml.render(having(kernel=KERNEL), "kvm"))
    assert root.findtext("os/cmdline") == "console=ttyS0"
    assert root.find("os/boot") is None


def test_a_vlan_and_an_mtu_go_to_the_interface() -> None:
    root = ET.fromstring(domain_xml.render_interface("game", nic(vlan=7, mtu=1400)))
    assert root.find("vlan/tag").get("id") == "7"  # type: ignore[union-attr]
    assert root.find("mtu").get("size") == "1400"  # type: ignore[union-attr]


def test_a_source_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no such kind of source: nbd"):
        domain_xml.render_disk({**DISK, "source": {"type": "nbd"}})


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_a_domain_just_started_does_not_differ(accelerator: domain_xml.Accelerator) -> None:
    assert domain_xml.difference(domain_xml.render(VM, accelerator), VM, {"vda": 4 * GIB}) == ()


def test_an_emulated_vm_gets_more_processors_by_a_restart() -> None:
    """Linux takes it for a machine of metal, and makes no room for processors to come."""
    [found] = domain_xml.difference(domain_xml.render(VM, "tcg"), having(vcpus=2))
    assert (found.path, found.how) == ("vcpus", "restart")


@pytest.mark.parametrize(
    ("booted_with", "in_use", "waits"), [(1, 2, False), (1, 1, True), (1, None, False), (2, 1, False)]
)
def test_processors_that_the_vm_has_not_brought_online_are_not_told_as_made(
    booted_with: int, in_use: int | None, waits: bool
) -> None:
    live = domain_xml.render(having(vcpus=booted_with), "kvm").replace('current="1"', 'current="2"')
    found = domain_xml.difference(live, having(vcpus=2), in_use=in_use)
    assert [(change.path, change.before, change.after, change.how) for change in found] == (
        [("vcpus", "1", "2", "restart")] if waits else []
    )


def test_a_screen_is_there_when_asked_for_and_listens_nowhere() -> None:
    without, shown = (domain_xml.render(having(**its), "kvm") for its in ({}, {"screen": True}))
    assert "graphics" not in without and "video" not in without
    graphics = ET.fromstring(shown).find("devices/graphics")
    assert graphics is not None
    assert [listen.get("type") for listen in graphics.iterfind("listen")] == ["none"]
    for live, wanted, words in ((without, True, ("no", "yes")), (shown, False, ("yes", "no"))):
        (change,) = domain_xml.difference(live, having(screen=wanted))
        assert (change.path, change.before, change.after, change.how) == ("screen", *words, "restart")


def test_a_vm_says_that_it_panicked_and_ends() -> None:
    root = ET.fromstring(domain_xml.render(VM, "kvm"))
    assert root.find("devices/panic").get("model") == "isa"  # type: ignore[union-attr]
    assert root.findtext("on_crash") == "destroy"


def test_a_vm_that_hangs_is_reset_if_it_has_a_daemon_for_that() -> None:
    watchdog = ET.fromstring(domain_xml.render(VM, "kvm")).find("devices/watchdog")
    assert watchdog is not None and watchdog.attrib == {"model": "i6300esb", "action": "reset"}


def test_a_running_vm_is_not_restarted_for_devices_that_all_vms_have() -> None:
    now = domain_xml.render(VM, "kvm")
    panic, watchdog = '<panic model="isa" />', '<watchdog model="i6300esb" action="reset" />'
    started_before = now.replace(panic, "").replace(watchdog, "")
    assert len(started_before) == len(now) - len(panic) - len(watchdog)
    assert domain_xml.difference(started_before, VM, {"vda": 4 * GIB}) == ()


NEW_NIC = nic(mac="52:54:00:00:00:01", addresses=[], gateways=[])
NEW_DISK = {**DISK, "target": "vdb", "source": {**DISK["source"], "path": "/pool/vms/game/vdb.qcow2"}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"vcpus": 2}, [("vcpus", "1", "2", "set-vcpus")]),
        ({"memory": 512 * MIB}, [("memory", "256MiB", "512MiB", "set-memory")]),
        ({"memory": 128 * MIB}, [("memory", "256MiB", "128MiB", "set-memory")]),
        (
            {"memory": GIB, "max_memory": GIB},
            [("max_memory", "512MiB", "1GiB", "restart"), ("memory", "256MiB", "1GiB", "restart")],
        ),
        (
            {"vcpus": 4, "max_vcpus": 4},
            [("max_vcpus", "2", "4", "restart"), ("vcpus", "1", "4", "restart")],
        ),
        ({"cpu": "Cascadelake-Server"}, [("cpu", "host-model", "Cascadelake-Server", "restart")]),
        (
            {"kernel": KERNEL},
            [(f"kernel.{key}", None, KERNEL[key], "restart") for key in ("kernel", "initrd", "cmdline")],
        ),
        (
            {"disks": [DISK, NEW_DISK, SEED]},
            [("disks[vdb]", None, "/pool/vms/game/vdb.qcow2", "attach-disk")],
        ),
        ({"disks": [SEED]}, [("disks[vda]", "/pool/vms/game/vda.qcow2", None, "detach-disk")]),
        ({"disks": [{**DISK, "size": 8 * GIB}, SEED]}, [("disks[vda].size", "4GiB", "8GiB", "grow-disk")]),
        (
            {"disks": [{**DISK, "source": NEW_DISK["source"]}, SEED]},
            [("disks[vda].source", "/pool/vms/game/vda.qcow2", "/pool/vms/game/vdb.qcow2", "restart")],
        ),
        ({"nics": [NIC, NEW_NIC]}, [("nics[52:54:00:00:00:01]", None, "br0", "attach-interface")]),
        ({"nics": []}, [("nics[52:54:00:aa:bb:cc]", "br0", None, "detach-interface")]),
        ({"nics": [nic(bridge="br1")]}, [("nics[52:54:00:aa:bb:cc].bridge", "br0", "br1", "update-interface")]),
        ({"nics": [nic(vlan=7)]}, [("nics[52:54:00:aa:bb:cc].vlan", None, "7", "update-interface")]),
        ({"nics": [nic(mtu=1400)]}, [("nics[52:54:00:aa:bb:cc].mtu", None, "1400", "restart")]),
        (
            {"nics": [nic(addresses=["192.0.2.21/24"])]},
            [("nics[52:54:00:aa:bb:cc].addresses", "192.0.2.20/24", "192.0.2.21/24", "restart")],
        ),
        ({"stop_timeout": 5, "migration": {}}, []),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_differences(changes: dict[str, Any], expected: list[tuple[str, str | None, str | None, str]]) -> None:
    found = domain_xml.difference(domain_xml.render(VM, "kvm"), having(**changes), {"vda": 4 * GIB})
    assert [(change.path, change.before, change.after, change.action) for change in found] == expected
    assert all((change.how == "restart") == (change.action == "restart") for change in found)
    assert all(change.device for change in found if change.action.startswith(("attach", "detach", "update")))


def test_memory_is_what_was_asked_for_not_what_the_balloon_made_of_it() -> None:
    live = domain_xml.render(VM, "tcg").replace(f">{256 * 1024}</currentMemory>", f">{512 * 1024}</currentMemory>")
    smaller = having(memory=128 * MIB)
    assert domain_xml.difference(live, VM) == ()
    assert [change.value for change in domain_xml.difference(live, smaller)] == [128 * MIB]
    root = ET.fromstring(live)
    its = root.find(f"metadata/{{{domain_xml.METADATA_URI}}}definition")
    assert its is not None
    its.text = ET.fromstring(domain_xml.remembered(live, smaller, {"memory"}) or "").text
    assert domain_xml.difference(ET.tostring(root, encoding="unicode"), smaller) == ()


def test_a_domain_of_somebody_else_is_compared_as_far_as_it_tells() -> None:
    root = ET.fromstring(domain_xml.render(VM, "tcg"))
    root.remove(root.find("metadata"))  # type: ignore[arg-type]
    paths = [change.path for change in domain_xml.difference(ET.tostring(root, encoding="unicode"), VM)]
    assert paths == ["nics[52:54:00:aa:bb:cc].addresses", "nics[52:54:00:aa:bb:cc].gateways"]


def test_a_disk_in_ceph_is_opened_by_its_key_and_stops_its_vm_on_an_error() -> None:
    disk = {**DISK, "source": {"type": "rbd", "path": "rbd:disks/game.vda", "format": "raw"}}
    element = ET.fromstring(domain_xml.render_disk(disk))
    assert element.get("type") == "network"
    assert element.find("source").attrib == {"protocol": "rbd", "name": "disks/game.vda"}  # type: ignore[union-attr]
    assert element.find("auth/secret").attrib == {"type": "ceph", "usage": "drover-ceph"}  # type: ignore[union-attr]
    driver = element.find("driver").attrib  # type: ignore[union-attr]
    assert driver["error_policy"] == driver["rerror_policy"] == "stop"
    assert "io" not in driver
