# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.node_info: what programs say of a node, read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.modules import node_info

LINKS = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "eno1", "address": "52:54:00:00:00:01", "master": "br0"},
]
DPKG = (
    "ii bash 5.2\nii libc6 2.41\nii libc6 2.41\nhi qemu-utils 1:10.0.13\nii rsync 3.5.0+ds1-0\n"
    "rc gone 1\nun never \niU half 2\n"
)
ANSWERS = {"dpkg-query": DPKG, "ip -json address show": json.dumps(LINKS)}


@pytest.mark.parametrize("check", [True, False])
def test_a_node(call: Callable[..., dict[str, Any]], programs: Callable[..., list[list[str]]], check: bool) -> None:
    calls = programs(node_info, ANSWERS)
    found = call(node_info, check=check)
    assert found["changed"] is False
    assert found["packages"] == ["bash", "libc6", "qemu-utils", "rsync"]
    assert found["versions"] == {"rsync": "3.5.0+ds1-0"}
    assert found["interfaces"] == {
        "lo": {"mac": None, "bridge": None, "addresses": ["127.0.0.1/8"]},
        "eno1": {"mac": "52:54:00:00:00:01", "bridge": "br0", "addresses": []},
    }
    assert found["memory"] > 0
    assert found["cpus"] > 0
    assert len(calls) == len(ANSWERS)


def test_interfaces_that_ifupdown_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interfaces.d").mkdir()
    (tmp_path / "interfaces").write_text(
        "# iface eno9 inet dhcp\nauto lo\niface lo inet loopback\niface eno1 inet static\n  address 192.0.2.11/24\n"
    )
    (tmp_path / "interfaces.d" / "more").write_text("iface eno2 inet dhcp\niface eno2 inet6 auto\n")
    monkeypatch.setattr(node_info, "Path", lambda path: Path(path.replace("/etc/network", str(tmp_path))))
    assert node_info.ifupdown() == ["eno1", "eno2"]


def test_a_machine_that_is_no_debian(
    call: Callable[..., dict[str, Any]], programs: Callable[..., list[list[str]]]
) -> None:
    programs(node_info, {**ANSWERS, "dpkg-query": 1})
    assert "nodes are Debian machines" in call(node_info)["msg"]


def test_cpu_models(tmp_path: Path) -> None:
    assert node_info.cpu_models(tmp_path / "not installed") == []
    for name in ("index", "x86_EPYC-Rome", "x86_features", "x86_vendors", "x86_qemu64", "ppc64_POWER9"):
        (tmp_path / f"{name}.xml").touch()
    assert node_info.cpu_models(tmp_path) == ["EPYC-Rome", "qemu64"]


@pytest.mark.parametrize(
    ("link", "text", "expected"),
    [
        (None, None, {"manager": "file", "kept": []}),
        (
            None,
            "# by hand\nsearch example.org\nnameserver 192.0.2.1\noptions rotate\n",
            {"manager": "file", "kept": ["search example.org", "options rotate"]},
        ),
        ("../run/systemd/resolve/stub-resolv.conf", None, {"manager": "systemd-resolved", "kept": []}),
        ("/run/resolvconf/resolv.conf", None, {"manager": "/run/resolvconf/resolv.conf", "kept": []}),
    ],
)
def test_who_keeps_the_resolver(tmp_path: Path, link: str | None, text: str | None, expected: dict[str, Any]) -> None:
    file = tmp_path / "resolv.conf"
    if link:
        file.symlink_to(link)
    elif text:
        file.write_text(text)
    assert node_info.resolver(file) == expected
