# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container definitions as LXC configuration, and what differs in a running container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import MIB
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import lxc_config

NIC = {
    "name": "eth0",
    "mac": "52:54:00:aa:bb:cc",
    "bridge": "br0",
    "vlan": None,
    "mtu": None,
    "addresses": ["192.0.2.21/24", "2001:db8::21/64"],
    "gateways": ["192.0.2.1", "2001:db8::1"],
}
WEB: dict[str, Any] = {
    "kind": "container",
    "name": "website",
    "vcpus": 2,
    "memory": 256 * MIB,
    "privileged": False,
    "idmap": {"start": 10000000, "count": 65536},
    "rootfs": {"type": "directory", "path": "/pool/containers/website/rootfs"},
    "nics": [NIC],
    "stop_timeout": 30,
}
BOTH = {"memory", "cpu", "pids"}


def options(config: str) -> list[tuple[str, str]]:
    pairs = (line.split(" = ", 1) for line in config.splitlines() if not line.startswith("#"))
    return [(key, value) for key, value in pairs]


def test_lxc_sets_addresses_and_routes() -> None:
    found = [(key, value) for key, value in options(lxc_config.render(WEB, BOTH)) if key.startswith("lxc.net.0.")]
    assert found == [
        ("lxc.net.0.type", "veth"),
        ("lxc.net.0.link", "br0"),
        ("lxc.net.0.flags", "up"),
        ("lxc.net.0.name", "eth0"),
        ("lxc.net.0.hwaddr", "52:54:00:aa:bb:cc"),
        ("lxc.net.0.veth.pair", "website-aabbcc"),
        ("lxc.net.0.ipv4.address", "192.0.2.21/24"),
        ("lxc.net.0.ipv6.address", "2001:db8::21/64"),
        ("lxc.net.0.ipv4.gateway", "192.0.2.1"),
        ("lxc.net.0.ipv6.gateway", "2001:db8::1"),
    ]


@pytest.mark.parametrize(
    ("controllers", "limits"),
    [
        (BOTH, {"memory.max": "268435456", "cpu.max": "200000 100000", "pids.max": "16384"}),
        ({"memory"}, {"memory.max": "268435456"}),
        (set(), {}),
    ],
)
def test_limits_need_their_controllers(controllers: set[str], limits: dict[str, str]) -> None:
    assert lxc_config.limits(WEB, controllers) == limits
    found = dict(options(lxc_config.render(WEB, controllers)))
    assert {key: value for key, value in found.items() if key.startswith("lxc.cgroup2.")} == {
        f"lxc.cgroup2.{key}": value for key, value in limits.items()
    }


def test_a_privileged_container_keeps_the_nodes_users() -> None:
    assert "lxc.idmap" not in lxc_config.render({**WEB, "privileged": True}, BOTH)
    assert ("lxc.idmap", "u 0 10000000 65536") in options(lxc_config.render(WEB, BOTH))


@pytest.mark.parametrize("count", [1, 15, 60])
def test_the_nodes_interface_has_a_name_the_kernel_takes(count: int) -> None:
    pair = dict(options(lxc_config.render({**WEB, "name": "w" * count}, BOTH)))["lxc.net.0.veth.pair"]
    assert len(pair) <= 15


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"memory": 512 * MIB}, [("memory", "256MiB", "512MiB", "live")]),
        ({"vcpus": 1}, [("vcpus", "2", "1", "live")]),
        ({"privileged": True}, [("privileged", "False", "True", "restart")]),
        (
            {"nics": [{**NIC, "bridge": "br1", "vlan": 7}]},
            [
                ("nics[52:54:00:aa:bb:cc].bridge", "br0", "br1", "restart"),
                ("nics[52:54:00:aa:bb:cc].vlan", None, "7", "restart"),
            ],
        ),
        ({"nics": []}, [("nics[52:54:00:aa:bb:cc]", "br0", None, "restart")]),
        ({"stop_timeout": 5}, []),
    ],
)
def test_differences(changes: dict[str, Any], expected: list[tuple[str, str | None, str | None, str]]) -> None:
    found = lxc_config.difference(lxc_config.render(WEB, BOTH), {**WEB, **changes})
    assert [(change.path, change.before, change.after, change.how) for change in found] == expected


