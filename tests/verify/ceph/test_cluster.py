# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ceph as site.yml has made it: whole, encrypted, with keys that can do no more than they should; and what is
refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.health import judge

from ..lab import Lab
from ..plays import play, succeed
from .asking import ceph

pytestmark = pytest.mark.stage("ceph")

SECRET_PLACES = "/etc/ceph /etc/drover/secrets /var/lib/ceph /etc/libvirt/secrets"


def test_it_is_whole(lab: Lab) -> None:
    assert judge(ceph(lab, "status"), osds=3, monitors=3, cephfs=["roots"]).troubles == ()


def test_a_dry_run_says_that_nothing_is_to_be_done(lab: Lab) -> None:
    assert succeed("site", "--check").changed == set()


def test_every_object_is_there_three_times_on_three_nodes(lab: Lab) -> None:
    pools = {pool["pool_name"]: pool for pool in ceph(lab, "osd", "pool", "ls", "detail")}
    assert {(pool["size"], pool["min_size"]) for name, pool in pools.items() if not name.startswith(".")} == {(3, 2)}
    hosts = [entry for entry in ceph(lab, "osd", "tree")["nodes"] if entry["type"] == "host"]
    assert sorted(host["name"] for host in hosts) == sorted(lab.nodes)


@pytest.mark.parametrize("daemon", ["mon.node1", "osd.0", "mds.node1", "mgr.node1"])
def test_all_traffic_is_encrypted(lab: Lab, daemon: str) -> None:
    node = next(
        name for name in lab.nodes if lab.ssh(name)(["test", "-S", f"/run/ceph/ceph-{daemon}.asok"], ok=None).rc == 0
    )
    for kind in ("cluster", "service", "client"):
        assert ceph(lab, "daemon", daemon, "config", "get", f"ms_{kind}_mode", node=node) == {
            f"ms_{kind}_mode": "secure"
        }


def test_secrets_are_root_s_and_ceph_s_alone(lab: Lab) -> None:
    for node in lab.nodes:
        asked = f"grep -rlsE 'AQ[A-Za-z0-9+/]{{36}}==' {SECRET_PLACES} /etc /run/systemd 2>/dev/null | sort -u"
        files = lab.ssh(node)(["sh", "-c", asked], ok=None).stdout.split()
        assert files, "no key was found where keys are"
        # A monitor's database has files that all may read, in a folder that nobody else may enter.
        alone = [file for file in files if "/store.db/" not in file]
        modes = lab.ssh(node)(["stat", "-c", "%a %U %n", *alone]).stdout.splitlines()
        assert [line for line in modes if not line.startswith(("600 root ", "600 ceph "))] == []
        reading = 'for file; do head -c 1 "$file" > /dev/null 2>&1 && echo "$file"; done; true'
        as_nobody = ["runuser", "-u", "nobody", "--", "sh", "-c", reading, "sh", *files]
        assert lab.ssh(node)(as_nobody).stdout.split() == []


def test_no_key_is_in_a_command_line(lab: Lab) -> None:
    for node in lab.nodes:
        shown = lab.ssh(node)(["ps", "-eo", "args", "--no-headers"]).stdout
        assert "AQ" not in "".join(line for line in shown.splitlines() if "ceph" in line or "rbd" in line)


@pytest.mark.parametrize(
    "words",
    [
        ["osd", "out", "0"],
        ["osd", "pool", "rm", "disks", "disks", "--yes-i-really-really-mean-it"],
        ["config", "set", "global", "osd_pool_default_size", "1"],
        ["fs", "set", "roots", "max_mds", "2"],
        ["auth", "ls"],
    ],
)
def test_who_says_that_a_node_is_gone_can_do_nothing_else(lab: Lab, words: list[str]) -> None:
    argv = ["ceph", "--name", "client.drover-alert", *words]
    done = lab.ssh("node2")(argv, ok=None, timeout=60)
    assert done.rc != 0
    assert "EACCES" in done.stderr or "access denied" in done.stderr or "EPERM" in done.stderr, done.stderr


def test_a_node_that_lives_is_not_said_to_be_gone(lab: Lab) -> None:
    """Whoever speaks to the program by which Ceph is told: it believes the fencer's record alone."""
    say = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/drover-ceph-lost'); s.sendall(b'node3\\n')"
    lab.ssh("node1")(["python3", "-c", say])
    up = [entry for entry in ceph(lab, "osd", "tree")["nodes"] if entry["type"] == "osd" and entry["status"] == "up"]
    assert len(up) == 3
    said = ["journalctl", "-t", "drover-ceph", "--since=-1min", "--output=cat"]
    told = ""
    for _look in range(20):
        told = lab.ssh("node1")(said, ok=None).stdout
        if told:
            break
    assert "Ceph was not told that node3 is gone" in told


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"ceph_osd_file": ""}, "CEPH_COPIES"),
        ({"ceph_osd_memory": "512MiB"}, "CEPH_OSD_MEMORY"),
        ({"ceph_osd_devices": ["/dev/nothing"]}, "CEPH_NO_DEVICE"),
    ],
)
def test_what_would_not_survive_is_refused_before_anything_is_touched(
    lab: Lab, variables: dict[str, Any], code: str
) -> None:
    before = ceph(lab, "osd", "dump")["epoch"]
    outcome = play("site", **variables)
    assert outcome.rc != 0
    assert any(code in failure for failure in outcome.failures), outcome.failures
    assert ceph(lab, "osd", "dump")["epoch"] == before
