# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pool is where Drover has put its mark, and nowhere that a guest could have put one."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.storage.pool_mark import MARK, PoolError, pool_of

ROOTFS = "containers/web/rootfs"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    pool = tmp_path / "pool"
    for place in (pool, pool / "inner", pool / ROOTFS / "srv"):
        place.mkdir(parents=True)
        (place / MARK).write_text(f"{place.name}\n")
    return pool


@pytest.mark.parametrize(
    ("guest", "path", "found"),
    [
        ("web", ROOTFS, "pool"),
        ("web", f"inner/{ROOTFS}", "inner"),
        ("db", f"{ROOTFS}/srv/containers/db/rootfs", None),
        ("db", ROOTFS, None),
        ("web", "containers/web/other", None),
        ("web", "containers/web/../web/rootfs", None),
        ("web", f"nowhere/{ROOTFS}", None),
    ],
)
def test_which_pool_it_is(pool: Path, guest: str, path: str, found: str | None) -> None:
    if found:
        assert pool_of(guest, str(pool / path), "containers", "rootfs") == found
    else:
        with pytest.raises(PoolError):
            pool_of(guest, str(pool / path), "containers", "rootfs")


def test_a_mark_of_somebody_else_marks_nothing(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = pool / MARK
    stat = Path.stat

    def foreign(path: Path, **how: bool) -> os.stat_result | SimpleNamespace:
        found = stat(path, **how)
        return SimpleNamespace(st_uid=10_000_000, st_mode=found.st_mode) if path == mark else found

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", foreign)
        with pytest.raises(PoolError, match="not one that Drover has put there"):
            pool_of("web", str(pool / ROOTFS), "containers")
    mark.rename(pool / "mine")
    mark.symlink_to(pool / "mine")
    with pytest.raises(PoolError, match="not one that Drover has put there"):
        pool_of("web", str(pool / ROOTFS), "containers")
