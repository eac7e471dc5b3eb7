# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done so that volumes are as declared."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import IDMAP
from ansible_collections.cspp.drover.plugins.module_utils.storage.host import StorageHost, exclusive
from ansible_collections.cspp.drover.plugins.module_utils.storage.volumes import (
    Found,
    Step,
    Volume,
    confusions,
    local_pool_of,
    plan,
    pools_from,
)

DISK = Volume("disk", "/pool/vms/game/vda.qcow2", "guests.game.disks[0]", size=4 * GIB, image="/images/disk.qcow2")
SEED = Volume(
    "seed", "/pool/vms/game/seed.img", "guests.game", files={"meta-data": "new\n"}, rival="/pool/containers/game"
)
ROOTFS = Volume("rootfs", "/pool/containers/web/rootfs", "guests.web.rootfs", image="/images/rootfs.tar")
PLACE = "/pool/containers/web"
FOLDER = Volume("folder", "/pool/vms/old", "guests.old")


@pytest.mark.parametrize(
    ("volume", "found", "actions"),
    [
        (DISK, {}, ["create"]),
        (DISK, {DISK.path: Found(size=4 * GIB)}, []),
        (DISK, {DISK.path: Found(size=2 * GIB)}, ["grow"]),
        (DISK, {DISK.path: Found(size=2 * GIB, in_use=True)}, []),
        (SEED, {}, ["create"]),
        (SEED, {SEED.path: Found(files={"meta-data": "new\n"})}, []),
        (SEED, {SEED.path: Found(files={"meta-data": "old\n"})}, ["rewrite"]),
        (ROOTFS, {}, ["create"]),
        (ROOTFS, {ROOTFS.path: Found()}, []),
        (ROOTFS, {PLACE: Found(filesystem="nfs4")}, ["create"]),
        (replace(ROOTFS, idmap=IDMAP), {PLACE: Found(filesystem="ext4")}, ["create"]),
        (replace(ROOTFS, idmap=IDMAP), {PLACE: Found(filesystem="nfs4"), ROOTFS.path: Found()}, []),
        (FOLDER, {}, []),
        (FOLDER, {FOLDER.path: Found()}, ["remove"]),
    ],
)
def test_steps(volume: Volume, found: dict[str, Found], actions: list[str]) -> None:
    todo = plan([volume], found)
    assert ([step.action for step in todo.steps], todo.refusals) == (actions, ())


@pytest.mark.parametrize(
    ("volume", "found", "refusal"),
    [
        (
            DISK,
            {DISK.path: Found(size=8 * GIB)},
            r"guests.game.disks\[0\].size: 4GiB is less than the 8GiB the disk has",
        ),
        (DISK, {"/images/disk.qcow2": Found(size=8 * GIB)}, "less than the 8GiB its image needs"),
        (SEED, {"/pool/containers/game": Found()}, "exists as one of the other kind"),
        (replace(ROOTFS, idmap=IDMAP), {PLACE: Found(filesystem="nfs4")}, "rootfs.pool: .* would be on NFS"),
        (
            replace(DISK, known="game"),
            {},
            "vda.qcow2 is not there, though the cluster knows game.*guests_recreate=game",
        ),
        (replace(ROOTFS, known="web"), {}, "rootfs is not there, though the cluster knows web.*guests_recreate=web"),
    ],
)
def test_refusals(volume: Volume, found: dict[str, Found], refusal: str) -> None:
    (said,) = plan([volume], found).refusals
    assert re.search(refusal, said)


def test_a_size_that_nothing_keeps_is_refused() -> None:
    sized = replace(ROOTFS, size=GIB)
    assert plan([sized], {}, {}).refusals == ()
    (said,) = plan([sized], {}, {sized.path: "nfs4, which has no quota for directories"}).refusals
    assert said.startswith("guests.web.rootfs.size: nothing would keep it, for /pool/containers/web/rootfs is on nfs4")
    # Whoever asks for no size is asked nothing.
    assert StorageHost().unkept([ROOTFS, DISK]) == {}


def test_a_root_file_system_that_has_arrived_is_there(tmp_path: Path) -> None:
    volume = replace(ROOTFS, path=str(tmp_path / "rootfs"), known="web")
    assert len(plan([volume], StorageHost().look([volume])).refusals) == 1
    (tmp_path / "arrived").touch()  # between the two, it is renamed to its place
    assert plan([volume], StorageHost().look([volume])).refusals == ()


def test_an_unknown_type_of_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="'zfs' is not known"):
        pools_from({"fast": {"type": "zfs", "path": "/fast"}})


