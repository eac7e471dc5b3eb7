# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a container on shared storage."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.storage import lease
from ansible_collections.cspp.drover.plugins.module_utils.storage.lease import Lease, Taken


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    (tmp_path / "web/rootfs").mkdir(parents=True)
    return tmp_path / "web/rootfs"


def test_it_is_taken_renewed_and_given_back(rootfs: Path) -> None:
    assert lease.look(rootfs) is None
    lease.take(rootfs, "n1", None)
    taken = lease.look(rootfs)
    assert taken is not None
    assert taken.node == "n1"
    os.utime(lease.place(rootfs), (1, 1))
    assert lease.renew(rootfs, "n1") == ""
    again = lease.look(rootfs)
    assert again is not None
    assert again.beat > taken.beat - 1
    # Not by others.
    lease.give_back(rootfs, "n2")
    assert lease.renew(rootfs, "n2") == "n1"
    assert lease.look(rootfs) == again
    lease.give_back(rootfs, "n1")
    assert [path.name for path in rootfs.parent.iterdir()] == ["rootfs"]


def test_a_container_from_before_there_were_leases_gets_one(rootfs: Path) -> None:
    assert lease.renew(rootfs, "n1") == ""
    found = lease.look(rootfs)
    assert found is not None
    assert found.node == "n1"


@pytest.mark.parametrize("old", [None, "n9"])
def test_of_several_that_take_it_one_succeeds(rootfs: Path, old: str | None) -> None:
    if old:
        lease.take(rootfs, old, None)
    judged = lease.look(rootfs)
    taken: list[str] = []
    begin = threading.Barrier(8)

    def take(node: str) -> None:
        begin.wait()
        try:
            lease.take(rootfs, node, judged)
            taken.append(node)
        except Taken:
            pass

    threads = [threading.Thread(target=take, args=(f"n{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lease.look(rootfs)
    assert found is not None
    assert taken == [found.node]
    assert sorted(path.name for path in rootfs.parent.iterdir()) == ["lease", "rootfs"]


def test_one_that_was_renewed_since_it_was_judged_is_not_taken(rootfs: Path) -> None:
    lease.take(rootfs, "n9", None)
    judged = lease.look(rootfs)
    os.utime(lease.place(rootfs), (5, 5))
    with pytest.raises(Taken, match="n9"):
        lease.take(rootfs, "n1", judged)
    assert lease.look(rootfs) == Lease("n9", 5 * 10**9)


def test_what_is_no_lease_is_somebodys(rootfs: Path) -> None:
    lease.place(rootfs).write_text("?")
    os.utime(lease.place(rootfs), (5, 5))
    assert lease.look(rootfs) == Lease("", 5 * 10**9)
    lease.place(rootfs).write_text("")
    assert lease.look(rootfs) is None
    lease.take(rootfs, "n1", None)
