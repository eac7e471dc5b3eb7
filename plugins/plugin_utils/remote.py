# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running programs on nodes of the inventory where there is no task: as a task would, by Ansible's connections."""

from __future__ import annotations

import queue
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult, expected
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError

__all__ = ["NodeProgram", "Silent", "first_answer"]

#: Seconds that a node has to answer before the next is asked as well, and that a connection may take to come about.
_HEAD_START, _CONNECT = 1.5, 6
#: What ``timeout`` exits with when it had to end a program.
_TOO_LONG = 124

T = TypeVar("T")


class Silent(DroverError):
    """No node answers; the text names each with its cause."""


class NodeProgram:
    """Runs programs on a node, as :func:`core.command.run` does here: the same signature.

    ``variables`` are the host's, as the inventory has them, and ``templar`` renders them.
    """

    def __init__(self, node: str, variables: Mapping[str, Any], templar: Any) -> None:
        context = PlayContext()
        context.remote_addr = node
        templar = templar.copy_with_new_env(available_variables=dict(variables))
        kind = templar.template(variables.get("ansible_connection", "ssh"))
        self._connection = connection_loader.get(kind, context)
        if self._connection is None:
            raise CommandError(f"there is no connection plugin {kind!r}")
        found = self._connection._resolve_option_variables(variables, templar)
        self._connection.set_options(task_keys={"timeout": _CONNECT, "remote_addr": node}, var_options=found)
        become = boolean(templar.template(variables.get("ansible_become", False)), strict=False)
        self._before = ["sudo", "-n"] if become else []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        ok: Sequence[int] | None = (0,),
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Raises CommandError."""
        settings = [f"{key}={value}" for key, value in {"LC_ALL": "C", **(env or {})}.items()]
        whole = [*self._before, "env", *settings, "timeout", f"{timeout:g}", *argv]
        try:
            rc, out, err = self._connection.exec_command(
                shlex.join(whole), in_data=stdin.encode() if stdin else None, sudoable=False
            )
        except AnsibleError as error:
            raise CommandError(" ".join(str(error).split())) from error
        result = CommandResult(tuple(argv), rc, out.decode(errors="replace"), err.decode(errors="replace"))
        if rc == _TOO_LONG:
            raise CommandError(f"{' '.join(argv)} did not end within {timeout:g} s", result)
        return expected(result, ok)


def first_answer(
    names: Sequence[str],
    ask: Callable[[str], T],
    good: Callable[[T], bool],
    *,
    head_start: float = _HEAD_START,
) -> tuple[str, T]:
    """The first good answer, and who gave it; any answer where none is good. Each is asked when those before it have
    failed, or have had ``head_start`` seconds. Raises Silent, with the cause of each."""
    answers: queue.SimpleQueue[tuple[str, T | None, str]] = queue.SimpleQueue()

    def work(name: str) -> None:
        try:
            answers.put((name, ask(name), ""))
        except (DroverError, AnsibleError) as error:
            answers.put((name, None, str(error)))
        except Exception as error:  # a thread that dies without a word would be waited for
            answers.put((name, None, repr(error)))

    waiting, busy, causes = list(names), 0, dict[str, str]()
    second_best: tuple[str, T] | None = None
    while waiting or busy:
        if waiting:
            threading.Thread(target=work, args=[waiting.pop(0)], daemon=True).start()
            busy += 1
        try:
            name, answer, cause = answers.get(timeout=head_start if waiting else None)
        except queue.Empty:
            continue
        busy -= 1
        if answer is None:
            causes[name] = cause
        elif good(answer):
            return name, answer
        else:
            second_best = second_best or (name, answer)
    if second_best is None:
        raise Silent("; ".join(f"{name}: {cause}" for name, cause in causes.items()))
    return second_best
