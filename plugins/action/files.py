# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of cspp.drover.files: sources, templates and trees become contents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template


class ActionModule(ActionBase):  # type: ignore[misc]
    """Expands every entry to a plain content, then runs the module once."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returned."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        files = [plain for entry in self._task.args.get("files", []) for plain in self._expand(dict(entry), task_vars)]
        arguments = {**self._task.args, "files": files}
        result.update(self._execute_module("cspp.drover.files", arguments, task_vars=task_vars))
        for entry in result.get("invocation", {}).get("module_args", {}).get("files") or []:
            if entry.get("sensitive"):
                entry["content"] = "(hidden)"
        return result

    def _expand(self, entry: dict[str, Any], task_vars: dict[str, Any]) -> Iterator[dict[str, Any]]:
        sources = [key for key in ("content", "src", "template", "tree", "link") if entry.get(key) is not None]
        if len(sources) > 1:
            raise AnsibleActionFail(f"{entry.get('path')}: {' and '.join(sources)} exclude each other.")
        if "tree" in sources:
            tree, pattern = Path(entry.pop("tree")), entry.pop("pattern", "*")
            found = sorted(file for file in tree.glob(pattern) if file.is_file())
            if not found:
                raise AnsibleActionFail(f"{tree}: no file matches {pattern}.")
            for file in found:
                path = f"{entry['path'].rstrip('/')}/{file.relative_to(tree)}"
                yield {**entry, "path": path, "content": _text(file)}
            return
        if "src" in sources:
            entry["content"] = _text(Path(self._find_needle("files", entry.pop("src"))))
        elif "template" in sources:
            source = Path(self._find_needle("templates", entry.pop("template")))
            entry["content"] = self._render(source, task_vars)
        yield entry

    def _render(self, source: Path, task_vars: dict[str, Any]) -> str:
        templar = self._templar.copy_with_new_env(available_variables=task_vars, searchpath=[str(source.parent)])
        return str(
            templar.template(
                trust_as_template(_text(source)),
                escape_backslashes=False,
                overrides={"trim_blocks": True, "keep_trailing_newline": True},
            )
        )


def _text(path: Path) -> str:
    """A file's whole text, line ends as they are."""
    return path.read_bytes().decode()
