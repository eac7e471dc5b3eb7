# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is a member, and from where: by two files, as they are at the moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.peer import members as members_module
from ansible_collections.cspp.drover.plugins.module_utils.peer.members import Members, addresses
from ansible_collections.cspp.drover.tests.unit.peer.samples import conf, hosts

NODES = {"node1": ["10.0.1.1", "10.0.2.1"], "node2": ["10.0.1.2"], "node3": ["fd00::0:3"]}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "corosync.conf", tmp_path / "hosts"
    files[0].write_text(conf(NODES))
    files[1].write_text(hosts({"node1": "10.0.0.1", "node2": "10.0.0.2", "gone": "10.0.0.9"}))
    return files


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("10.0.1.1", True),
        ("10.0.2.1", True),
        ("10.0.0.1", True),
        ("10.0.0.2", True),
        ("fd00::3", True),
        ("::ffff:10.0.0.2", True),
        ("10.0.0.9", False),
        ("10.0.0.3", False),
        ("10.9.9.9", False),
        ("127.0.0.1", False),
        ("127.0.1.1", False),
        ("fe80::3%eth0", False),
        ("", False),
    ],
)
def test_from_where(files: tuple[Path, Path], address: str, known: bool) -> None:
    assert Members(*files).at(address) is known


def test_a_node_that_leaves_the_list_is_nobody(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    members = Members(*files)
    assert members.has("node2")
    assert members.at("10.0.0.2")
    assert not members.has("gone")
    draft = files[0].with_name("new")
    draft.write_text(conf({name: links for name, links in NODES.items() if name != "node2"}))
    os.replace(draft, files[0])
    assert not members.has("node2")
    assert not members.at("10.0.0.2")
    assert members.has("node1")
    # What has not changed is not read again.
    monkeypatch.setattr(members_module, "_read", lambda _file: pytest.fail("read again"))
    assert members.has("node1")


@pytest.mark.parametrize("text", ["", "}\n}\nnodelist {\n", "nodelist {\n node {\n nodeid: 1\n }\n}\n"])
def test_a_list_that_says_nothing_has_no_members(files: tuple[Path, Path], text: str) -> None:
    files[0].write_text(text)
    assert not Members(*files).at("10.0.0.1")
    files[0].unlink()
    files[1].unlink()
    assert not Members(*files).has("node1")


def test_only_drovers_own_lines_count() -> None:
    assert addresses(hosts({"node1": "10.0.0.1"})) == {"node1": "10.0.0.1"}
    assert addresses("10.0.0.1 node1\n") == {}
