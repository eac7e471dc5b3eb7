# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a process leaves undone when it is killed, another sets right."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents.deadman import Guardian, stand_by
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

#: Writes down what it is told, like the program that stands by, and then that it has come to its end.
PROGRAM = """#!{python}
import sys
with open("{log}", "w") as log:
    for line in sys.stdin:
        log.write(line)
    log.write("alone")
"""


@pytest.mark.parametrize(
    ("words", "rescued"),
    [([], False), (["watch"], True), (["watch", "rest"], False), (["watch", "rest", "watch"], True)],
)
def test_only_what_is_watched_is_rescued(words: list[str], rescued: bool) -> None:
    found: list[dict[str, Any]] = []
    stand_by(io.StringIO("".join(f"{word}\n" for word in ['{"name": "web"}', *words])), found.append)
    assert found == [{"name": "web"}] * rescued


@pytest.mark.parametrize("killed", [True, False])
def test_it_outlives_who_it_watches(tmp_path: Path, killed: bool) -> None:
    log, program = tmp_path / "log", tmp_path / "guardian"
    program.write_text(PROGRAM.format(python=sys.executable, log=log))
    program.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            with Guardian({"name": "web"}, str(program)) as watching:
                watching.watch()
                if killed:
                    os.kill(os.getpid(), signal.SIGKILL)
                watching.rest()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    said = '{"name": "web"}\nwatch\n' + ("" if killed else "rest\n") + "alone"
    wait_for(lambda: log.exists() and log.read_text(), lambda text: text == said, what="its end", timeout=10)
