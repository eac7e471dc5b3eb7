# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images in Ceph: what is run for them, in which order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.rbd import Rbd, is_rbd
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult

BASE = "disks/drover-base.debian-1f2e"


class Ceph:
    """Answers to commands that begin so; every other finds nothing, or does what it was told."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {key.replace("_", " "): value for key, value in answers.items()}
        self.done: list[str] = []

    def __call__(self, argv: list[str], **_more: Any) -> CommandResult:
        words = " ".join(argv).replace("rbd --id drover ", "").replace("--no-progress ", "")
        if "--format json" not in words:
            self.done.append(words)
            return CommandResult(tuple(argv), 0, "", "")
        found = [answer for beginning, answer in self.answers.items() if words.startswith(beginning)]
        return CommandResult(tuple(argv), 0 if found else 2, json.dumps(found[0]) if found else "", "")


def test_a_disk_is_cloned_from_a_protected_base_that_is_there() -> None:
    ceph = Ceph(snap_ls=[{"name": "base", "protected": "true"}])
    Rbd(ceph).clone("rbd:disks/game.vda", "/images/debian-1f2e/disk.qcow2", 7)
    assert ceph.done == [
        f"clone {BASE}@base disks/game.vda.new",
        "resize --size 7B disks/game.vda.new",
        "mv disks/game.vda.new disks/game.vda",
    ]


def test_a_base_is_whole_before_it_has_its_name() -> None:
    ceph = Ceph()
    Rbd(ceph).clone("rbd:disks/game.vda", "/images/debian-1f2e/disk.qcow2", 7)
    assert ceph.done[:4] == [
        f"qemu-img convert -f qcow2 -O raw /images/debian-1f2e/disk.qcow2 rbd:{BASE}.new:id=drover",
        f"snap create {BASE}.new@base",
        f"snap protect {BASE}.new@base",
        f"mv {BASE}.new {BASE}",
    ]


@pytest.mark.parametrize(
    ("locks", "broken"),
    [
        ([], []),
        ([{"id": "auto 1", "locker": "client.7", "address": "x"}], ["lock rm disks/game.vda auto 1 client.7"]),
    ],
)
def test_a_lock_is_taken_from_whoever_has_it(locks: list[dict[str, str]], broken: list[str]) -> None:
    ceph = Ceph(lock_ls=locks)
    told = Rbd(ceph).break_locks(["rbd:disks/game.vda"])
    assert ceph.done == broken
    assert told == (["client.7 from disks/game.vda"] if locks else [])


def test_what_is_not_there_is_told_from_what_is() -> None:
    assert Rbd(Ceph()).size("rbd:disks/game.vda") is None
    assert Rbd(Ceph(info={"size": 5})).size("rbd:disks/game.vda") == 5
    assert Rbd(Ceph(ls=["game.vda", "gamer.vda", "other.vda"])).of("rbd:disks/game.") == ["rbd:disks/game.vda"]
    assert is_rbd("rbd:disks/game.vda")
    assert not is_rbd("/srv/rbd:disks")
