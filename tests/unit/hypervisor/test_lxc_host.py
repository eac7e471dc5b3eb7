# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LXC through its commands: which are run, and what their answers mean."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.processes import born, lives
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import lxc_host
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.lxc_config import SECCOMP
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.lxc_host import LxcError, LxcHost

LOG = """\
lxc-start web 1 ERROR    idmap_utils - ../src/lxc/idmap_utils.c:lxc_map_ids:245 - newuidmap failed - not allowed
lxc-start web 1 WARN     start - ../src/lxc/start.c:lxc_abort:1037 - No such process
lxc-start web 1 ERROR    start - ../src/lxc/start.c:lxc_spawn:1800 - Failed to set up id mapping.
lxc-start web 1 ERROR    lxccontainer - ../src/lxc/lxccontainer.c:wait:837 - ABORTING instead of RUNNING
"""


class Commands:
    """Answers like LXC's commands; records every call."""

    def __init__(self, *outputs: str | int) -> None:
        self.outputs = list(outputs)
        self.calls: list[str] = []

    def __call__(self, argv: list[str], *, timeout: float, ok: tuple[int, ...]) -> CommandResult:
        self.calls.append(" ".join(argv))
        output = self.outputs.pop(0) if self.outputs else ""
        if isinstance(output, str):
            return CommandResult(tuple(argv), 0, output, "")
        if output in ok:
            return CommandResult(tuple(argv), output, "", "")
        raise CommandError(f"{argv[0]} exited with {output}")


@pytest.mark.parametrize(
    ("output", "configured", "state"),
    [
        ("RUNNING\n", True, "RUNNING"),
        ("STOPPED\n", True, "STOPPED"),
        ("FROZEN\n", True, "FROZEN"),
        (1, False, "STOPPED"),
    ],
)
def test_state(tmp_path: Path, output: str | int, configured: bool, state: str) -> None:
    commands = Commands(output)
    host = LxcHost(commands, tmp_path)
    if configured:
        host.write_config("web", "")
    assert host.state("web") == state
    assert commands.calls == [f"lxc-info -P {tmp_path} -n web -s -H"]


def test_a_container_that_was_started_here_is_never_taken_for_absent(tmp_path: Path) -> None:
    host = LxcHost(Commands(1), tmp_path)
    host.write_config("web", "")
    with pytest.raises(LxcError):
        host.state("web")


@pytest.mark.parametrize(
    ("do", "call"),
    [
        (lambda host: host.stop("web", 20, timeout=25), "lxc-stop -P {root} -n web -t 20"),
        (lambda host: host.kill("web", timeout=5), "lxc-stop -P {root} -n web -k"),
        (lambda host: host.set_limits("web", {"memory.max": "1"}), "lxc-cgroup -P {root} -n web memory.max 1"),
    ],
)
def test_commands(tmp_path: Path, do: Any, call: str) -> None:
    commands = Commands()
    do(LxcHost(commands, tmp_path))
    assert commands.calls == [call.format(root=tmp_path)]


def test_start_and_forget(tmp_path: Path) -> None:
    commands = Commands()
    host = LxcHost(commands, tmp_path)
    host.start("web", "lxc.arch = x86_64\n", timeout=9)
    assert commands.calls == [f"lxc-start -P {tmp_path} -n web -d -o {tmp_path}/web/log -l DEBUG"]
    assert host.config("web") == "lxc.arch = x86_64\n"
    host.forget("web")
    assert host.config("web") == ""
    assert not list(tmp_path.iterdir())


def test_a_failed_start_tells_the_first_causes(tmp_path: Path) -> None:
    class Failing(Commands):
        def __call__(self, argv: list[str], **options: Any) -> CommandResult:
            (tmp_path / "web" / "log").write_text(LOG)
            return super().__call__(argv, **options)

    with pytest.raises(LxcError) as caught:
        LxcHost(Failing(1), tmp_path).start("web", "", timeout=9)
    assert str(caught.value) == "newuidmap failed - not allowed; Failed to set up id mapping."


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """What LXC's monitor of a container and its init look like from the node; init heeds no order to halt."""
    title = f"[lxc monitor] {tmp_path} web"
    script = "sh -c 'trap \"\" 37; echo $$; while :; do sleep 0.1; done' & wait\n"
    with subprocess.Popen(
        [title], executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as monitor:
        assert monitor.stdin is not None and monitor.stdout is not None
        monitor.stdin.write(script)
        monitor.stdin.flush()
        init = int(monitor.stdout.readline())
        begun = born(init) or 0
        yield monitor.pid, init
        monitor.kill()
        # It does not go with its monitor.
        if lives(init, begun):
            os.kill(init, signal.SIGKILL)


def test_the_processes_of_a_container_are_found_without_lxc(tmp_path: Path, running: tuple[int, int]) -> None:
    assert LxcHost(root=tmp_path).processes("web") == running
    assert LxcHost(root=tmp_path).processes("we") == ()
    assert LxcHost(root=tmp_path / "other").processes("web") == ()


@pytest.mark.parametrize(("patience", "took"), [(0.0, (0.0, 0.5)), (1.0, (1.0, 2.0)), (60.0, (1.9, 3.0))])
def test_a_container_is_ended_without_lxc(
    tmp_path: Path, running: tuple[int, int], patience: float, took: tuple[float, float]
) -> None:
    began = time.monotonic()
    left = lambda: began + 5.0 - time.monotonic()  # noqa: E731
    assert LxcHost(root=tmp_path).end("web", patience, left, time.sleep)
    assert took[0] <= time.monotonic() - began < took[1]
    assert not any(lives(pid, born(pid) or 0) for pid in running)


def test_what_is_not_there_has_ended(tmp_path: Path) -> None:
    assert LxcHost(root=tmp_path).end("web", 30.0, lambda: 0.0, time.sleep)


def test_a_container_that_has_just_ended_has_no_init(tmp_path: Path) -> None:
    assert LxcHost(Commands("4711\n"), tmp_path).init_pid("web") == 4711
    with pytest.raises(LxcError, match="does not run"):
        LxcHost(Commands("\n"), tmp_path).init_pid("web")


def test_a_container_with_its_own_list_of_system_calls_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "common").write_text("2\ndenylist\n")
    monkeypatch.setattr(lxc_host, "_SECCOMP", tmp_path / "common")
    host = LxcHost(Commands(), tmp_path)
    host.start("web", "# ours\nlxc.uts.name = web\n", 5)
    assert not (tmp_path / "web/seccomp").exists()
    host.start("web", f"# ours\n{SECCOMP}{tmp_path}/web/seccomp\n", 5)
    assert (tmp_path / "web/seccomp").read_text().startswith("2\ndenylist\nioctl errno 1 ")
