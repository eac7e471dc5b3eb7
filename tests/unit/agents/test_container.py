# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container agent against an LXC host that does as it is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import syslog
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container, deadman
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code, Request
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import link, lxc_config
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.lxc_host import LxcError
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.migration import (
    progress,
    relocation,
    rootfs_receiver,
    rootfs_sender,
)
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_receiver import Folder
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_sender import CopyError, Pass
from ansible_collections.cspp.drover.plugins.module_utils.storage import ownership

MIB = 1024**2


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Host:
    """A node with one container, which goes through ``states``: the next one after every look."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.live = ""

    def state(self, _name: str) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def config(self, _name: str) -> str:
        return self.live

    def write_config(self, _name: str, config: str) -> None:
        self.live = config

    def __getattr__(self, name: str) -> Callable[..., None]:
        def do(_name: str, *arguments: object, **options: object) -> None:
            what = [str(argument) for argument in arguments if isinstance(argument, (int, dict))]
            what += [f"{key}={value}" for key, value in options.items()]
            self.calls.append(" ".join([name, *what]))
            if name in self.fails:
                raise self.fails[name]

        return do


@pytest.fixture
def rootfs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(container, "controllers", lambda: {"memory", "cpu"})
    (tmp_path / "rootfs/sbin").mkdir(parents=True)
    return tmp_path / "rootfs"


def definition(rootfs: Path, /, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "container",
        "name": "web",
        "vcpus": 1,
        "memory": 256 * MIB,
        "privileged": False,
        "idmap": {"start": 10000000, "count": 65536},
        "rootfs": {"type": "directory", "path": str(rootfs)},
        "nics": [],
        "stop_timeout": 30,
        **changes,
    }


def request(rootfs: Path, action: str, seconds: float = 100, /, **changes: Any) -> Request:
    clock = Clock()
    parameters = {"definition": json.dumps(definition(rootfs, **changes))}
    return Request(action, "web", parameters, Deadline(seconds, clock, clock.sleep))


@pytest.mark.parametrize(
    ("states", "calls"),
    [
        (["STOPPED", "RUNNING"], ["start 94.0", "announce"]),
        (["RUNNING"], []),
        (["FROZEN"], []),
        (["STARTING", "RUNNING"], []),
        (["STOPPING", "STOPPED", "RUNNING"], ["start 93.9", "announce"]),
    ],
)
def test_start(rootfs: Path, states: list[str], calls: list[str]) -> None:
    host: Any = Host(*states)
    host.start = lambda _name, _config, timeout: host.calls.append(f"start {timeout}")
    host.announce = lambda _name, _nics: host.calls.append("announce")
    assert container.start(request(rootfs, "start"), host) is Code.SUCCESS
    assert host.calls == calls


def test_start_refuses_a_node_without_the_root_file_system(rootfs: Path) -> None:
    (rootfs / "sbin").rmdir()
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match="storage mounted"):
        container.start(request(rootfs, "start"), host)
    assert host.calls == []


def test_start_fails_when_init_ends_at_once(rootfs: Path) -> None:
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match="ended at once"):
        container.start(request(rootfs, "start"), host)


@pytest.mark.parametrize("error", [OSError("gone"), LxcError("gone")])
def test_a_container_that_cannot_be_announced_runs_all_the_same(rootfs: Path, error: Exception) -> None:
    host: Any = Host("STOPPED", "RUNNING")
    host.fails["announce"] = error
    assert container.start(request(rootfs, "start"), host) is Code.SUCCESS


@pytest.mark.parametrize(
    ("states", "seconds", "calls"),
    [
        (["STOPPED"], 100, ["forget"]),
        (["RUNNING", "STOPPED"], 100, ["stop 30 timeout=35.0", "forget"]),
        (["RUNNING", "STOPPED"], 20, ["stop 10 timeout=15.0", "forget"]),
        (["FROZEN", "STOPPED"], 40, ["stop 25 timeout=30.0", "forget"]),
    ],
)
def test_stop(rootfs: Path, states: list[str], seconds: float, calls: list[str]) -> None:
    host: Any = Host(*states)
    assert container.stop(request(rootfs, "stop", seconds), host) is Code.SUCCESS
    assert host.calls == calls


def test_stop_kills_what_does_not_halt(rootfs: Path) -> None:
    host: Any = Host("RUNNING", "STOPPED")
    host.fails["stop"] = LxcError("did not end within 35 s")
    assert container.stop(request(rootfs, "stop"), host) is Code.SUCCESS
    assert host.calls == ["stop 30 timeout=35.0", "kill timeout=92.0", "forget"]


def test_stop_does_not_forget_what_still_runs(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    with pytest.raises(AgentError, match="could not be killed"):
        container.stop(request(rootfs, "stop"), host)
    assert "forget" not in host.calls


@pytest.fixture
def journaled(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    monkeypatch.setattr(book, "record", entries.append)
    return entries


def stopped_on(node: str, rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "uname", lambda: SimpleNamespace(nodename=node))
        container.stop(request(rootfs, "stop"), Host("RUNNING", "STOPPED"))  # type: ignore[arg-type]


def test_a_stop_and_a_start_on_another_node_are_a_move(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_on("n9", rootfs, monkeypatch)
    assert container.start(request(rootfs, "start"), Host("STOPPED", "RUNNING")) is Code.SUCCESS  # type: ignore[arg-type]
    [entry] = journaled
    assert (entry["guest"], entry["kind"], entry["from"], entry["to"]) == (
        "web",
        "container",
        "n9",
        os.uname().nodename,
    )
    assert (entry["result"], entry["reason"]) == ("moved", "")
    assert 0 <= entry["downtime_ms"] < 10_000
    assert entry["started"] <= entry["ended"]
    # It is told once.
    container.start(request(rootfs, "start"), Host("STOPPED", "RUNNING"))  # type: ignore[arg-type]
    assert len(journaled) == 1
    assert [path.name for path in rootfs.parent.iterdir()] == ["rootfs"]


def test_a_move_whose_start_fails_is_recorded_with_the_reason(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_on("n9", rootfs, monkeypatch)
    with pytest.raises(AgentError, match="ended at once"):
        container.start(request(rootfs, "start"), Host("STOPPED"))  # type: ignore[arg-type]
    [entry] = journaled
    assert entry["result"] == "failed" and "its init does not run" in entry["reason"]
    assert entry["downtime_ms"] is None


def test_storage_that_has_gone_silent_does_not_hold_up_a_stop(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relocation, "_PATIENCE", 0.05)
    os.mkfifo(rootfs.parent / f".stopped.json.{os.getpid()}")  # to write to it waits for a reader that never comes
    host: Any = Host("RUNNING", "STOPPED")
    assert container.stop(request(rootfs, "stop"), host) is Code.SUCCESS
    assert [call.split()[0] for call in host.calls] == ["stop", "forget"]


def test_a_start_that_took_long_leaves_the_journal_alone(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_on("n9", rootfs, monkeypatch)
    container.start(request(rootfs, "start", 2), Host("STOPPED", "RUNNING"))  # type: ignore[arg-type]
    assert journaled == []


@pytest.mark.parametrize("how", ["restarted here", "stopped for good", "unreadable", "local"])
def test_what_is_no_move_is_not_recorded(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "local":
        local = {"type": "directory", "path": str(rootfs), "shared": False}
        container.stop(request(rootfs, "stop", rootfs=local), Host("RUNNING", "STOPPED"))  # type: ignore[arg-type]
        assert [path.name for path in rootfs.parent.iterdir()] == ["rootfs"]
    else:
        stopped_on(os.uname().nodename if how == "restarted here" else "n9", rootfs, monkeypatch)
    if how == "stopped for good":
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 91)
    if how == "unreadable":
        (rootfs.parent / "stopped.json").write_text("{")
    container.start(request(rootfs, "start"), Host("STOPPED", "RUNNING"))  # type: ignore[arg-type]
    assert journaled == []


@pytest.mark.parametrize(
    ("state", "code"),
    [("RUNNING", Code.SUCCESS), ("FROZEN", Code.SUCCESS), ("STOPPING", Code.SUCCESS), ("STOPPED", Code.NOT_RUNNING)],
)
def test_monitor(rootfs: Path, state: str, code: Code) -> None:
    host: Any = Host(state)
    assert container.monitor(request(rootfs, "monitor"), host) is code


def test_reload_sets_limits_and_leaves_the_rest_pending(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.live = lxc_config.render(definition(rootfs), {"memory", "cpu"})
    wanted = {"memory": 512 * MIB, "privileged": True}
    assert container.reload_agent(request(rootfs, "reload-agent", **wanted), host) is Code.SUCCESS
    assert host.calls == ["set_limits {'memory.max': '536870912', 'cpu.max': '100000 100000'}"]
    left = lxc_config.difference(host.live, definition(rootfs, **wanted))
    assert [(change.path, change.how) for change in left] == [("privileged", "restart")]


def test_reload_never_fails(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.live = before = lxc_config.render(definition(rootfs), {"memory", "cpu"})
    host.fails["set_limits"] = LxcError("no such cgroup")
    changed = request(rootfs, "reload-agent", memory=512 * MIB)
    assert container.reload_agent(changed, host) is Code.SUCCESS
    assert host.live == before


class Hung(Host):
    """A node whose LXC does not answer for the container, whose processes are there all the same."""

    def __init__(self, *pids: int, ends: bool = True) -> None:
        super().__init__("RUNNING")
        self.pids, self.ends = pids, ends

    def state(self, _name: str) -> str:
        raise LxcError("lxc-info did not end within 15 s")

    def processes(self, _name: str) -> tuple[int, ...]:
        return self.pids

    def end(self, _name: str, patience: float, left: Callable[[], float], _sleep: object) -> bool:
        self.calls.append(f"end {patience:g} of {left():g}")
        return self.ends


@pytest.mark.parametrize(("pids", "code"), [((7, 8), Code.SUCCESS), ((), Code.NOT_RUNNING)])
def test_a_monitor_does_without_lxc(rootfs: Path, pids: tuple[int, ...], code: Code) -> None:
    host: Any = Hung(*pids)
    assert container._monitor_with_fallback(request(rootfs, "monitor"), host) is code


@pytest.mark.parametrize(("pids", "words"), [((7, 8), ["rootfs", "stopped.json"]), ((), ["rootfs"])])
def test_a_stop_does_without_lxc(rootfs: Path, pids: tuple[int, ...], words: list[str]) -> None:
    host: Any = Hung(*pids)
    assert container._stop_with_fallback(request(rootfs, "stop"), host) is Code.SUCCESS
    assert host.calls == ["end 30 of 100", "forget"]
    assert sorted(path.name for path in rootfs.parent.iterdir()) == words


def test_what_cannot_be_killed_is_not_said_to_be_stopped(rootfs: Path) -> None:
    host: Any = Hung(7, 8, ends=False)
    assert container._stop_with_fallback(request(rootfs, "stop"), host) is Code.ERR_GENERIC
    assert "forget" not in host.calls


def test_a_stop_ends_what_lxc_could_not_kill(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.fails = {"stop": LxcError("hangs"), "kill": LxcError("hangs")}
    host.end = lambda *_arguments: True
    assert container.stop(request(rootfs, "stop"), host) is Code.SUCCESS


@pytest.mark.parametrize("action", ["monitor", "stop"])
@pytest.mark.parametrize("error", [LxcError("hangs"), OSError("full"), KeyError("x"), RuntimeError("anything")])
def test_house_keeping_fails_nothing(
    rootfs: Path, monkeypatch: pytest.MonkeyPatch, action: str, error: Exception
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(progress, "note_death", broken)
    monkeypatch.setattr(rootfs_receiver, "tidy", broken)
    local = {"rootfs": {"type": "directory", "path": str(rootfs), "shared": False}}
    host: Any = Host("STOPPED")
    host.fails = {"forget": error}
    do, code = (container.stop, Code.SUCCESS) if action == "stop" else (container.monitor, Code.NOT_RUNNING)
    assert do(request(rootfs, action, **local), host) is code
    host = Host("RUNNING")
    host.fails = {"init_pid": error}
    assert container.monitor(request(rootfs, "monitor", **local), host) is Code.SUCCESS


@pytest.mark.parametrize("text", ["{", '{"name": "web"}', '{"name": "web", "kind": "container", "schema": 99}', "{}"])
def test_no_definition_keeps_a_container_from_being_looked_after_and_stopped(rootfs: Path, text: str) -> None:
    call = request(rootfs, "monitor")._replace(parameters={"definition": text})
    assert container.monitor(call, Host("RUNNING")) is Code.SUCCESS  # type: ignore[arg-type]
    assert container.monitor(call, Host("STOPPED")) is Code.NOT_RUNNING  # type: ignore[arg-type]
    assert container.stop(call, Host("RUNNING", "STOPPED")) is Code.SUCCESS  # type: ignore[arg-type]


def test_a_change_that_is_not_understood_changes_nothing(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    changed = request(rootfs, "reload-agent", memory=512 * MIB, schema=99)
    assert container.reload_agent(changed, host) is Code.SUCCESS
    assert host.calls == []


# --- moves of a container on local storage -------------------------------------------------------------------


class FakeCopy:
    """A copy that goes as told: ``fails`` has by step the errors that it meets, one after the other."""

    fails: ClassVar[dict[str, list[Exception]]] = {}
    calls: ClassVar[list[str]] = []

    def __init__(self, guest: str, root: Path, node: str, **_options: Any) -> None:
        self.passes: list[Pass] = []
        self.size = 100
        self._do(f"begin {guest} {node}")

    def _do(self, step: str) -> None:
        self.calls.append(step)
        errors = self.fails.get(step.partition(" ")[0])
        if errors:
            raise errors.pop(0)

    def __enter__(self) -> FakeCopy:
        return self

    def __exit__(self, *_error: object) -> None:
        self._do("close")

    def everything(self) -> None:
        self._do("everything")
        self.passes.append(Pass(9.0, 1000))

    def difference(self) -> None:
        self._do("difference")
        self.passes.append(Pass(0.5, 10))

    @contextmanager
    def last_difference(self) -> Iterator[Callable[[], None]]:
        yield lambda: self._do("last")

    def arrived(self, move: dict[str, Any]) -> None:
        assert move["away"] >= 0
        self._do(f"arrived {move['rounds']} {move['bytes']}")

    def again(self) -> None:
        self._do("again")

    def drop(self) -> None:
        self._do("drop")


class FakeSwitch:
    def __init__(self, _definition: dict[str, Any]) -> None:
        FakeCopy.calls.append("switch")

    def __enter__(self) -> FakeSwitch:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def arm(self) -> None:
        FakeCopy.calls.append("arm")

    def disarm(self) -> None:
        FakeCopy.calls.append("disarm")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, rootfs: Path) -> list[dict[str, Any]]:
    """The journal's new entries; the copy, and all that it needs, are fakes."""
    entries: list[dict[str, Any]] = []
    monkeypatch.setattr(book, "record", entries.append)
    monkeypatch.setattr(rootfs_sender, "Copy", FakeCopy)
    monkeypatch.setattr(deadman, "DeadMansSwitch", FakeSwitch)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(progress, "progress", lambda *_arguments, **_fields: None)
    monkeypatch.setattr(link, "speed", lambda _node: None)
    monkeypatch.setattr(FakeCopy, "fails", {})
    monkeypatch.setattr(FakeCopy, "calls", [])
    return entries


