# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signs on shared storage that a guest still runs: each is planted here, and seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.rbd import Rbd
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.storage import beats, lease

#: As QEMU locks an image that it writes: shared locks on bytes from 100 on, of the open file.
_QEMU = """
import fcntl, os, struct, sys
opened = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(opened, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 101, 1, 0))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def guests(tmp_path: Path) -> dict[str, dict[str, Any]]:
    (tmp_path / "vda").write_bytes(b"\0" * 4096)
    rootfs = tmp_path / "web" / "rootfs"
    rootfs.mkdir(parents=True)
    lease.take(rootfs, "n1", None)
    return {
        "mc": {"name": "mc", "disks": [{"source": {"path": str(tmp_path / "vda"), "shared": True}}]},
        "web": {"name": "web", "rootfs": {"path": str(rootfs), "shared": True}},
    }


@contextmanager
def locked(path: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", _QEMU, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as qemu:
        assert qemu.stdout is not None and qemu.stdout.readline() == "held\n"
        yield
        qemu.kill()


def test_guests_at_rest_give_no_sign(guests: dict[str, dict[str, Any]]) -> None:
    before = beats.look(guests)
    assert before.leases["web"].node == "n1"
    assert beats.signs("n1", before, beats.look(guests)) == []


def _beat(guests: dict[str, dict[str, Any]]) -> None:
    os.utime(lease.place(Path(guests["web"]["rootfs"]["path"])), ns=(1, 1))


def _write(guests: dict[str, dict[str, Any]]) -> None:
    os.utime(guests["mc"]["disks"][0]["source"]["path"], ns=(1, 1))


@pytest.mark.parametrize(
    ("living", "sign"), [(_beat, "the lease of web is renewed by n1"), (_write, "somebody writes")]
)
def test_what_moves_is_seen(guests: dict[str, dict[str, Any]], living: Callable[..., None], sign: str) -> None:
    before = beats.look(guests)
    living(guests)
    [found] = beats.signs("n1", before, beats.look(guests))
    assert sign in found


def test_qemus_lock_is_seen(guests: dict[str, dict[str, Any]]) -> None:
    path = guests["mc"]["disks"][0]["source"]["path"]
    with locked(path):
        before = beats.look(guests)
        assert beats.signs("n1", before, beats.look(guests)) == [f"somebody holds QEMU's lock on {path}"]


def test_storage_of_a_node_s_own_tells_nothing(guests: dict[str, dict[str, Any]]) -> None:
    guests["mc"]["disks"][0]["source"]["shared"] = False
    assert beats.look({"mc": guests["mc"], "gone": {"rootfs": {"path": "/nowhere/rootfs"}}}).written == {}


def watched(*addresses: str, silent: bool = False) -> Rbd:
    """Ceph with an image that these have open."""

    def run(argv: list[str], **_how: Any) -> CommandResult:
        assert argv[:5] == ["rbd", "--id", "drover", "status", "disks/mc.vda"]
        if silent:
            raise CommandError("timed out")
        told = {"watchers": [{"address": address} for address in addresses]}
        return CommandResult(tuple(argv), 0, json.dumps(told), "")

    return Rbd(run)


@pytest.mark.parametrize(
    ("before", "now", "sign"),
    [
        pytest.param(watched("192.0.2.1:0/7"), watched("192.0.2.1:0/7"), "192.0.2.1:0/7 has rbd:", id="it lives"),
        pytest.param(watched("192.0.2.1:0/7"), watched(), "", id="its watch ran out"),
        pytest.param(watched(), watched("192.0.2.2:0/9"), "", id="somebody else looked at it"),
        pytest.param(watched(), watched(silent=True), "does not tell", id="Ceph does not answer"),
        pytest.param(watched(silent=True), watched(), "", id="Ceph answers now: nobody"),
    ],
)
def test_who_has_an_image_open_is_seen(before: Rbd, now: Rbd, sign: str) -> None:
    guests = {"mc": {"name": "mc", "disks": [{"source": {"path": "rbd:disks/mc.vda", "shared": True}}]}}
    found = beats.signs("n1", beats.look(guests, before), beats.look(guests, now))
    assert len(found) == bool(sign) and sign in "".join(found)
