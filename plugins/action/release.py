# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of cspp.drover.release: gathers the files and packs them, for one transfer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.cspp.drover.plugins.module_utils.host.release import PACKAGE, File, pack


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads the release's files, then runs the module once."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returned."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state", "installed") == "installed":
            try:
                files = gather(Path(arguments.pop("source")), arguments.pop("parts"))
                program = File(Path(self._find_needle("files", arguments["program"])).read_bytes(), executable=True)
                names = [*arguments["agents"], *arguments["programs"]]
            except KeyError as error:
                raise AnsibleActionFail(f"release: {error} is missing.") from error
            arguments["packed"] = pack({**files, **{f"bin/{name}": program for name in names}})
        result.update(self._execute_module("cspp.drover.release", arguments, task_vars=task_vars))
        result.get("invocation", {}).get("module_args", {}).pop("packed", None)
        return result


def gather(source: Path, parts: Sequence[str]) -> dict[str, File]:
    """The files of the package by their path in the release: ``parts`` are globs of files, and of folders in whole."""
    files: dict[str, File] = {}
    for part in parts:
        found = [
            path for match in sorted(source.glob(part)) for path in (match.rglob("*") if match.is_dir() else [match])
        ]
        chosen = [path for path in found if path.is_file() and path.suffix != ".pyc"]
        if not chosen:
            raise AnsibleActionFail(f"{source}: nothing is called {part}.")
        files |= {f"{PACKAGE}/{path.relative_to(source)}": File(path.read_bytes()) for path in chosen}
    return files
