# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container's files as its declaration says, and what its root may have made of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.storage import told

A, B, OWN = "ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b", "ssh-ed25519 OOOO somebody"
RESOLVERS, AUTHORIZED = "etc/resolv.conf", "root/.ssh/authorized_keys"


@pytest.mark.parametrize(
    ("record", "resolvers", "authorized", "servers", "keys", "written"),
    [
        # As it was told.
        (told.record(["1.1.1.1"], [A]), "nameserver 1.1.1.1\n", A, ["1.1.1.1"], [A], {}),
        # What somebody made of it since stays, until the declaration changes.
        (told.record(["1.1.1.1"], [A]), "nameserver 9.9.9.9\n", OWN, ["1.1.1.1"], [A], {}),
        (
            told.record(["1.1.1.1"], [A]),
            "nameserver 9.9.9.9\n",
            f"{A}\n{OWN}",
            ["2.2.2.2"],
            [B],
            {RESOLVERS: "nameserver 2.2.2.2\n", AUTHORIZED: f"{OWN}\n{B}\n"},
        ),
        (told.record(["1.1.1.1"], [A]), "x", f"{A}\n{OWN}", ["1.1.1.1"], [], {AUTHORIZED: f"{OWN}\n"}),
        (told.record(["1.1.1.1"], [A]), "nameserver 1.1.1.1\n", A, [], [A], {RESOLVERS: ""}),
        # Made by an older version: what is declared is added, nothing is taken away.
        (None, None, OWN, ["1.1.1.1"], [A], {RESOLVERS: "nameserver 1.1.1.1\n", AUTHORIZED: f"{OWN}\n{A}\n"}),
        (None, "nameserver 1.1.1.1\n", f"{A}\n", ["1.1.1.1"], [A], {}),
        (None, "nameserver 9.9.9.9\n", None, [], [], {}),
        # Whatever the record has become.
        *(
            (text, "nameserver 1.1.1.1\n", f"{A}\n", ["1.1.1.1"], [A], {})
            for text in ("{", "[]", "7", '{"ssh_keys": 7}', '{"ssh_keys": [{}]}', '{"nameservers": null}')
        ),
    ],
)
def test_what_changed_in_the_declaration_is_written_and_the_rest_is_left(
    record: str | None,
    resolvers: str | None,
    authorized: str | None,
    servers: list[str],
    keys: list[str],
    written: dict[str, str],
) -> None:
    there = {told.RECORD: record, RESOLVERS: resolvers, AUTHORIZED: authorized}
    found = told.changes(there, {"nameservers": servers, "ssh_keys": keys})
    assert {path: text for path, text in found.items() if path != told.RECORD} == written
    again = told.changes({**there, **found}, {"nameservers": servers, "ssh_keys": keys})
    assert again == {}


def definition(**changes: Any) -> dict[str, Any]:
    its = {"start": os.getuid(), "count": 65536}
    return {"privileged": False, "idmap": its, "nameservers": ["1.1.1.1"], "ssh_keys": [A], **changes}


def test_files_are_made_with_their_folders(tmp_path: Path) -> None:
    assert told.settle(tmp_path, definition()) == [RESOLVERS, AUTHORIZED]
    assert (tmp_path / AUTHORIZED).read_text() == f"{A}\n"
    assert [oct((tmp_path / path).stat().st_mode)[-3:] for path in (RESOLVERS, AUTHORIZED)] == ["644", "600"]
    assert told.settle(tmp_path, definition()) == []
    assert told.settle(tmp_path, definition(ssh_keys=[B])) == [AUTHORIZED]
    assert (tmp_path / AUTHORIZED).read_text() == f"{B}\n"


def test_a_definition_that_says_nothing_of_it_changes_nothing(tmp_path: Path) -> None:
    assert told.settle(tmp_path, {"privileged": False, "idmap": {"start": 0}}) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["root", "root/.ssh", "var/lib", "etc"])
def test_a_symbolic_link_on_the_way_leads_nowhere(tmp_path: Path, place: str) -> None:
    root, outside = tmp_path / "rootfs", tmp_path / "node"
    for folder in (root, outside):
        folder.mkdir()
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).symlink_to(outside)
    with pytest.raises(OSError):
        told.settle(root, definition())
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", [RESOLVERS, AUTHORIZED, told.RECORD])
@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_file_that_is_none_is_neither_read_nor_written_through(tmp_path: Path, path: str, kind: str) -> None:
    root, secret = tmp_path / "rootfs", tmp_path / "secret"
    secret.write_text("the node's")
    (root / path).parent.mkdir(parents=True)
    make = {"link": lambda: (root / path).symlink_to(secret), "fifo": lambda: os.mkfifo(root / path)}
    make.get(kind, lambda: (root / path).mkdir())()
    if kind == "folder":
        with pytest.raises(OSError):
            told.settle(root, definition())
    else:
        told.settle(root, definition())
        assert "the node's" not in (root / path).read_text()
    assert secret.read_text() == "the node's"
