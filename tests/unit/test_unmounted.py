# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.unmounted: mounts that are no longer declared go, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.storage.mounts import units
from ansible_collections.cspp.drover.plugins.modules import unmounted

Call = Callable[..., dict[str, Any]]
Programs = Callable[..., list[list[str]]]

GOES, STAYS, ANOTHERS = "srv-old.mount", "srv-new.mount", "srv-mine.mount"
STOP, DISABLE = (["systemctl", verb, "--", GOES] for verb in ("stop", "disable"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """systemd's folder with two mounts of ours and one that somebody else made."""
    monkeypatch.setattr(unmounted, "UNITS", tmp_path)
    mount = {"src": "nas:/export", "fstype": "nfs4"}
    for unit in units({"a": {"path": "/srv/old", "mount": mount}, "b": {"path": "/srv/new", "mount": mount}}):
        (tmp_path / Path(unit["path"]).name).write_text(unit["content"])
    (tmp_path / ANOTHERS).write_text("[Mount]\nWhat=/dev/sdb1\n")
    (tmp_path / "srv-link.mount").symlink_to(GOES)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_what_is_no_longer_declared_goes(call: Call, programs: Programs, folder: Path) -> None:
    calls = programs(unmounted, {"systemctl": ""})
    before = names(folder)
    predicted = call(unmounted, check=True, declared=[STAYS])
    assert (calls, names(folder)) == ([], before)
    done = call(unmounted, declared=[STAYS])
    assert (done["changed"], done["units"], done["in_use"]) == (True, [GOES], [])
    assert (predicted["units"], predicted["diff"]) == (done["units"], done["diff"])
    assert calls == [STOP, DISABLE, ["systemctl", "daemon-reload"]]
    assert names(folder) == ["srv-link.mount", ANOTHERS, STAYS]
    (folder / "srv-link.mount").unlink()
    assert not call(unmounted, declared=[STAYS])["changed"]
    assert len(calls) == 3


def test_what_is_in_use_is_kept_and_told(
    call: Call, programs: Programs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda self, warning: warnings.append(warning))
    calls = programs(unmounted, {"systemctl stop": 1})
    before = names(folder)
    result = call(unmounted, declared=[STAYS])
    assert (result["changed"], result["units"], result["in_use"], result["diff"]) == (False, [], [GOES], [])
    assert f"{GOES} is no longer declared in storage_pools and is kept" in warnings[0]
    assert calls == [STOP]
    assert names(folder) == before


def test_what_others_mount_now_stays_mounted(call: Call, programs: Programs, folder: Path) -> None:
    calls = programs(unmounted, {"systemctl": ""})
    assert call(unmounted, declared=[STAYS], mounted_by_others=["/srv/old"])["units"] == [GOES]
    assert calls == [DISABLE, ["systemctl", "daemon-reload"]]
    assert GOES not in names(folder)
