# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.certificate: made, kept, made anew when it has to be; check mode tells why and writes nothing."""

from __future__ import annotations

import grp
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils import trust
from ansible_collections.cspp.drover.plugins.modules import certificate

Call = Callable[..., dict[str, Any]]
AUTHORITY, OTHER = trust.new_authority(), trust.new_authority()


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments for a node that holds the cluster's secrets."""
    monkeypatch.setattr(certificate, "SECRETS", tmp_path / "secrets")
    # Not every tester may give files to root.
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    (tmp_path / "secrets").mkdir()
    hold(tmp_path, AUTHORITY)
    return {
        "name": "node1",
        "names": ["node1"],
        "addresses": ["192.0.2.1"],
        "folder": str(tmp_path / "pki"),
        "group": grp.getgrgid(os.getgid()).gr_name,
    }


def hold(folder: Path, authority: tuple[str, str]) -> None:
    (folder / "secrets" / "ca.key").write_text(authority[0])
    (folder / "secrets" / "ca.crt").write_text(authority[1])


def pki(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder / "pki").glob("*")}


def test_made_kept_and_made_anew(call: Call, node: dict[str, Any], tmp_path: Path) -> None:
    assert call(certificate, check=True, **node)["reason"] == "there is none"
    assert pki(tmp_path) == {}

    made = call(certificate, **node)
    assert (made["changed"], made["reason"]) == (True, "there is none")
    first = pki(tmp_path)
    assert sorted(first) == ["ca.crt", "node.crt", "node.key"]
    assert (tmp_path / "pki" / "node.key").stat().st_mode & 0o777 == 0o640

    for check in (True, False):
        assert call(certificate, check=check, **node)["changed"] is False
    assert pki(tmp_path) == first


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"names": ["node1", "node1.example"]}, "the node's names or addresses changed"),
        ({"addresses": ["192.0.2.2"]}, "the node's names or addresses changed"),
        ({"renew_days": 826}, "it ends on "),
    ],
)
def test_an_option_changed_makes_a_new_one(
    call: Call, node: dict[str, Any], tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    call(certificate, **node)
    before = pki(tmp_path)
    predicted = call(certificate, check=True, **{**node, **change})
    assert pki(tmp_path) == before
    done = call(certificate, **{**node, **change})
    assert (done["changed"], done["reason"]) == (predicted["changed"], predicted["reason"])
    assert done["reason"].startswith(reason)
    assert pki(tmp_path)["node.key"] != before["node.key"]


@pytest.mark.parametrize("file", ["node.crt", "node.key"])
@pytest.mark.parametrize("harm", ["lost", "empty", "another's"])
def test_a_damaged_pair_is_replaced(call: Call, node: dict[str, Any], tmp_path: Path, file: str, harm: str) -> None:
    call(certificate, **node)
    path = tmp_path / "pki" / file
    path.unlink()
    if harm == "empty":
        path.write_text("")
    elif harm == "another's":
        path.write_text(OTHER[file == "node.crt"])
    assert call(certificate, **node)["reason"]
    assert call(certificate, **node)["changed"] is False


def test_a_new_authority_is_followed(call: Call, node: dict[str, Any], tmp_path: Path) -> None:
    call(certificate, **node)
    first = pki(tmp_path)
    bundle = trust.rotate(AUTHORITY)
    hold(tmp_path, bundle)
    assert call(certificate, **node)["reason"] == "another authority signed it"
    assert pki(tmp_path)["ca.crt"] == bundle[1]
    # The old one is retired: the bundle shrinks, the certificate stays.
    second = pki(tmp_path)["node.crt"]
    assert second != first["node.crt"]
    hold(tmp_path, (bundle[0], trust.newest(bundle[1])))
    done = call(certificate, **node)
    assert (done["changed"], done["reason"]) == (True, "")
    assert pki(tmp_path)["node.crt"] == second
    assert call(certificate, **node)["changed"] is False


def test_without_an_authority_there_is_none(call: Call, node: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "secrets" / "ca.key").unlink()
    predicted = call(certificate, check=True, **node)
    assert (predicted["changed"], predicted["reason"]) == (True, "the cluster has no certificate authority yet")
    assert "let the role `node` run first" in call(certificate, **node)["msg"]
