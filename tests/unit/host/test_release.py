# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions of Drover's code on a node: none is ever seen in part, and none goes while a program runs from it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.cspp.drover.plugins.action.release import gather
from ansible_collections.cspp.drover.plugins.module_utils import programs
from ansible_collections.cspp.drover.plugins.module_utils.core import installed
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.host import release as core
from ansible_collections.cspp.drover.plugins.module_utils.host.release import (
    File,
    Releases,
    Unreleased,
    pack,
    undisturbed,
    unpack,
    version,
)
from ansible_collections.cspp.drover.plugins.modules import release
from ansible_collections.cspp.drover.plugins.plugin_utils import progress

ROLE = Path(progress.__file__).resolve().parents[2] / "roles" / "cluster"
CODE = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
#: The file that nodes start, with the Python of these tests.
PROGRAM = (ROLE / "files" / "program").read_bytes().replace(b"/usr/bin/python3", sys.executable.encode())
#: A program that says its version, and a word later the version of what it imports then, as a migration does.
START = """
import os, sys
def start(name):
    from . import before
    print(name, before.VERSION, flush=True)
    if name == "agent" and sys.stdin.readline() == "fork\\n" and os.fork():
        return 0
    sys.stdin.readline()
    from . import after
    print(name, after.VERSION, flush=True)
    return 0
"""

Call = Callable[..., dict[str, Any]]


def code(number: int, **more: str) -> dict[str, File]:
    """A release whose modules are all of this version."""
    texts = {"__init__": "", "programs": START, "before": f"VERSION = {number}", "after": f"VERSION = {number}", **more}
    return {
        **{f"drover/{name}.py": File(text.encode()) for name, text in texts.items()},
        **{f"bin/{name}": File(PROGRAM, executable=True) for name in ("agent", "helper")},
    }


class Node:
    """Where a node has its code, and the module that keeps it."""

    def __init__(self, root: Path, call: Call) -> None:
        self.root, self.agents, self._call = root / "lib", root / "ocf", call
        self.releases = Releases(self.root)

    def __call__(self, files: dict[str, File] | None = None, patience: int = 0, **arguments: Any) -> dict[str, Any]:
        how: dict[str, Any] = {"state": "tidied"} if files is None else {"packed": pack(files)}
        where = {"root": str(self.root), "agents_path": str(self.agents)}
        return self._call(
            release, **how, **where, programs=["helper"], agents=["agent"], patience=patience, **arguments
        )

    def start(self, program: Path) -> subprocess.Popen[str]:
        return subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def look(self) -> dict[str, bytes | str]:
        """Everything there is, but for what Python compiled."""
        found = [path for folder in (self.root, self.agents) for path in folder.rglob("*")]
        return {
            str(path): os.readlink(path) if path.is_symlink() else path.read_bytes()
            for path in found
            if (path.is_symlink() or path.is_file()) and path.suffix != ".pyc"
        }


@pytest.fixture
def node(tmp_path: Path, call: Call) -> Node:
    return Node(tmp_path, call)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], *words: str) -> None:
    assert process.stdin is not None
    process.stdin.writelines(f"{word}\n" for word in words)
    process.stdin.flush()


