# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way Drover asks Ceph: its own command, answers as JSON, and a deadline for a cluster that does not answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError

__all__ = ["Ceph", "CephError"]

#: Seconds that a cluster has to be found in, and beyond that to answer in.
_CONNECT, _ANSWER = 20, 60


class CephError(DroverError):
    """Ceph did not do what it was asked, or does not answer. ``code`` is the error number that it gave, else 0."""

    def __init__(self, cause: str = "", *, remedy: str = "", code: int = 0) -> None:
        super().__init__(cause, remedy=remedy)
        self.code = code


class Ceph:
    """Ceph as one of its clients sees it. Every method raises CephError.

    ``monitor`` is the address of one that is asked, where the command should not look for one that answers.
    """

    def __init__(self, client: str = "client.admin", *, monitor: str = "", runner: Runner = run) -> None:
        self._name = ["--name", client, *(["-m", monitor] if monitor else [])]
        self._run = runner

    def ask(self, *words: str, timeout: float = _ANSWER) -> Any:
        """The answer to a command, read from its JSON."""
        text = self._do([*words, "--format", "json"], "", timeout)
        try:
            return json.loads(text or "null")
        except ValueError as error:
            raise CephError(f"ceph {' '.join(words)} answered with something else than JSON: {text[:200]}") from error

    def tell(self, *words: str, stdin: str = "", timeout: float = _ANSWER) -> str:
        """What Ceph says to an order."""
        return self._do(list(words), stdin, timeout)

    def answers(self, timeout: float = 5) -> bool:
        """Whether a majority of monitors answers."""
        try:
            self._do(["quorum_status", "--format", "json"], "", timeout)
        except CephError:
            return False
        return True

    def _do(self, words: Sequence[str], stdin: str, timeout: float) -> str:
        connect = str(int(min(timeout, _CONNECT)))
        argv = ["ceph", *self._name, "--connect-timeout", connect, *words]
        try:
            return self._run(argv, stdin=stdin or None, timeout=timeout + 5).stdout
        except CommandError as error:
            why = str(error).splitlines()[0]
            code = error.result.rc if error.result is not None else 0
            raise CephError(why, remedy="`ceph -s` on a monitor's node shows how Ceph is.", code=code) from error
