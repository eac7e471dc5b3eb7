# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.secrets and secrets_info: from what members hold to what all of them will hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from ansible_collections.cspp.drover.plugins.modules import secrets, secrets_info

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(secrets_info, "SECRETS", tmp_path / "secrets")
    return tmp_path / "secrets"


def test_a_node_tells_what_it_holds(call: Call, folder: Path) -> None:
    assert call(secrets_info)["secrets"] == {}
    (folder / "folder").mkdir(parents=True)
    (folder / "corosync.key").write_text("c")
    for check in (True, False):
        result = call(secrets_info, check=check)
        assert (result["changed"], result["secrets"]) == (False, {"corosync.key": "c"})


def test_made_then_adopted(call: Call) -> None:
    made = call(secrets, found={"node1": {}})
    assert (made["changed"], made["created"]) == (True, list(pki.NAMES))
    again = call(secrets, found={"node1": made["secrets"], "node2": {}})
    assert (again["changed"], again["created"], again["secrets"]) == (False, [], made["secrets"])


def test_both_authorities_are_rotated_and_the_old_ones_retired(call: Call) -> None:
    first = call(secrets)["secrets"]
    rotated = call(secrets, found={"node1": first}, rotate_authority=True)
    assert rotated["created"] == [f"{authority}.{part}" for authority in pki.AUTHORITIES for part in ("key", "crt")]
    assert rotated["secrets"]["corosync.key"] == first["corosync.key"]
    retired = call(secrets, found={"node1": rotated["secrets"]}, retire_authority=True)
    for name, whose in (("ca.crt", "cluster"), ("qemu-ca.crt", "QEMU"), ("console-ca.crt", "console")):
        newest = x509.load_pem_x509_certificate(retired["secrets"][name].encode())
        assert newest.subject.rfc4514_string().startswith(f"CN=Drover {whose} CA ")
        bundle = rotated["secrets"][name]
        assert bundle.endswith(first[name])
        assert retired["secrets"][name] + first[name] == bundle


@pytest.mark.parametrize("authority", ["ca", "qemu-ca", "console-ca"])
def test_an_authority_that_is_given_is_not_replaced(call: Call, authority: str) -> None:
    first = call(secrets)["secrets"]
    given = {name: first[name] for name in (f"{authority}.key", f"{authority}.crt")}
    result = call(secrets, given=given, found={"node1": first}, rotate_authority=True)
    assert result["failed"]
    assert f"Take {authority}.key and {authority}.crt out of what is given" in result["msg"]


def test_members_of_two_clusters_are_refused(call: Call) -> None:
    found = {"node1": {"corosync.key": "one"}, "node2": {"corosync.key": "two"}}
    result = call(secrets, found=found)
    assert result["failed"]
    assert "node1, node2: these nodes belong to different clusters" in result["msg"]
    # Not a word of a secret.
    assert "'one'" not in result["msg"]