def test_a_configuration_of_somebody_else_differs_in_everything() -> None:
    paths = {change.path for change in lxc_config.difference("lxc.uts.name = website\n", WEB)}
    assert paths == {"memory", "vcpus", "privileged", "idmap", "rootfs", "nics[52:54:00:aa:bb:cc]"}


@pytest.mark.parametrize("privileged", [False, True])
def test_only_a_container_without_the_nodes_root_nests(privileged: bool) -> None:
    text = lxc_config.render({**WEB, "privileged": privileged}, ())
    assert ("lxc.apparmor.allow_nesting = 1" in text) is not privileged
    assert "lxc.apparmor.profile = generated" in text


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [(None, 4 * MIB, (None, "4MiB")), (4 * MIB, 8 * MIB, ("4MiB", "8MiB")), (8 * MIB, None, ("8MiB", None))],
)
def test_a_size_changes_while_it_runs(
    before: int | None, after: int | None, shown: tuple[str | None, str | None]
) -> None:
    def sized(size: int | None) -> dict[str, Any]:
        return {**WEB, "rootfs": {**WEB["rootfs"], **({} if size is None else {"size": size})}}

    [change] = lxc_config.difference(lxc_config.render(sized(before), BOTH), sized(after))
    assert (change.path, change.how, (change.before, change.after)) == ("rootfs.size", "live", shown)


def test_a_container_with_a_size_makes_no_subvolumes() -> None:
    assert not [line for line in lxc_config.render(WEB, BOTH).splitlines() if line.startswith(lxc_config.SECCOMP)]
    sized = {**WEB, "rootfs": {**WEB["rootfs"], "size": MIB}}
    assert "\nlxc.seccomp.profile = /run/drover/lxc/website/seccomp\n" in lxc_config.render(sized, BOTH)
    lines = lxc_config.seccomp("2\ndenylist\n[all]\nkexec_load errno 1\n").splitlines()
    assert lines[:4] == ["2", "denylist", "[all]", "kexec_load errno 1"]
    assert f"ioctl errno 1 [1,{0x5000940E},SCMP_CMP_MASKED_EQ,4294967295]" in lines[4:]


def test_what_it_has_of_its_node_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "film").touch()
    folder, file = str(tmp_path), str(tmp_path / "film")
    has = {
        "devices": ["/dev/net/tun"],
        "mounts": [
            {"source": folder, "target": "/media", "read_only": True},
            {"source": file, "target": "/srv/film", "read_only": False},
        ],
    }
    found = [value for key, value in options(lxc_config.render({**WEB, **has}, BOTH)) if key == "lxc.mount.entry"]
    assert found == [
        "/dev/drover/website/net/tun dev/net/tun none bind,create=file 0 0",
        f"{folder} media none bind,nosuid,nodev,create=dir,ro 0 0",
        f"{file} srv/film none bind,nosuid,nodev,create=file 0 0",
    ]
    changes = lxc_config.difference(lxc_config.render(WEB, BOTH), {**WEB, **has})
    assert [(change.path, change.before, change.after, change.how) for change in changes] == [
        ("devices", None, "/dev/net/tun", "restart"),
        ("mounts", None, f"{folder} at /media, {file} at /srv/film (to write)", "restart"),
    ]
    assert lxc_config.difference(lxc_config.render({**WEB, **has}, BOTH), {**WEB, **has}) == ()


def test_a_privileged_container_may_use_the_devices_it_is_given() -> None:
    config = lxc_config.render({**WEB, "privileged": True, "devices": ["/dev/null", "/dev/none"]}, BOTH)
    assert [value for key, value in options(config) if key == "lxc.cgroup2.devices.allow"] == ["c 1:3 rw"]
