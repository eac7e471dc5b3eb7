# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.pool_identity: whoever comes first marks the directory, all others read the mark."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.storage.pool_mark import MARK
from ansible_collections.cspp.drover.plugins.modules import pool_identity

Call = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def nobody_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_identity, "remembered", dict)


def test_made_once_and_then_read(call: Call, tmp_path: Path) -> None:
    shared, other = tmp_path / "a" / "shared", tmp_path / "other"
    paths = [str(shared), str(other)]

    predicted = call(pool_identity, check=True, paths=paths)
    assert (predicted["changed"], predicted["identities"]) == (True, dict.fromkeys(paths))
    assert list(tmp_path.iterdir()) == []

    made = call(pool_identity, paths=paths)
    assert made["changed"]
    assert len(set(made["identities"].values()) - {None}) == 2

    for check in (True, False):
        again = call(pool_identity, check=check, paths=paths)
        assert (again["changed"], again["identities"]) == (False, made["identities"])
    assert [file.name for file in shared.iterdir()] == [MARK]


def test_of_many_that_come_at_once_one_marks(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: pool_identity.identity(tmp_path, False), range(64)))
    assert len({identity for identity, _made in found}) == 1
    assert sum(made for _identity, made in found) == 1
    assert [file.name for file in tmp_path.iterdir()] == [MARK]


def test_a_directory_that_is_not_mounted_is_left_alone(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_identity, "remembered", lambda: {str(tmp_path): "one"})
    for check in (True, False):
        assert "is not mounted" in call(pool_identity, check=check, paths=[str(tmp_path)])["msg"]
    assert list(tmp_path.iterdir()) == []
    assert call(pool_identity, paths=[str(tmp_path)], replaced=[str(tmp_path)])["changed"]


def test_a_path_that_is_no_directory_is_named(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    result = call(pool_identity, paths=[str(path)])
    assert result["failed"]
    assert f"{path} cannot be used as a pool" in result["msg"]
