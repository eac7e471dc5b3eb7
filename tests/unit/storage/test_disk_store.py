# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of a move between pools: what is run for them, and what is refused beforehand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.storage.disk_store import DiskStore

GIB = 2**30


class Programs:
    """qemu-img and rbd, of which one makes files as it is told; ``images`` are Ceph's, by POOL/NAME."""

    def __init__(self, images: Sequence[str] = (), used: int = GIB, *, fails: bool = False) -> None:
        self.images, self.used, self.fails = list(images), used, fails
        self.done: list[str] = []

    def __call__(self, argv: Sequence[str], **_more: Any) -> CommandResult:
        words = list(argv)
        out, code = "", 0
        if words[:2] == ["qemu-img", "info"]:
            out = json.dumps({"virtual-size": GIB, "actual-size": self.used})
        elif words[0] == "rbd" and "--format" in words:
            code = 0 if words[-3] in self.images or (words[3] == "pool" and words[5] == "disks") else 2
            out = json.dumps({"size": GIB, "watchers": []}) if code == 0 else ""
        else:
            self.done.append(" ".join(words).replace("rbd --id drover ", ""))
            if words[:2] in (["qemu-img", "create"], ["qemu-img", "convert"]):
                place = words[-2] if words[1] == "create" else words[-1]
                if not place.startswith("rbd:"):
                    Path(place).touch()
                if self.fails:
                    raise CommandError("No space left on device")
        return CommandResult(tuple(argv), code, out, "")


def file(folder: Path, name: str = "vda.qcow2") -> dict[str, Any]:
    return {"type": "file", "path": f"{folder}/vms/mc/{name}", "format": "qcow2"}


CEPH = {"type": "rbd", "path": "rbd:disks/mc.vda", "format": "raw"}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    (tmp_path / ".drover-pool").write_text("it")
    return tmp_path


def test_a_copy_has_its_name_when_it_is_whole(pool: Path) -> None:
    programs, goal = Programs(["disks/mc.vda"]), file(pool)
    DiskStore(programs).copy(CEPH, goal)
    draft = f"{goal['path']}.new"
    assert programs.done == [
        f"qemu-img convert -f raw -O qcow2 rbd:disks/mc.vda:id=drover {draft}",
        f"sync --file-system {draft}",
    ]
    assert Path(goal["path"]).stat().st_mode & 0o777 == 0o600
    DiskStore(programs).copy(goal, {**CEPH, "path": "rbd:disks/mc.vdb"})
    assert programs.done[2:] == [
        f"qemu-img convert -f qcow2 -O raw {goal['path']} rbd:disks/mc.vdb.new:id=drover",
        "mv disks/mc.vdb.new disks/mc.vdb",
    ]


def test_a_copy_that_fails_leaves_nothing(pool: Path) -> None:
    with pytest.raises(CommandError, match="No space"):
        DiskStore(Programs(fails=True)).copy(CEPH, file(pool))
    assert not list((pool / "vms").rglob("*.new"))


def test_an_empty_volume_is_made_and_removed_with_its_folder(pool: Path) -> None:
    programs, goal = Programs(["disks/mc.vda"]), file(pool)
    store = DiskStore(programs)
    store.make(goal, GIB)
    assert store.there(goal["path"]) and store.size(goal) == GIB
    store.remove(goal["path"])
    assert not store.there(goal["path"]) and not (pool / "vms/mc").exists()
    store.make({**CEPH, "path": "rbd:disks/mc.vdb"}, GIB)
    store.discard("rbd:disks/mc.vda")
    assert programs.done == [
        f"qemu-img create -q -f qcow2 {goal['path']} {GIB}",
        f"create --size {GIB}B disks/mc.vdb",
        "rm --no-progress disks/mc.vda",
    ]


def test_a_pool_without_room_and_one_that_is_none_are_refused(pool: Path, tmp_path: Path) -> None:
    start, goal = file(tmp_path / "old"), file(pool)
    DiskStore(Programs(used=1)).require_room("mc", start, goal)
    DiskStore(Programs()).require_room("mc", start, CEPH)
    for programs, to, words in (
        (Programs(used=2**60), goal, "has no room"),
        (Programs(), file(tmp_path / "other"), "there is no storage pool at"),
        (Programs(), {**CEPH, "path": "rbd:away/mc.vda"}, "Ceph has no pool away"),
    ):
        with pytest.raises(DroverError, match=words):
            DiskStore(programs).require_room("mc", start, to)
