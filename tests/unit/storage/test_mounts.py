# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mounts of pools as systemd units."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.storage import mounts
from ansible_collections.cspp.drover.plugins.module_utils.storage.mounts import (
    followers,
    packages,
    telling,
    unit_name,
    units,
)
from ansible_collections.cspp.drover.tests.unit.needed import needed

PATHS = {
    "/": "-.mount",
    "/srv": "srv.mount",
    "/srv/drover/shared/": "srv-drover-shared.mount",
    "/srv/my-pool": r"srv-my\x2dpool.mount",
    "/.hidden/a.b": r"\x2ehidden-a.b.mount",
    "/srv/Bücher": r"srv-B\xc3\xbccher.mount",
    "/srv/a:b_c": "srv-a:b_c.mount",
}


@pytest.mark.parametrize(("path", "name"), PATHS.items())
def test_unit_names(path: str, name: str) -> None:
    assert unit_name(path) == name


def test_systemd_agrees() -> None:
    argv = [needed("systemd-escape"), "--path", "--suffix=mount", *PATHS]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=10)
    assert shown.stdout.split() == list(PATHS.values())


@pytest.mark.parametrize(
    ("options", "tells"),
    [
        ("vers=4.2,hard", False),
        ("credentials=/root/nas,uid=0", False),
        ("name=admin,secretfile=/etc/ceph/admin.secret", False),
        ("compass=1,bypass=2", False),
        ("user=nas,password=tiger", True),
        ("PASS=tiger", True),
        ("vers=3.1.1, passwd = tiger", True),
        ("password2=tiger", True),
        ("name=admin,secret=AQBx==", True),
        ("username=nas%tiger,vers=3", True),
    ],
)
def test_a_password_among_the_options_is_noticed(options: str, tells: bool) -> None:
    nas = {"type": "directory", "path": "/srv/nas", "mount": {"src": "//nas/x", "fstype": "cifs", "options": options}}
    pools: dict[str, Any] = {
        "nas": nas,
        "local": {"path": "/srv/local"},
        "plain": {"path": "/srv/p", "mount": {"src": "nas:/x"}},
    }
    assert telling(pools) == (["nas"] if tells else [])


def test_only_pools_with_a_mount_get_a_unit() -> None:
    local = {"type": "directory", "path": "/srv/local"}
    nfs = {"type": "directory", "path": "/srv/nfs", "mount": {"src": "nas:/export", "fstype": "nfs4"}}
    [unit] = units({"local": local, "nfs": nfs})
    assert unit["path"] == "/etc/systemd/system/srv-nfs.mount"
    lines = unit["content"].splitlines()
    assert {"What=nas:/export", "Where=/srv/nfs", "Type=nfs4", "Options=defaults"} <= set(lines)
    assert "Before=pacemaker.service" in lines
    [tuned] = units({"nfs": nfs | {"mount": {**nfs["mount"], "options": "hard"}}})  # type: ignore[dict-item]
    assert "Options=hard" in tuned["content"].splitlines()


def test_mounts_bring_their_helpers() -> None:
    nfs = {"path": "/srv/nfs", "mount": {"src": "nas:/export", "fstype": "nfs4"}}
    local = {"path": "/srv/disk", "mount": {"src": "/dev/sdb1", "fstype": "ext4"}}
    assert packages({"a": nfs, "b": nfs, "c": local, "d": {"path": "/srv/plain"}}) == ["nfs-common"]


def test_what_follows_a_mount_that_a_pool_may_lie_on() -> None:
    assert followers({"a": {"path": "/srv/drover/own"}, "b": {"path": "/srv/b-c"}}) == [
        "drover-storage@srv-b\\x2dc.service",
        "drover-storage@srv-drover-own.service",
        "drover-storage@srv-drover.service",
        "drover-storage@srv.service",
    ]


def test_a_file_system_of_ceph_is_mounted_by_the_kernel_or_by_a_daemon_of_ceph_s() -> None:
    pools = {"disks": {"type": "rbd"}, "roots": {"type": "cephfs", "path": "/srv/roots", "filesystem": "all"}}
    [daemon], [kernel] = mounts.units(pools), mounts.units(pools, ceph_by_kernel=True)
    assert daemon["path"] == kernel["path"] == "/etc/systemd/system/srv-roots.mount"
    assert "Type=fuse.ceph\n" in daemon["content"]
    # Without these no container finds its devices and its set-user-ID programs.
    assert {"suid", "dev", "allow_other", "ceph.client_fs=all"} <= set(
        daemon["content"].partition("Options=")[2].split("\n")[0].split(",")
    )
    assert "What=drover@.all=/\n" in kernel["content"]
    assert "ms_mode=secure" in kernel["content"]
    assert mounts.ceph_clients(pools) == ["drover-ceph-client@srv-roots.service"]
    assert mounts.telling(pools) == []