def move_request(rootfs: Path, action: str, /, **changes: Any) -> Request:
    local = {"rootfs": {"type": "directory", "path": str(rootfs), "shared": False}}
    policy = {"migration": {"bandwidth": None, "timeout": None}}
    return request(rootfs, action, 1000, **{**local, **policy, **changes})._replace(source="node1", target="node2")


def moving(*states: str) -> Any:
    host: Any = Host(*states)
    host.stop = lambda _name, patience, **_options: FakeCopy.calls.append(f"stop {patience}")
    host.start = lambda *_arguments: FakeCopy.calls.append("start")
    return host


WHOLE = ["switch", "begin web node2", "everything", "difference", "arm", "stop 30", "last"]


def test_a_container_is_copied_while_it_runs_and_stopped_for_the_rest(
    rootfs: Path, recorded: list[dict[str, Any]]
) -> None:
    host = moving("RUNNING", "STOPPED")
    assert container.migrate_to(move_request(rootfs, "migrate_to"), host) is Code.SUCCESS
    assert FakeCopy.calls == [*WHOLE, "arrived 2 1010", "disarm", "close"]
    assert (rootfs.with_name("moved")).read_text() == "node2\n"
    # The record is the other node's to complete.
    assert recorded == []


@pytest.mark.parametrize(
    ("fails", "calls", "reason"),
    [
        ({"begin": [CopyError("node2: no room")]}, WHOLE[:2], "it goes on here: node2: no room"),
        (
            {"everything": [CopyError("it is full")]},
            [*WHOLE[:3], "drop", "close"],
            "it goes on here: it is full",
        ),
        (
            {"last": [CopyError("gone", transport=True)]},
            [*WHOLE, "start", "disarm", "drop", "close"],
            "it goes on here: the last difference: gone",
        ),
        (
            {"arrived": [CopyError("gone", transport=True)]},
            [*WHOLE, "arrived 2 1010", "start", "disarm", "drop", "close"],
            "it goes on here: the last difference: gone",
        ),
    ],
)
def test_a_move_that_fails_leaves_it_running(
    rootfs: Path, recorded: list[dict[str, Any]], fails: dict[str, list[Exception]], calls: list[str], reason: str
) -> None:
    FakeCopy.fails = fails
    # Stopped after the stop, and when asked whether it has to start again.
    host = moving("RUNNING", *(["STOPPED", "STOPPED"] if "arm" in calls else []), "RUNNING")
    with pytest.raises(AgentError, match=reason):
        container.migrate_to(move_request(rootfs, "migrate_to"), host)
    assert FakeCopy.calls == calls
    assert [(entry["result"], reason in entry["reason"]) for entry in recorded] == [("failed", True)]
    assert not rootfs.with_name("moved").exists()


