# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether QEMU gets at its keys: tried, and where nothing can be tried, read off the files."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import confinement

UUID = "3bf296fa-47db-5527-93c6-9446af824d98"


@pytest.fixture
def pki(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """QEMU's folder on a node with AppArmor, where no VM runs."""
    (tmp_path / "enabled").write_text("Y\n")
    monkeypatch.setattr(confinement, "_APPARMOR", tmp_path / "enabled")
    monkeypatch.setattr(confinement, "_PROFILES", tmp_path / "profiles")
    monkeypatch.setattr(confinement, "_USER", getpass.getuser())
    folder = tmp_path / "qemu"
    folder.mkdir()
    for name in ("ca-cert", "server-cert", "server-key", "client-cert", "client-key"):
        (folder / f"{name}.pem").write_text(name)
    return folder


def test_real_files_serve(pki: Path) -> None:
    assert confinement.keys(pki) == {"server": "", "client": ""}


def test_each_end_has_its_own(pki: Path) -> None:
    (pki / "server-key.pem").unlink()
    found = confinement.keys(pki)
    assert found == {"server": f"{pki}/server-key.pem: No such file or directory", "client": ""}


def test_links_out_of_the_folder_do_not_serve_where_apparmor_is_on(pki: Path, tmp_path: Path) -> None:
    (tmp_path / "node.key").write_text("key")
    (pki / "client-key.pem").unlink()
    (pki / "client-key.pem").symlink_to(tmp_path / "node.key")
    said = f"{pki}/client-key.pem leads to {tmp_path}/node.key, where AppArmor does not let QEMU read"
    assert confinement.keys(pki) == {"server": "", "client": said}
    (tmp_path / "enabled").write_text("N\n")
    assert confinement.keys(pki) == {"server": "", "client": ""}


def test_links_within_the_folder_serve(pki: Path) -> None:
    (pki / "client-key.pem").rename(pki / "real")
    (pki / "client-key.pem").symlink_to("real")
    assert confinement.keys(pki) == {"server": "", "client": ""}


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_users_file_cannot_be_read(tmp_path: Path) -> None:
    # Under tmp_path nobody else gets anywhere.
    key = Path(f"/run/drover-test-{os.getpid()}")
    key.write_text("key")
    try:
        key.chmod(0o644)
        assert confinement.try_to_read([key], "nobody", "") == ""
        key.chmod(0o600)
        assert confinement.try_to_read([key], "nobody", "") == f"{key}: Permission denied"
    finally:
        key.unlink()
    assert os.geteuid() == 0
    assert confinement.try_to_read([key], "nobody-at-all", "") == "the user nobody-at-all does not exist"


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (f"libvirtd (enforce)\nlibvirt-{UUID} (enforce)\n", f"libvirt-{UUID}"),
        (f"libvirt-{UUID} (complain)\n", ""),
        (f"libvirt-{UUID}//passt (enforce)\nlibvirtd (enforce)\n", ""),
        ("", ""),
    ],
)
def test_the_profile_of_a_vm(pki: Path, tmp_path: Path, listed: str, found: str) -> None:
    (tmp_path / "profiles").write_text(listed)
    assert confinement.profile() == found


def test_a_profile_that_cannot_be_taken_on_proves_nothing(pki: Path, tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text(f"libvirt-{UUID} (enforce)\n")
    assert confinement.keys(pki) == {"server": "", "client": ""}


@pytest.mark.parametrize(
    ("label", "confined"), [(f"libvirt-{UUID} (enforce)\n", True), ("unconfined\n\0", False), ("", None)]
)
def test_a_process_and_its_profile(tmp_path: Path, label: str, confined: bool | None) -> None:
    (tmp_path / "7" / "attr" / "apparmor").mkdir(parents=True)
    (tmp_path / "7" / "attr" / "apparmor" / "current").write_text(label)
    assert confinement.confined(7, tmp_path) is confined
    assert confinement.confined(8, tmp_path) is None
