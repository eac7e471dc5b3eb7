# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands of users that ask for a move, and what a failed one tells them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence

from ..verify.plays import ENVIRONMENT, INVENTORY, ROOT

__all__ = ["Command", "migrate", "told"]


class Command:
    """``ansible`` or ``ansible-playbook``, as a user runs it."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = list(argv)
        self.killed = False
        self._process = subprocess.Popen(
            self.argv,
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait(self, timeout: float) -> int | None:
        """Its exit status; None when it does not end in time."""
        try:
            self.output, _ = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self.output, _ = self._process.communicate(timeout=10)
            return None
        return self._process.returncode

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it at once, with all that it has started here."""
        self.killed = True
        try:
            os.killpg(self._process.pid, 9)
        except ProcessLookupError:
            return


def told(output: str) -> str:
    """What a failed command told its user: the messages of its failed and unreachable hosts."""
    messages = []
    for match in re.finditer(r"(?:FAILED|UNREACHABLE)! => ", output):
        try:
            found, _end = json.JSONDecoder().raw_decode(output, match.end())
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("msg"):
            messages.append(str(found["msg"]))
    return "\n".join(messages)


def migrate(guest: str, to: str, runner: str) -> Command:
    """The module guest_migrate on a node, as a play runs it."""
    arguments = f"guest={guest} to={to}"
    module = "cspp.drover.guest_migrate"
    return Command(["ansible", runner, "-i", str(INVENTORY), "-m", module, "-a", arguments])