def test_a_lost_connection_is_made_anew(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    lost = CopyError("gone", transport=True)
    FakeCopy.fails = {"everything": [lost, lost], "again": [lost], "difference": [lost]}
    container.migrate_to(move_request(rootfs, "migrate_to"), moving("RUNNING", "STOPPED"))
    again = ["everything", "again"] * 2
    assert FakeCopy.calls[2:9] == [*again, "everything", "difference", "again"]
    assert recorded == []


def test_a_connection_that_stays_lost_ends_it(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    FakeCopy.fails = {"everything": [CopyError("gone", transport=True) for _ in range(9)]}
    with pytest.raises(AgentError, match="gone"):
        container.migrate_to(move_request(rootfs, "migrate_to"), moving("RUNNING"))
    assert FakeCopy.calls.count("everything") == 4
    assert FakeCopy.calls[-2:] == ["drop", "close"]
    assert len(recorded) == 1


@pytest.mark.parametrize(
    ("states", "changes", "reason"),
    [
        (["STOPPED"], {}, "not running here either: it is stopped"),
        (["FROZEN"], {}, "it is frozen"),
    ],
)
def test_what_cannot_move_is_not_begun(
    rootfs: Path, recorded: list[dict[str, Any]], states: list[str], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AgentError, match=reason):
        container.migrate_to(move_request(rootfs, "migrate_to", **changes), moving(*states))
    assert FakeCopy.calls == []
    assert [reason in entry["reason"] for entry in recorded] == [True]


def test_on_shared_storage_there_is_nothing_to_copy(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    shared = {"rootfs": {"type": "directory", "path": "/pool/x"}}
    with pytest.raises(AgentError, match="on shared storage"):
        container.migrate_to(move_request(rootfs, "migrate_to", **shared), moving("RUNNING"))
    assert (FakeCopy.calls, recorded) == ([], [])


def test_a_move_whose_agent_was_killed_is_on_record(
    rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [{"from": "node1", "to": "node2", "phase": "copying", "since": 1_700_000_000.5}, {}]
    monkeypatch.setattr(progress, "abandoned", lambda _guest: left.pop(0))
    monkeypatch.setattr(progress, "done", lambda _guest: None)
    for _again in range(2):
        assert container.monitor(move_request(rootfs, "monitor"), moving("RUNNING")) is Code.SUCCESS
    [entry] = recorded
    assert (entry["guest"], entry["kind"], entry["from"], entry["to"]) == ("web", "container", "node1", "node2")
    assert (entry["result"], entry["started"]) == ("failed", "2023-11-14T22:13:20.500Z")
    assert entry["reason"] == "its agent was killed (copying) on node1"


@pytest.fixture
def arrived(rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container's folder at the target, with a whole copy in it."""
    folder = rootfs / "containers/web"
    (folder / "incoming/sbin").mkdir(parents=True)
    move = {"id": "1", "guest": "web", "started": "2026-11-24T00:00:00.000Z", "away": 0.5, "received": time.time()}
    (folder / "arrived").write_text(json.dumps(move))
    monkeypatch.setattr(ownership, "hand_over", lambda *words: FakeCopy.calls.append(f"hand over {' '.join(words)}"))
    monkeypatch.setattr(Folder, "discard", lambda _self, tree: FakeCopy.calls.append(f"discard {tree.name}"))
    return folder


HERE = os.uname().nodename


def local_at(folder: Path) -> dict[str, Any]:
    return {"rootfs": {"type": "directory", "path": str(folder / "rootfs"), "shared": False}}


def test_it_starts_where_it_arrived_as_soon_as_it_is_that_nodes(
    rootfs: Path, arrived: Path, recorded: list[dict[str, Any]]
) -> None:
    call = move_request(rootfs, "migrate_from", **local_at(arrived))
    assert container.migrate_from(call, moving("RUNNING")) is Code.SUCCESS
    assert FakeCopy.calls == [f"hand over web node1 {HERE}", "start"]
    assert [path.name for path in arrived.iterdir()] == ["rootfs"]
    [entry] = recorded
    assert (entry["result"], entry["id"]) == ("moved", "1")
    assert 500 <= entry["downtime_ms"] < 5000
    assert not {"away", "received"} & entry.keys()


def test_it_goes_back_when_it_does_not_start(rootfs: Path, arrived: Path, recorded: list[dict[str, Any]]) -> None:
    call = move_request(rootfs, "migrate_from", **local_at(arrived))
    with pytest.raises(AgentError, match="ended at once"):
        container.migrate_from(call, moving("STOPPED"))
    assert FakeCopy.calls == [
        f"hand over web node1 {HERE}",
        "start",
        f"hand over web {HERE} node1",
        "discard rootfs",
    ]
    [entry] = recorded
    assert (entry["id"], entry["result"], entry["to"]) == ("1", "failed", HERE)
    assert "ended at once" in entry["reason"]


def test_half_a_copy_is_never_started(rootfs: Path, arrived: Path) -> None:
    (arrived / "arrived").unlink()
    with pytest.raises(AgentError, match="no whole copy"):
        container.migrate_from(move_request(rootfs, "migrate_from", **local_at(arrived)), moving("STOPPED"))
    assert FakeCopy.calls == []


@pytest.mark.parametrize(
    ("there", "after"),
    [
        # The node lost its power between taking over and starting.
        ({"incoming", "arrived"}, {"rootfs"}),
        # A move from here came to nothing.
        ({"rootfs", "moved"}, {"rootfs"}),
        ({"rootfs", "incoming"}, {"rootfs", "incoming"}),
    ],
)
def test_a_start_finishes_what_a_move_has_left(
    rootfs: Path, arrived: Path, monkeypatch: pytest.MonkeyPatch, there: set[str], after: set[str]
) -> None:
    (arrived / "rootfs/sbin").mkdir(parents=True)
    (arrived / "moved").write_text("node2\n")
    for name in {"incoming", "arrived", "rootfs", "moved"} - there:
        path = arrived / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.setattr(ownership, "require_here", lambda *_arguments: FakeCopy.calls.append("asked"))
    monkeypatch.setattr(ownership, "forget_refusals", lambda _name: None)
    container.start(move_request(rootfs, "start", **local_at(arrived)), moving("STOPPED", "RUNNING"))
    assert FakeCopy.calls == ["asked", "start"]
    assert {path.name for path in arrived.iterdir()} == after


def test_a_move_that_is_not_understood_is_not_begun(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    with pytest.raises(AgentError, match="schema 99"):
        container.migrate_to(move_request(rootfs, "migrate_to", schema=99), moving("RUNNING"))
    assert FakeCopy.calls == []


@pytest.mark.parametrize("when", ["arm", "disarm"])
def test_an_end_at_any_moment_of_the_switch_leaves_nobody_standing_by(
    rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def signalled(self: FakeSwitch) -> None:
        FakeCopy.calls.append(when)
        monkeypatch.setattr(FakeSwitch, when, unsignalled)
        os.kill(os.getpid(), signal.SIGTERM)

    unsignalled = getattr(FakeSwitch, when)
    monkeypatch.setattr(FakeSwitch, when, signalled)
    host = moving("RUNNING", "RUNNING" if when == "arm" else "STOPPED", "STOPPED", "RUNNING")
    with pytest.raises(AgentError, match="no longer waits"):
        container.migrate_to(move_request(rootfs, "migrate_to"), host)
    assert FakeCopy.calls[-3:] == ["disarm", "drop", "close"]
    assert ("start" in FakeCopy.calls) is (when == "disarm")
    assert not rootfs.with_name("moved").exists()


def test_what_sets_a_move_right_is_not_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AgentError), container._called_off():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            done = True
    assert done
