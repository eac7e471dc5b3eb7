# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be said of one key of the guests model; :mod:`keys` says it of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, Literal

from .types import Cluster, Kind

__all__ = ["BOTH", "CONTAINER", "VM", "Change", "Context", "Key", "Parts", "Type"]

VM: tuple[Kind, ...] = ("vm",)
CONTAINER: tuple[Kind, ...] = ("container",)
BOTH: tuple[Kind, ...] = ("vm", "container")

#: What a change of a key is for a guest that runs: carried out at once, carried out by its next restart, refused before
#: anything is touched. tests/unit/declaration/changes.py has a row for each, which tries whether that is true.
Change = Literal["live", "restart", "refused"]


@dataclass(frozen=True)
class Context:
    """What a default may be made from: what has been read of the same mapping, and where that stands."""

    values: Mapping[str, Any]
    cluster: Cluster
    guest: str
    index: int


@dataclass(frozen=True)
class Type:
    """A type of values: ``name`` for people, ``schema`` for editors (JSON Schema), and the parser for a cluster.

    A parser returns the value normalised, in ``unit``, or raises ValueError with a remedy.
    """

    name: str
    schema: Mapping[str, Any]
    bind: Callable[[Cluster], Callable[[Any], Any]]
    unit: str = ""


@dataclass(frozen=True)
class Parts:
    """The type of a key with keys of its own: a mapping, or with ``many`` a list of at most so many.

    ``title`` is its heading in the documentation. ``make`` is the class that is made of what they say. With a
    ``switch``, true stands for a mapping with nothing in it, and false for none.
    """

    title: str
    make: type[Any]
    many: int = 0
    switch: bool = False

    @property
    def name(self) -> str:
        return "list" if self.many else "true, false or mapping" if self.switch else "mapping"


@dataclass(frozen=True)
class Key:
    """One key of the model. ``path`` is its place in a guest, such as ``nics[].vlan``.

    ``help`` is one sentence, ``example`` a value as YAML. ``default`` is a value, or a function of a Context that
    ``default_words`` tells people of. ``required`` is the remedy that is given where it is missing; the default then
    only stands in for what was not given. ``change`` may differ by kind, and ``change_words`` say the rest of it.
    ``elsewhere`` is said of a guest whose kind is not among ``kinds``. A key that is another ``spelling_of`` one with a
    list gives that list its only entry.
    """

    path: str
    type: Type | Parts
    help: str
    example: str
    kinds: tuple[Kind, ...] = BOTH
    default: Any = None
    default_words: str = ""
    required: str = ""
    change: Change | Mapping[Kind, Change] = "live"
    change_words: str = ""
    elsewhere: str = ""
    spelling_of: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def field(self) -> str:
        """Its field in the class of the mapping that it stands in: its name, unless that is a word of Python's."""
        return f"{self.name}_" if iskeyword(self.name) else self.name

    @property
    def parent(self) -> str:
        """The path of the mapping it stands in; empty for the guest itself."""
        return self.path.rpartition(".")[0]

    @property
    def inside(self) -> str:
        """The parent of the keys in it."""
        return self.path + ("[]" if isinstance(self.type, Parts) and self.type.many else "")

    @property
    def default_text(self) -> str:
        """The default for people; empty where there is none to speak of."""
        if self.default_words or self.required or self.default in (None, "", ()) or isinstance(self.type, Parts):
            return self.default_words
        return str(self.default).lower()

    def how(self, kind: Kind) -> Change:
        """What a change of it is for a running guest of this kind."""
        return self.change if isinstance(self.change, str) else self.change[kind]
