# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every exception of Drover's is a DroverError, and modules make failures of them in one way."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE = "DroverError"
#: Exceptions that are none, and why.
EXEMPT = {
    "IllegalTransition": "a mistake in the tables of migration/states.py, so told with its traceback",
}
BUILTIN = {
    name for name, thing in vars(builtins).items() if isinstance(thing, type) and issubclass(thing, BaseException)
}


def sources() -> dict[str, str]:
    """The text of everything that runs outside of unit tests, by path."""
    files = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    names = {str(file.relative_to(ROOT)): file for file in files}
    return {name: file.read_text() for name, file in names.items() if not name.startswith("tests/unit/")}


def _name(expression: ast.expr) -> str:
    """The last name of ``a.b.C`` or ``C[T]``."""
    if isinstance(expression, ast.Subscript):
        return _name(expression.value)
    return expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")


def _classes(texts: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Each class with those that it is derived from."""
    for text in texts.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                yield node.name, [_name(base) for base in node.bases]


def errors(texts: Mapping[str, str]) -> set[str]:
    """DroverError and all that descends from it."""
    found = {BASE}
    while more := {name for name, above in _classes(texts) if found.intersection(above)} - found:
        found |= more
    return found


def strangers(texts: Mapping[str, str]) -> list[str]:
    """Exceptions that are derived from somebody else's, and not from a DroverError too."""
    ours = errors(texts)

    def foreign(name: str) -> bool:
        return name not in ours and (name in BUILTIN or name.endswith(("Error", "Exception")))

    return sorted(
        name
        for name, above in _classes(texts)
        if name != BASE and any(map(foreign, above)) and not ours.intersection(above)
    )


def _handlers(text: str) -> Iterator[tuple[int, list[str], bool]]:
    """Each ``except``: its line, what it catches, and whether it fails the module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            calls = [_name(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)]
            yield node.lineno, [_name(one) for one in caught], "fail_json" in calls


def own_ways(modules: Mapping[str, str], ours: set[str]) -> list[str]:
    """Places in modules that pick several DroverErrors by hand, or fail because of one other than by fail_on_error."""
    return [
        f"{file}:{line}: {', '.join(caught)}"
        for file, text in modules.items()
        for line, caught, fails in _handlers(text)
        if len(ours.intersection(caught)) > 1 or (fails and ours.intersection(caught))
    ]


def test_every_exception_is_a_drover_error() -> None:
    texts = sources()
    assert len(errors(texts)) > 25
    assert strangers(texts) == sorted(EXEMPT)


@pytest.mark.parametrize(
    "text",
    [
        "class Wild(Exception): pass",
        "class Wild(builtins.ValueError): pass",
        "class Wild(Exception, Generic[T]): pass",
        "def inner():\n    class Wild(OSError): pass",
        "class Wild(subprocess.SubprocessError): pass",
    ],
)
def test_an_exception_of_its_own_root_is_found(text: str) -> None:
    assert "Wild" in strangers({**sources(), "plugins/module_utils/core/wild.py": text})


def test_modules_fail_in_one_way() -> None:
    texts = sources()
    ours = errors(texts)
    modules = {file: text for file, text in texts.items() if file.startswith("plugins/modules/")}
    assert len(modules) > 25
    assert own_ways(modules, ours) == []


@pytest.mark.parametrize(
    "handler",
    [
        "except (CommandError, WaitTimeout):\n    pass",
        "except (pacemaker.ClusterError, OSError) as error:\n    module.fail_json(msg=str(error))",
        "except CommandError as error:\n    if not x:\n        module.fail_json(msg=str(error))",
    ],
)
def test_a_way_of_its_own_is_found(handler: str) -> None:
    ours = {"CommandError", "WaitTimeout", "ClusterError"}
    assert len(own_ways({"plugins/modules/wild.py": f"try:\n    pass\n{handler}\n"}, ours)) == 1
