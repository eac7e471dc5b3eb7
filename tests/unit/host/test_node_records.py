# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node has on record of others, and what it must not keep when it leaves them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.host.departure import traces
from ansible_collections.cspp.drover.plugins.module_utils.host.node_records import host_keys
from ansible_collections.cspp.drover.plugins.modules import departure, membership_info

HOSTS = """# BEGIN nodes of the cluster, kept by Drover
10.0.0.1 node1
10.0.0.2 node2
# END nodes of the cluster, kept by Drover
127.0.1.1 node1
10.0.0.9 other
"""
CMAP = """nodelist.node.0.name (str) = node1
nodelist.node.0.nodeid (u32) = 11
nodelist.node.0.ring0_addr (str) = 10.0.0.1
nodelist.node.0.ring1_addr (str) = 10.1.0.1
"""


def test_host_keys_are_by_name() -> None:
    lines = ["# Kept by Drover's role node.", "node1,10.0.0.1 ssh-ed25519 A", "node1,10.0.0.1 ssh-rsa B", ""]
    assert host_keys(lines) == {"node1": ["ssh-ed25519 A", "ssh-rsa B"]}


@pytest.mark.parametrize(("rc", "quorate"), [(0, True), (2, False)])
def test_what_a_member_knows(
    call: Callable[..., dict[str, Any]],
    programs: Callable[..., list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    rc: int,
    quorate: bool,
) -> None:
    programs(membership_info, {"corosync-cmapctl": CMAP, "corosync-quorumtool": rc})
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: "/usr/sbin/corosync-cmapctl")
    monkeypatch.setattr(membership_info, "HOSTS", tmp_path / "hosts")
    (tmp_path / "hosts").write_text(HOSTS)
    found = call(membership_info, path=str(tmp_path / "corosync.conf"))
    assert found["running"] == [{"name": "node1", "id": 11, "links": ["10.0.0.1", "10.1.0.1"]}]
    assert (found["quorate"], found["file"], found["addresses"]["node2"]) == (quorate, [], "10.0.0.2")


def test_a_bare_host_knows_nothing(
    call: Callable[..., dict[str, Any]], programs: Callable[..., list[list[str]]], tmp_path: Path
) -> None:
    programs(membership_info, {"corosync-cmapctl": 1})
    found = call(membership_info, path=str(tmp_path / "corosync.conf"))
    assert (found["running"], found["quorate"], found["file"]) == ([], False, [])


def test_a_node_that_has_left_holds_no_key(tmp_path: Path) -> None:
    kept = ["etc/corosync/uidgid.d/x", "etc/pki/qemu/dh-params.pem", "etc/ssh/ssh_host_ed25519_key"]
    gone = [
        "etc/corosync/corosync.conf",
        "etc/drover/notify.json",
        "etc/drover/pki/node.key",
        "etc/drover/secrets/ca.key",
        "etc/pacemaker/authkey",
        "etc/pki/libvirt/private/serverkey.pem",
        "etc/pki/qemu/server-key.pem",
        "var/lib/drover/declared.json",
        "var/lib/pacemaker/cib/cib.xml",
        "var/lib/pacemaker/pengine/pe-input-1.bz2",
        "var/log/pacemaker/pacemaker.log",
    ]
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    # A link that leads nowhere by now is one as well.
    (tmp_path / "etc/pki/CA").mkdir()
    (tmp_path / "etc/pki/CA/cacert.pem").symlink_to("/nowhere")
    found = {str(path.relative_to(tmp_path)) for path in traces(tmp_path)}
    assert found == {*gone, "etc/pki/CA/cacert.pem"}


def test_a_member_keeps_its_keys(
    call: Callable[..., dict[str, Any]],
    programs: Callable[..., list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    key = tmp_path / "ca.key"
    key.touch()
    monkeypatch.setattr(departure, "traces", lambda _root: [key] if key.exists() else [])
    monkeypatch.setattr(os, "sync", lambda: None)
    programs(departure, {"systemctl is-active": "inactive\nactive\n"})
    assert "still run" in call(departure)["msg"] and key.exists()
    programs(departure, {"systemctl is-active": "inactive\nfailed\n"})
    assert call(departure, check=True)["removed"] == [str(key)] and key.exists()
    assert call(departure)["changed"] and not key.exists()
    assert not call(departure)["changed"]
