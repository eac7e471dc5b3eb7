# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The graph that crm_simulate saves on another machine, had here, where Pacemaker's adapter reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.command import CommandResult, Runner

__all__ = ["fetching"]

_OPTION = "--save-graph="


def fetching(there: Runner) -> Runner:
    """A Runner of another machine, such that a graph that is to be saved is saved here."""

    def run(argv: Sequence[str], **how: Any) -> CommandResult:
        here = next((word.removeprefix(_OPTION) for word in argv if word.startswith(_OPTION)), None)
        if here is None:
            return there(argv, **how)
        file = f"/tmp/{Path(here).parent.name}.xml"
        done = there([f"{_OPTION}{file}" if word.startswith(_OPTION) else word for word in argv], **how)
        Path(here).write_text(there(["cat", file]).stdout, encoding="utf-8")
        there(["rm", "-f", file])
        return done

    return run
