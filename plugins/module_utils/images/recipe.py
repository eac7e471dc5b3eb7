# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests are made from: recipes, and the images they stand for.

An image is known by its name and the kind of guest it is for. Its folder is named after it and the hash of its
recipe: a changed recipe is another image, and an image that is there never changes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..core import parse
from ..core.errors import DroverError
from ..core.parse import Fields, Problem
from ..core.quantities import GIB

__all__ = ["FILES", "Recipe", "RecipeError", "catalogue", "recipes", "select"]

#: Raise when the same recipe comes to mean a different image.
BUILDER = 1

#: What is in an image's folder, by how a guest boots from it.
FILES: Mapping[str, Mapping[str, str]] = {
    "disk": {"disk": "disk.qcow2"},
    "kernel": {"kernel": "kernel", "initrd": "initrd"},
    "rootfs": {"rootfs": "rootfs.tar"},
}

_BOOTS = {"vm": ("disk", "kernel"), "container": ("rootfs",)}
_VARIANTS = ("extract", "minbase", "apt", "important", "standard")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.:-]+")


class RecipeError(DroverError):
    """Recipes that cannot be used; the message lists every problem with its path in the YAML."""


@dataclass(frozen=True)
class Recipe:
    """How one image is made.

    ``files`` go into it by absolute path (executable if they begin with ``#!``); ``scripts`` are then run with the
    root file system as argument. ``mirror`` is None for the building node's own. ``size`` is a disk's, in bytes.
    ``cmdline`` is for a kernel.
    """

    name: str
    kind: str
    boot: str
    suite: str
    mirror: str | None = None
    variant: str = "minbase"
    packages: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    size: int = 3 * GIB
    cmdline: str = ""

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that stand for everything that goes into the image."""
        content = json.dumps({**asdict(self), "builder": BUILDER}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.hash}"

    def description(self) -> dict[str, Any]:
        """What the image's ``image.json`` says. Names of files are relative to its folder."""
        described: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "boot": self.boot,
            "hash": self.hash,
            "suite": self.suite,
            "files": dict(FILES[self.boot]),
        }
        if self.boot == "disk":
            described["size"] = self.size
        if self.boot == "kernel":
            described["cmdline"] = self.cmdline
        return described


def recipes(own: Mapping[str, Any], users: Mapping[str, Any]) -> dict[tuple[str, str], Recipe]:
    """All recipes by name and kind: Drover's ``own``, changed and added to by the ``users``.

    Both are mappings of names to kinds to the keys of a recipe. A user's recipe builds on Drover's of the same name,
    or on the one named by ``from``: packages, files and scripts are added, other keys replaced.
    Raises RecipeError.
    """
    problems: list[Problem] = []
    layers = {layer.path: layer for layer in _layers(users, problems)}
    merged = {
        (name, kind): dict(values)
        for name, kinds in own.items()
        for kind, values in kinds.items()
        if f"images.{name}.{kind}" not in layers
    }
    for layer in layers.values():
        name, kind = layer.path.removeprefix("images.").rsplit(".", 1)
        origin = layer.take("from", parse.member({base for base in own if kind in own[base]}, f"a {kind} image"), name)
        merged[name, kind] = _merge(own.get(origin, {}).get(kind, {}), layer.values)
    found = {
        (name, kind): _read(name, kind, Fields(values, f"images.{name}.{kind}", problems))
        for (name, kind), values in merged.items()
    }
    if problems:
        raise RecipeError("; ".join(map(str, problems)))
    return found


def catalogue(own: Mapping[str, Any], users: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The images there are, sorted: by name and kind of guest, how the guest boots from it. Raises RecipeError."""
    known: dict[str, dict[str, str]] = {}
    # Whatever is written from it is the same text, in whatever order a play has met the recipes.
    for (name, kind), recipe in sorted(recipes(own, users).items(), key=lambda item: item[0]):
        known.setdefault(name, {})[kind] = recipe.boot
    return known


def select(known: Mapping[tuple[str, str], Recipe], wanted: Sequence[Mapping[str, str]]) -> dict[str, Recipe]:
    """The recipes of the wanted images (each a name and a kind), by ``kind/name``. Raises RecipeError."""
    unknown = [f"{each['name']} for a {each['kind']}" for each in wanted if (each["name"], each["kind"]) not in known]
    if unknown:
        have = ", ".join(sorted(f"{name} for a {kind}" for name, kind in known))
        raise RecipeError(f"there is no image {', nor '.join(unknown)}; there are {have}: add yours to `images`")
    return {f"{each['kind']}/{each['name']}": known[each["name"], each["kind"]] for each in wanted}


def _layers(users: Mapping[str, Any], problems: list[Problem]) -> Iterator[Fields]:
    """The users' recipes; their paths are ``images.NAME.KIND``."""
    top = Fields(users, "images", problems)
    for name in users:
        if not _NAME.fullmatch(name):
            top.note(name, "an image's name consists of a-z, 0-9, dots and dashes")
        kinds = top.section(name)
        for kind in _BOOTS:
            if kind in kinds.values:
                yield kinds.section(kind)
        kinds.asked.extend(_BOOTS)
        kinds.done()


def _merge(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **{key: value for key, value in layer.items() if key != "from"}}
    for key in ("packages", "scripts"):
        if isinstance(layer.get(key), list):
            merged[key] = [*base.get(key, []), *layer[key]]
    if isinstance(layer.get("files"), Mapping):
        merged["files"] = {**base.get("files", {}), **layer["files"]}
    return merged


def _read(name: str, kind: str, fields: Fields) -> Recipe:
    remedy = "name with `from` an image to build on, e.g. from: debian-13"
    nothing: tuple[str, ...] = ()
    no_files: Mapping[str, str] = {}
    recipe = Recipe(
        name=name,
        kind=kind,
        boot=fields.require("boot", parse.member(_BOOTS[kind], f"a way a {kind} boots"), _BOOTS[kind][0], remedy),
        suite=fields.require("suite", parse.string, "", remedy),
        mirror=fields.take("mirror", parse.string, None),
        variant=fields.take("variant", parse.member(_VARIANTS, "a variant of mmdebstrap's"), "minbase"),
        packages=tuple(
            sorted(set(fields.take("packages", parse.list_of(parse.matching(_PACKAGE, "a package's name")), nothing)))
        ),
        files=dict(fields.take("files", _files, no_files)),
        scripts=fields.take("scripts", parse.list_of(parse.string), nothing),
        size=fields.take("size", parse.size, 3 * GIB),
        cmdline=fields.take("cmdline", parse.string, ""),
    )
    fields.done()
    return recipe


def _files(value: object) -> Mapping[str, str]:
    files = parse.mapping(value)
    for path, content in files.items():
        if not path.startswith("/") or ".." in path.split("/") or not isinstance(content, str):
            raise ValueError(f"{path!r}: files are given as absolute path: text")
    return files