def test_volumes_of_one_nodes_own_say_so() -> None:
    pools = pools_from(
        {
            "shared": {"type": "directory", "path": "/all", "shared": True},
            "fast": {"type": "directory", "path": "/own/", "shared": False},
        }
    )
    assert [pool.shared for pool in pools.values()] == [True, False]
    assert pools["shared"].rootfs("web") == {"type": "directory", "path": "/all/containers/web/rootfs"}
    assert pools["fast"].rootfs("web") == {"type": "directory", "path": "/own/containers/web/rootfs", "shared": False}
    disk = {"type": "file", "path": "/own/vms/game/vda.qcow2", "format": "qcow2", "shared": False}
    assert pools["fast"].disk("game", "vda") == disk


@pytest.mark.parametrize(
    ("shared", "identities", "problem"),
    [
        (None, ["a", "a", "a"], None),
        (True, ["a", "b", "a"], "not the same storage on every node"),
        (None, ["a", "b", "c"], "not the same storage on every node"),
        (False, ["a", "b", "c"], None),
        (False, ["a", "b", "a"], "a guest would be copied onto itself"),
        (False, ["a"], None),
    ],
)
def test_pools_are_shared_as_declared(shared: bool | None, identities: list[str], problem: str | None) -> None:
    pool = {"type": "directory", "path": "/pool", **({} if shared is None else {"shared": shared})}
    seen = {f"node{number}": {"/pool": identity} for number, identity in enumerate(identities)}
    found = confusions({"fast": pool}, seen)
    assert len(found) == (problem is not None)
    assert all(str(problem) in text and "Pool fast" in text and "node0 a" in text for text in found)


class Programs:
    """Stands in for the programs: notes what was run, and makes the files they would."""

    def __init__(self, *, locked: bool = False) -> None:
        self.argvs: list[list[str]] = []
        self.locked = locked

    def __call__(self, argv: Sequence[str], **_options: Any) -> CommandResult:
        self.argvs.append(list(argv))
        stdout = ""
        if argv[:2] == ["qemu-img", "info"]:
            if self.locked and "--force-share" not in argv:
                raise CommandError("qemu-img: is another process using the image?")
            stdout = json.dumps({"virtual-size": 2 * GIB})
        elif argv[0] in ("cp", "mkfs.vfat"):
            Path(next(word for word in argv if word.endswith(".new"))).touch()
        return CommandResult(tuple(argv), 0, stdout, "")


@pytest.mark.parametrize("locked", [False, True])
def test_a_disk_that_is_locked_is_in_use(tmp_path: Path, locked: bool) -> None:
    disk = tmp_path / "vda.qcow2"
    disk.touch()
    programs = Programs(locked=locked)
    volume = Volume("disk", str(disk), "here", size=4 * GIB)
    assert StorageHost(programs).look([volume]) == {str(disk): Found(size=2 * GIB, in_use=locked)}
    assert len(programs.argvs) == 1 + locked


def test_a_disk_is_made_beside_its_place(tmp_path: Path) -> None:
    path = tmp_path / "vms/game/vda.qcow2"
    volume = Volume("disk", str(path), "here", size=4 * GIB, image="/images/disk.qcow2")
    path.parent.mkdir(parents=True)
    (path.parent / "vda.qcow2.new").write_text("left by a run that was killed")
    programs = Programs()
    StorageHost(programs).carry_out(Step("create", volume, "", ""))
    assert programs.argvs == [
        ["cp", "--reflink=auto", "--sparse=auto", "/images/disk.qcow2", f"{path}.new"],
        ["qemu-img", "resize", "-q", "-f", "qcow2", f"{path}.new", str(4 * GIB)],
        ["sync", "--file-system", f"{path}.new"],
    ]
    assert [entry.name for entry in path.parent.iterdir()] == ["vda.qcow2"]
    assert path.read_text() == ""


def test_looking_for_what_is_not_there_runs_nothing(tmp_path: Path) -> None:
    programs = Programs()
    assert StorageHost(programs).look([Volume("disk", str(tmp_path / "no"), "here")]) == {}
    assert programs.argvs == []


def test_two_runs_do_not_work_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with exclusive(lock=lock), pytest.raises(WaitTimeout, match="an earlier run"), exclusive(0.0, lock):
        pass
    with exclusive(0.0, lock):
        pass


@pytest.mark.parametrize("locked", [False, True])
def test_a_disk_in_use_is_not_removed(tmp_path: Path, locked: bool) -> None:
    folder = tmp_path / "vms/old"
    folder.mkdir(parents=True)
    (folder / "vda.qcow2").touch()
    step = Step("remove", Volume("folder", str(folder), "guests.old"), "present", "")
    with pytest.raises(CommandError, match="is in use") if locked else nullcontext():
        StorageHost(Programs(locked=locked)).carry_out(step)
    assert folder.exists() is locked


