# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rooms of the house: the packages of module_utils, which of them nodes get, and that imports only go downwards."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "plugins" / "module_utils"
PREFIX = "ansible_collections.cspp.drover."

#: From the ground up: a package imports itself and those before it.
GROUND = ("core", "trust", "guest", "cluster", "ceph", "storage", "hypervisor")
ACTING = ("preflight", "planning", "reporting", "declaration", "verbs", "notify", "steward", "console")
ON_NODES = (*GROUND, "peer", "journal", "measure", "migration", "agents", *ACTING)
ELSEWHERE = ("images", "host", "lab", "drill")
ORDER = (*ON_NODES, *ELSEWHERE)


class Import(NamedTuple):
    """One import of one package by another, and where it stands."""

    file: str
    line: int
    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.importer} imports {self.imported}"


def imports(source: str, file: str) -> Iterator[Import]:
    """The imports of Drover's packages in a module of ``file``, a path below module_utils, also within functions."""
    package = Path(file).parts[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [tuple(alias.name.split(".")) for alias in node.names if alias.name.startswith(PREFIX)]
        elif isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split(".")) if node.module else ()
            base = package[: len(package) - node.level + 1] if node.level else ()
            if not node.level and not (node.module or "").startswith(PREFIX):
                continue
            # "from .. import core" names the package among what it takes.
            targets = [(*base, *module)] if (*base, *module) else [(alias.name,) for alias in node.names]
        else:
            continue
        for target in targets:
            # An absolute import has the collection's whole name before plugins.module_utils.PACKAGE.
            name = target[5] if target[0] == "ansible_collections" and len(target) > 5 else target[0]
            yield Import(file, node.lineno, package[0] if package else "", name)


def offences(found: list[Import]) -> list[str]:
    """Those that go upwards, or to what is no package."""
    height = {name: at for at, name in enumerate(ORDER)}
    return [str(one) for one in found if height.get(one.imported, 99) > height.get(one.importer, -1)]


def everything() -> list[Import]:
    files = [path for path in sorted(HOUSE.rglob("*.py")) if path.parent != HOUSE]
    return [one for path in files for one in imports(path.read_text(), str(path.relative_to(HOUSE)))]


def test_imports_only_go_downwards() -> None:
    found = everything()
    assert len(found) > 100
    assert offences(found) == []


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("from ..planning import drain", "cluster/cib.py"),
        ("def later():\n    from ..agents.vm import main", "storage/pools.py"),
        ("from .. import lab", "core/run.py"),
        (f"from {PREFIX}plugins.module_utils.reporting.status import table", "guest/definition.py"),
        (f"import {PREFIX}plugins.module_utils.migration.live", "peer/channel.py"),
        ("from ..nowhere import x", "guest/definition.py"),
    ],
)
def test_an_import_that_goes_upwards_is_found(source: str, file: str) -> None:
    assert len(offences(list(imports(source, file)))) == 1


def test_nodes_get_the_rooms_that_they_need_and_no_others() -> None:
    code = yaml.safe_load((ROOT / "roles" / "cluster" / "vars" / "main.yml").read_text())["__cluster_code"]
    assert code == ["*.py", *ON_NODES]


def test_every_module_lies_in_a_room_that_has_a_sign() -> None:
    # The door, whose place nodes know: see its own docstring.
    assert [path.name for path in HOUSE.glob("*.py") if path.name != "__init__.py"] == ["programs.py"]
    rooms = {path.name for path in HOUSE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(ORDER)
    for room in rooms:
        assert ast.get_docstring(ast.parse((HOUSE / room / "__init__.py").read_text())), room


def too_large(source: str, file: str, lines: int = 400, class_lines: int = 200) -> Iterator[str]:
    """What outgrew its name: a file of more ``lines``, or a class, unless its docstring says why."""
    tree = ast.parse(source)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    sizes: list[tuple[ast.Module | ast.ClassDef, str, int, int]] = [(tree, file, len(source.splitlines()), lines)]
    for node in classes:
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        sizes.append((node, f"{file}: {node.name}", length, class_lines))
    for part, name, length, most in sizes:
        if length > most and f"It has over {most} lines because" not in (ast.get_docstring(part) or ""):
            yield f"{name} has {length} lines"


def test_files_and_classes_are_of_a_size_to_be_read() -> None:
    files = [file for top in ("plugins", "tests", "molecule") for file in (ROOT / top).rglob("*.py")]
    assert len(files) > 300
    assert [word for file in files for word in too_large(file.read_text(), str(file.relative_to(ROOT)))] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\n" * 6, ["a.py has 6 lines"]),
        ("class A:\n" + "    x = 1\n" * 3, ["a.py: A has 4 lines"]),
        ('class A:\n    """It has over 3 lines because."""\n' + "    x = 1\n" * 3, []),
        ('"""It has over 5 lines because."""\n' + "x = 1\n" * 6, []),
    ],
)
def test_what_is_too_large_is_found(source: str, found: list[str]) -> None:
    assert list(too_large(source, "a.py", 5, 3)) == found