def opened(pid: int) -> set[str]:
    """What a process has open, some of which it may close while we look."""
    found = set()
    for path in Path("/proc", str(pid), "fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(path))
    return found


@pytest.fixture
def running(node: Node) -> Iterator[subprocess.Popen[str]]:
    """An agent that was started from version 1 and still has something to import."""
    node(code(1))
    with node.start(node.agents / "agent") as process:
        assert said(process) == "agent 1"
        yield process
        process.kill()


def test_installed_again_changed_and_undone(node: Node) -> None:
    versions = [code(1), code(1), code(2, extra="GONE = 1"), code(1)]
    for files, changed in zip(versions, [True, False, True, True], strict=True):
        before = node.look()
        predicted = node(files, check=True)
        assert node.look() == before
        done = node(files)
        assert done == predicted | {"invocation": done["invocation"]}
        assert (done["changed"], done["version"]) == (changed, version(files))
        assert node.releases.read(node.releases.current) == files
        assert os.readlink(node.agents / "agent") == f"{node.root}/current/bin/agent"


def test_a_diff_names_both_versions_and_what_differs(node: Node) -> None:
    node(code(1))
    diff = node(code(2), check=True)["diff"]
    before, after = (set(diff[side].splitlines()) for side in ("before", "after"))
    assert sorted(line.split()[1] for line in after - before) == sorted(
        [version(code(2)), "drover/before.py", "drover/after.py"]
    )


def test_what_is_gone_from_the_source_is_gone_and_what_somebody_changed_is_set_right(node: Node) -> None:
    node(code(1, extra=""))
    (node.agents / "foreign").touch()
    node(code(1))
    node()
    assert not list(node.root.rglob("extra.py")) and [path.name for path in node.agents.iterdir()] == ["agent"]

    [there] = (node.root / "releases").iterdir()
    (there / "drover/before.py").write_text("VERSION = 0")
    (there / "drover/stray.py").touch()
    (there / "bin/helper").chmod(0o644)
    assert node(code(1), check=True)["changed"] and node(code(1))["changed"]
    assert node.releases.read(there.name) == code(1)
    assert not node(code(1))["changed"]


def test_a_program_runs_from_one_version_to_its_end(node: Node, running: subprocess.Popen[str]) -> None:
    node(code(2))
    with node.start(node.agents / "agent") as other:
        assert said(other) == "agent 2"
        tell(other, "", "")
    tidied = node()
    assert (tidied["removed"], tidied["kept"]) == ([], [version(code(1))])

    tell(running, "", "")
    assert said(running) == "agent 1"
    running.wait()
    predicted = node(check=True)
    tidied = node()
    assert (tidied["removed"], tidied["kept"], tidied["changed"]) == ([version(code(1))], [], True)
    assert predicted["removed"] == tidied["removed"]
    assert node()["changed"] is False


def test_a_forked_child_holds_it_as_well(node: Node, running: subprocess.Popen[str]) -> None:
    tell(running, "fork")
    running.wait()
    node(code(2))
    assert node()["kept"] == [version(code(1))]
    tell(running, "")
    assert said(running) == "agent 1"
    assert node(patience=10)["removed"] == [version(code(1))]


def test_at_no_step_does_a_program_that_starts_fail(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node(code(1))
    seen = []

    def look(_path: Path) -> None:
        with node.start(node.agents / "agent") as process:
            first = said(process)
            tell(process, "", "")
            seen.append((first, said(process)))

    monkeypatch.setattr(core, "_sync", look)
    node(code(2))
    node()
    assert set(seen) == {("agent 1",) * 2, ("agent 2",) * 2}
    assert len(seen) > 10 and seen == sorted(seen)


@pytest.mark.parametrize("step", range(12))
def test_an_interrupted_run_leaves_the_old_version_and_the_next_finishes(
    node: Node, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    node(code(1))
    steps = iter(range(step))

    def interrupted(_path: Path) -> None:
        if next(steps, None) is None:
            raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(core, "_sync", interrupted)
        failed = node(code(2))
    assert "no space left" in failed["msg"]
    assert node.releases.current == version(code(1))
    assert node.releases.read(version(code(1))) == code(1)
    assert node(code(2))["version"] == version(code(2))
    node()
    assert [path.name for path in (node.root / "releases").iterdir()] == [version(code(2))]


def test_a_failure_after_the_switch_names_the_new_version(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_agents: core.Agents) -> None:
        raise OSError("read-only file system")

    node(code(1))
    (node.agents / "agent").unlink()
    monkeypatch.setattr(core.Agents, "settle", refuse)
    failed = node(code(2))
    assert node.releases.current == version(code(2))
    assert failed["msg"].endswith(f"read-only file system. Programs start from version {version(code(2))}.")


def test_a_program_that_finds_a_release_being_removed_looks_again(node: Node) -> None:
    node(code(1))
    old = node.root / "releases" / version(code(1))
    handle = os.open(old, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with node.start(node.agents / "agent") as process:
        try:
            wait_for(
                lambda: opened(process.pid),
                lambda held: str(old) in held,
                what="its wait for the lock",
                timeout=60,
                interval=0.01,
            )
            node(code(2))
            old.rename(old.with_name(".old"))
        finally:
            os.close(handle)
        assert said(process) == "agent 2"
        tell(process, "", "")


def test_two_runs_do_not_meet(node: Node) -> None:
    order = []
    with undisturbed(node.root):
        other = threading.Thread(target=lambda: order.append(("install", node(code(1))["changed"])))
        other.start()
        order.append(("first", True))
    other.join()
    assert order == [("first", True), ("install", True)]


OLD = "lib/drover/programs.py", "lib/helper"


@pytest.mark.parametrize(
    ("words", "holds", "kept"),
    [
        ("/usr/bin/python3 -I {root}/lib/helper 10.0.0.1", False, True),
        ("/usr/bin/python3 -I {root}/ocf/agent migrate_to", False, True),
        # It was started from a release.
        ("/usr/bin/python3 -I {root}/ocf/agent migrate_to", True, False),
        ("/usr/bin/python3 -I {root}/lib/current/bin/helper 10.0.0.1", True, False),
        ("/usr/bin/vi {root}/elsewhere/agent", False, False),
    ],
)
def test_what_there_was_before_stays_as_long_as_a_program_runs_from_it(
    tmp_path: Path, words: str, holds: bool, kept: bool
) -> None:
    proc = tmp_path / "proc"
    (proc / "12" / "fd").mkdir(parents=True)
    (proc / "self").mkdir()
    (proc / "13").mkdir()  # one that has ended by now
    (proc / "12" / "cmdline").write_text(words.format(root=tmp_path).replace(" ", "\0") + "\0")
    (proc / "12" / "fd" / "0").symlink_to("/dev/null")
    if holds:
        (proc / "12" / "fd" / "3").symlink_to(tmp_path / "lib/releases/0123")
    for path in OLD:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    unreleased = Unreleased(tmp_path / "lib", tmp_path / "ocf", ["helper"], proc)
    assert bool(unreleased.users()) == kept
    assert unreleased.paths() == [str(tmp_path / "lib/drover"), str(tmp_path / "lib/helper")]
    unreleased.remove()
    assert unreleased.paths() == [] and not any((tmp_path / path).exists() for path in OLD)


def test_a_process_that_closes_files_while_it_is_looked_at_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = tmp_path / "proc" / "12"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "0").symlink_to("/dev/null")
    (process / "cmdline").write_text(f"{tmp_path}/lib/helper\0")

    def closed(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "readlink", closed)
    assert Unreleased(tmp_path / "lib", tmp_path / "ocf", ["helper"], tmp_path / "proc").users()


def test_a_node_from_before_is_converted(node: Node) -> None:
    for path in OLD:
        (node.root.parent / path).parent.mkdir(parents=True, exist_ok=True)
        (node.root.parent / path).touch()
    node.agents.mkdir()
    (node.agents / "agent").write_text("#!/bin/sh")
    node(code(1))
    assert (node.root / "drover/programs.py").exists() and (node.agents / "agent").is_symlink()
    predicted = node(check=True)["removed"]
    assert node()["removed"] == predicted == [str(node.root / "drover"), str(node.root / "helper")]
    assert sorted(path.name for path in node.root.iterdir()) == ["current", "releases"]


def test_the_sources_are_files_and_whole_folders(tmp_path: Path) -> None:
    for path in ("a.py", "b.txt", "core/x.py", "core/deep/y.py", "core/__pycache__/x.pyc", "lab/z.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    assert set(gather(tmp_path, ["*.py", "core"])) == {"drover/a.py", "drover/core/x.py", "drover/core/deep/y.py"}
    with pytest.raises(AnsibleActionFail, match="missing"):
        gather(tmp_path, ["missing"])


def test_what_was_packed_is_unpacked() -> None:
    files = {"drover/a.py": File("ä\r\n".encode()), "bin/a": File(bytes(range(256)), executable=True)}
    assert unpack(pack(files)) == files


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../x", "a//x", "."])
def test_no_path_leads_out_of_a_release(path: str) -> None:
    with pytest.raises(ValueError, match="a release has no"):
        unpack(pack({path: File(b"")}))


def test_every_program_that_nodes_are_given_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ROLE.parents[1] / "plugins" / "module_utils"
    assert not [path for path in gather(source, CODE["__cluster_code"]) if "/lab/" in path]
    mains = {
        **dict.fromkeys(("vm", "container"), "agents.glance.main"),
        "peer": "agents.peer_services.main",
        "watch": "agents.watch.main",
        "copy": "migration.rsync_shell.launch",
        "deadman": "agents.deadman.main",
        "lxcfs": "hypervisor.lxcfs.main",
        "storage": "agents.storage_back.main",
        "filter": "agents.packet_filter_unit.main",
        "ipmitool": "cluster.ipmitool.main",
        "renew": "trust.renewal.main",
        "alert": "agents.power_back.main",
        "ceph-alert": "agents.ceph_lost.alert",
        "ceph-client": "agents.ceph_client.main",
        "ceph-lost": "agents.ceph_lost.main",
        "attach": "agents.attach.main",
        "terminal": "agents.terminals.main",
        "notify": "notify.teller.main",
        "notify-alert": "notify.spool.alert",
        "steward": "steward.main.main",
        "console": "console.service.main",
        "console-health": "console.health.main",
    }
    assert set(CODE["__cluster_agents"] + CODE["__cluster_programs"]) == mains.keys()
    for number, (name, main) in enumerate(mains.items()):
        monkeypatch.setattr(f"{programs.__package__}.{main}", lambda *kind, number=number: (number, *kind))
        answer: object = programs.start(name)
        assert answer == ((number, name) if main == "agents.glance.main" else (number,))
    assert programs.start("unheard-of") == 1


def test_a_program_calls_others_of_its_own_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = installed.__name__.partition(".")[0]
    monkeypatch.setattr(sys.modules[top], "__path__", [str(tmp_path / "releases/1/drover")])
    assert installed.program("copy") == str(tmp_path / "releases/1/bin/copy")