@pytest.mark.parametrize("node", ["node3", None])
def test_a_container_that_still_runs_keeps_its_files(tmp_path: Path, node: str | None) -> None:
    folder = tmp_path / "containers/old"
    (folder / "rootfs").mkdir(parents=True)
    step = Step("remove", Volume("folder", str(folder), "guests.old"), "present", "")
    asked: list[str] = []
    host = StorageHost(runs=lambda name: asked.append(name) or node)  # type: ignore[func-returns-value]
    with pytest.raises(CommandError, match="old still runs on node3") if node else nullcontext():
        host.carry_out(step)
    assert (folder.exists(), asked) == (node is not None, ["old"])


@pytest.mark.parametrize(
    ("path", "pool"),
    [
        ("/srv/a", "own"),
        ("/srv/a/images", "own"),
        ("/srv/../srv/a/images/", "own"),
        # What only begins alike is elsewhere.
        ("/srv/ab/images", ""),
        ("/mnt/srv/a/images", ""),
        ("/srv", ""),
        # A shared directory mounted within a local one is shared.
        ("/srv/a/shared/images", ""),
        ("/srv/a/shared/here/images", "deep"),
    ],
)
def test_a_path_is_in_the_innermost_pool_around_it(path: str, pool: str) -> None:
    pools: dict[str, dict[str, Any]] = {
        "own": {"type": "directory", "path": "/srv/a", "shared": False},
        "shared": {"type": "directory", "path": "/srv/a/shared"},
        "deep": {"type": "directory", "path": "/srv/a/shared/here/", "shared": False},
    }
    assert local_pool_of(path, pools) == pool


class CephHost:
    """A node on which Ceph's commands answer as they are told, and all are noted."""

    def __init__(self, *, there: bool = False, watched: bool = False) -> None:
        self.there, self.watched = there, watched
        self.done: list[str] = []

    def __call__(self, argv: Sequence[str], **_how: Any) -> CommandResult:
        words = " ".join(argv[3:]) if argv[0] == "rbd" else " ".join(argv)
        answer: Any = {"size": 5} if self.there else None
        if words.startswith("status"):
            answer = {"watchers": [{"address": "x"}] if self.watched else []}
        if words.startswith("ls"):
            answer = ["game.vda", "gamer.vda"]
        if "--format json" not in words:
            self.done.append(words)
        return CommandResult(tuple(argv), 0 if answer is not None else 2, json.dumps(answer), "")


IN_CEPH = Volume("disk", "rbd:disks/game.vda", "guests.game.disks[0]", size=4 * GIB)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (CephHost(), {}),
        (CephHost(there=True), {IN_CEPH.path: Found(size=5)}),
        (CephHost(there=True, watched=True), {IN_CEPH.path: Found(size=5, in_use=True)}),
    ],
)
def test_what_is_there_in_ceph(host: CephHost, found: dict[str, Found]) -> None:
    assert StorageHost(host).look([IN_CEPH]) == found


def test_an_image_in_ceph_is_made_grown_and_removed() -> None:
    host = CephHost()
    folder = Volume("folder", "rbd:disks/game.", "guests.game")
    for action, volume in (("create", IN_CEPH), ("grow", IN_CEPH), ("remove", folder)):
        StorageHost(host).carry_out(Step(action, volume, "", ""))  # type: ignore[arg-type]
    assert host.done == [
        f"create --size {4 * GIB}B disks/game.vda",
        f"resize --no-progress --size {4 * GIB}B disks/game.vda",
        "rm --no-progress disks/game.vda",
    ]


def test_an_image_in_ceph_that_is_open_is_not_removed() -> None:
    with pytest.raises(CommandError, match="in use"):
        StorageHost(CephHost(watched=True)).carry_out(
            Step("remove", Volume("folder", "rbd:disks/game.", "guests.game"), "", "")
        )


def test_pools_in_ceph() -> None:
    pools = pools_from({"disks": {"type": "rbd", "pool": "vms"}, "roots": {"type": "cephfs", "path": "/roots"}})
    assert pools["disks"].disk("game", "vda") == {"type": "rbd", "path": "rbd:vms/game.vda", "format": "raw"}
    assert pools["disks"].folders("game")["vm"] == "rbd:vms/game."
    assert pools["roots"].rootfs("web")["path"] == "/roots/containers/web/rootfs"
    assert pools["disks"].shared
