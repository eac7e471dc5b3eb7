# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.files: both halves. Do, do again, change, undo; check mode tells the same and writes nothing."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import AnsibleModule
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.cspp.drover.plugins.action.files import ActionModule
from ansible_collections.cspp.drover.plugins.modules import files

OWNER = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}

Call = Callable[..., dict[str, Any]]


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Every path below the folder with its mode and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        what = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "/"
        found[str(path.relative_to(folder))] = (path.lstat().st_mode & 0o7777, what)
    return found


def make_file(path: Path) -> None:
    path.write_text("old\n")
    path.chmod(0o644)


STARTS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "file": make_file,
    "folder": lambda path: (path / "sub").mkdir(parents=True),
    "link": lambda path: path.symlink_to("/elsewhere"),
}
ENDS: dict[str, tuple[dict[str, Any], tuple[int, str] | None]] = {
    "content": ({"content": "new\n"}, (0o644, "new\n")),
    "mode": ({"content": "old\n", "mode": "0600"}, (0o600, "old\n")),
    "folder": ({"state": "directory"}, (0o755, "/")),
    "private folder": ({"state": "directory", "mode": "0700"}, (0o700, "/")),
    "link": ({"link": "/target"}, (0o777, "/target")),
    "absent": ({"state": "absent"}, None),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("start", STARTS)
def test_from_anything_to_anything(call: Call, tmp_path: Path, start: str, end: str) -> None:
    path = tmp_path / "it"
    STARTS[start](path)
    entry, expected = ENDS[end]
    arguments = {"files": [{"path": str(path), **OWNER, **entry}]}
    before = snapshot(tmp_path)

    predicted = call(files, check=True, **arguments)
    assert snapshot(tmp_path) == before

    done = call(files, **arguments)
    after = snapshot(tmp_path)
    assert after.get("it") == expected
    assert done == predicted | {"invocation": done["invocation"]}
    assert done["changed"] == (before != after) == bool(done["changed_paths"]) == bool(done["diff"])

    again = call(files, **arguments)
    assert (again["changed"], again["changed_paths"], again["diff"]) == (False, [], [])
    assert snapshot(tmp_path) == after


def test_changed_paths_come_in_the_order_declared_and_folders_are_made(call: Call, tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("b/c/one", "a", "b/c/two")]
    (tmp_path / "a").write_text("same\n")
    (tmp_path / "a").chmod(0o644)
    result = call(files, files=[{"path": path, "content": "same\n", **OWNER} for path in paths])
    assert result["changed_paths"] == [paths[0], paths[2]]


def test_a_reader_never_sees_half_a_file(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text("old\n")
    with path.open() as reader:
        call(files, files=[{"path": str(path), "content": "new\n", **OWNER}])
        assert reader.read() == "old\n"
    assert [file.name for file in tmp_path.iterdir()] == ["it"]


def test_what_a_run_cut_short_left_is_in_nobodys_way(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "it"
    (tmp_path / "it.drover-new").symlink_to("/half")
    assert call(files, files=[{"path": str(path), "link": "/target", **OWNER}])["changed"]
    assert snapshot(tmp_path) == {"it": (0o777, "/target")}


@pytest.mark.parametrize("sensitive", [False, True])
def test_the_diff_tells_rights_and_keeps_secrets(call: Call, tmp_path: Path, sensitive: bool) -> None:
    path = tmp_path / "it"
    path.write_text("old secret\n")
    path.chmod(0o644)
    entry = {"path": str(path), "content": "new secret\n", "mode": "0600", "sensitive": sensitive, **OWNER}
    result = call(files, files=[entry])
    [difference] = result["diff"]
    assert difference["before"].startswith("# mode 0644\n")
    assert difference["after"].startswith("# mode 0600\n")
    assert ("secret" in difference["before"] + difference["after"]) is not sensitive
    # With -vvv, all that a module returns is shown, what it was called with included.
    assert ("new secret" in str(result)) is not sensitive


def test_bytes_that_are_no_text_are_replaced(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"\xff\xfe")
    assert call(files, files=[{"path": str(path), "content": "new\n", **OWNER}])["changed"]
    assert path.read_text() == "new\n"


def test_owned_files_that_are_no_longer_declared_go(call: Call, tmp_path: Path) -> None:
    mine, other = "# Mine.\n", "# Not mine.\n"
    for name, text in {"05-a": mine, "05-b": mine, "05-c": other, "06-d": mine, "05-f": "# Mine. Not.\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "05-e").symlink_to("05-a")
    (tmp_path / "05-a").chmod(0o644)
    arguments = {
        "files": [{"path": str(tmp_path / "05-a"), "content": mine, **OWNER}],
        "owned": [{"pattern": f"{tmp_path}/05-*", "first_line": "# Mine."}],
    }
    predicted = call(files, check=True, **arguments)
    assert predicted["changed_paths"] == [str(tmp_path / "05-b")]
    assert predicted["diff"][0]["before"] == mine
    assert (tmp_path / "05-b").exists()
    assert call(files, **arguments)["changed_paths"] == predicted["changed_paths"]
    assert set(snapshot(tmp_path)) == {"05-a", "05-c", "05-e", "05-f", "06-d"}
    assert not call(files, **arguments)["changed"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_are_kept_and_compared(call: Call, tmp_path: Path, ends: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"a\nb\r\nc\r")
    path.chmod(0o644)
    entry = {"path": str(path), "content": f"a{ends}b{ends}", **OWNER}
    assert call(files, files=[entry])["changed"]
    assert path.read_bytes() == f"a{ends}b{ends}".encode()
    assert not call(files, files=[entry])["changed"]
    # The other way about: what the node has is another file than the one with plain line ends.
    assert call(files, check=True, files=[{**entry, "content": "a\nb\n"}])["changed"] == (ends != "\n")


def test_contents_do_not_get_into_the_nodes_journal(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    call(files, files=[{"path": str(tmp_path / "it"), "content": "the-key", **OWNER}])
    assert logged == ["Invoked None"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "give exactly one of content, src, template, tree or link"),
        ({"content": "a", "link": "b"}, "give exactly one of"),
        ({"content": "a", "owner": "drover-nobody"}, "drover-nobody"),
    ],
)
def test_nonsense_is_refused_with_its_path(call: Call, tmp_path: Path, entry: dict[str, Any], words: str) -> None:
    path = tmp_path / "it"
    result = call(files, files=[{"path": str(path), **OWNER, **entry}])
    assert result["failed"]
    assert str(path) in result["msg"]
    assert words in result["msg"]
    assert not path.exists()


def test_in_check_mode_an_owner_may_still_have_to_come(call: Call, tmp_path: Path) -> None:
    entry = {"path": str(tmp_path / "it"), "content": "a", "owner": "drover-nobody", "group": "drover-nobody"}
    assert call(files, check=True, files=[entry])["changed"]
    assert snapshot(tmp_path) == {}


# --- the controller's half ---------------------------------------------------------------------------------------


def expanded(tmp_path: Path, entries: list[dict[str, Any]], **variables: Any) -> list[dict[str, Any]]:
    """What the action plugin hands to the module; sources are looked up in tmp_path/{files,templates}."""
    loader = DataLoader()
    action = ActionModule(
        task=MagicMock(args={"files": entries}, async_val=0),
        connection=MagicMock(),
        play_context=MagicMock(),
        loader=loader,
        templar=Templar(loader=loader, variables=variables),
        shared_loader_obj=MagicMock(),
    )
    action._find_needle = lambda kind, name: str(tmp_path / kind / name)
    action._execute_module = MagicMock(return_value={})
    action.run(task_vars=variables)
    action._execute_module.assert_called_once()
    (_name, arguments), _options = action._execute_module.call_args
    return list(arguments["files"])


def test_sources_become_contents(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "files" / "plain").write_text("{{ not a template }}\n")
    (tmp_path / "templates" / "names.j2").write_text("{% for name in names %}\n  {{ name }}\n{% endfor %}\n[1, 2]\n")
    entries = [
        {"path": "/a", "src": "plain", "mode": "0600"},
        {"path": "/b", "template": "names.j2"},
        {"path": "/c", "content": ""},
        {"path": "/d", "state": "absent"},
    ]
    (tmp_path / "files" / "dos").write_bytes(b"a\r\nb\r\n")
    [dos] = expanded(tmp_path, [{"path": "/a", "src": "dos"}])
    assert dos["content"] == "a\r\nb\r\n"
    assert expanded(tmp_path, entries, names=["x", "y"]) == [
        {"path": "/a", "content": "{{ not a template }}\n", "mode": "0600"},
        {"path": "/b", "content": "  x\n  y\n[1, 2]\n"},
        {"path": "/c", "content": ""},
        {"path": "/d", "state": "absent"},
    ]


def test_a_tree_becomes_its_files(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "c.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder.py").mkdir()
    assert expanded(tmp_path, [{"path": "/lib/", "tree": str(tmp_path), "pattern": "*.py", "mode": "0755"}]) == [
        {"path": "/lib/a.py", "content": "a.py", "mode": "0755"},
        {"path": "/lib/b.py", "content": "b.py", "mode": "0755"},
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "/a", "src": "x", "template": "y"}, "/a: src and template exclude each other"),
        ({"path": "/a", "tree": "/drover/no/such"}, "no file matches"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, entry: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleActionFail, match=words):
        expanded(tmp_path, [entry])
