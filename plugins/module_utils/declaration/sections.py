# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading the mappings of a declaration by the table of keys.

Every problem is noted with its path, and reading goes on.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core import parse
from ..core.quoting import quoted, step
from .checks import CHECKS, Check
from .key import Context, Key, Parts
from .keys import children
from .types import Cluster, Kind

__all__ = ["Notes", "Place", "Section", "unknown"]

#: In place of a value that could not be made out.
_WRONG: Any = object()


@dataclass(frozen=True)
class Notes:
    """What is found on the way: ``problems`` forbid going on, ``warnings`` are only worth knowing."""

    problems: list[parse.Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where a mapping stands: its path, whose it is, which of a list it is, and where to note things."""

    path: str
    guest: str
    notes: Notes
    index: int = 0

    def note(self, key: str, message: str) -> None:
        self.notes.problems.append(parse.Problem(f"{self.path}.{key}" if key else self.path, message))

    def below(self, step: str, index: int = 0) -> Place:
        return Place(self.path + step, self.guest, self.notes, index)


class Section:
    """A mapping of the model, as it is read for guests of one kind in one cluster."""

    def __init__(
        self, keys: Iterable[Key], make: Callable[..., Any], kind: Kind, cluster: Cluster, check: Check | None = None
    ) -> None:
        own = [key for key in keys if kind in key.kinds]
        self._make = make
        self._cluster = cluster
        self._check = check
        self._elsewhere = {key.name: key.elsewhere for key in keys if kind not in key.kinds}
        self._readers: dict[Any, _Reader] = {key.name: _reader(key, kind, cluster) for key in own}
        self._required = [key for key in own if key.required]
        fields = [key for key in own if not key.spelling_of]
        self._computed = {key.field: key.default for key in fields if callable(key.default)}
        self._plain = {key.field: key.default for key in fields if not callable(key.default)}
        #: Mappings that are read also when they are not there, for their defaults or for what is missing in them.
        self._always = {
            name: reader.section
            for name, reader in self._readers.items()
            if isinstance(reader, _Mapping) and reader.key.default is None
        }
        for name, section in self._always.items():
            self._plain[name] = section.read({}, Place("", "", Notes()))

    def read(self, raw: Mapping[Any, Any], place: Place, **given: Any) -> Any:
        """What the mapping says, and what is ``given`` besides; defaults stand in for all that is wrong in it."""
        values = {**self._plain, **given}
        computed = self._computed.copy()
        for name, value in raw.items():
            reader = self._readers.get(name)
            if reader is None:
                place.note(step(name), self._elsewhere.get(name) or unknown(name, self._readers))
            elif value is None:
                if not reader.key.required:
                    place.notes.warnings.append(f"{place.path}.{name} is empty: it is taken as not given")
            elif (read := reader.read(value, place)) is not _WRONG:
                field = reader.key.spelling_of
                if field and raw.get(field):
                    place.note(name, f"give either {name} or {field}")
                elif field:
                    values[field] = (read,)
                else:
                    values[reader.key.field] = read
                    computed.pop(reader.key.field, None)
        for key in self._required:
            if raw.get(key.name) is None:
                place.note(key.name, f"is missing: {key.required}")
        for name, section in self._always.items():
            if section._required and raw.get(name) is None:
                section.read({}, place.below(f".{name}"))
        for name, default in computed.items():
            values[name] = default(Context(values, self._cluster, place.guest, place.index))
        made = self._make(**values)
        if self._check is not None:
            for name, message in self._check(made, raw, self._cluster):
                place.note(name, message)
        return made


class _Reader:
    """A key as it is read for guests of one kind in one cluster."""

    def __init__(self, key: Key, parser: Callable[[Any], Any]) -> None:
        self.key = key
        self._parser = parser

    def read(self, value: Any, place: Place) -> Any:
        """What a value says; _WRONG for one that could not be made out, which is noted."""
        try:
            return self._parser(value)
        except ValueError as error:
            place.note(self.key.name, str(error))
            return _WRONG


class _Mapping(_Reader):
    """A key with keys of its own."""

    def __init__(self, key: Key, section: Section) -> None:
        super().__init__(key, parse.mapping)
        self.section = section

    def read(self, value: Any, place: Place) -> Any:
        raw = super().read(value, place)
        return raw if raw is _WRONG else self.section.read(raw, place.below(f".{self.key.name}"))


class _Switch(_Reader):
    """A key with keys of its own that may also be true, for their defaults, or false, for none of it."""

    def __init__(self, key: Key, section: Section) -> None:
        super().__init__(key, parse.boolean)
        self._section = section

    def read(self, value: Any, place: Place) -> Any:
        if isinstance(value, Mapping):
            return self._section.read(value, place.below(f".{self.key.name}"))
        on = super().read(value, place)
        return on if on is _WRONG else self._section.read({}, place) if on else None


class _List(_Reader):
    """A key with a list of mappings."""

    def __init__(self, key: Key, section: Section, most: int) -> None:
        super().__init__(key, parse.sequence)
        self._section = section
        self._most = most

    def read(self, value: Any, place: Place) -> Any:
        raw = super().read(value, place)
        if raw is _WRONG:
            return _WRONG
        if len(raw) > self._most:
            place.note(self.key.name, f"has {len(raw)} entries: {self._most} are the most there can be")
            return _WRONG
        found = []
        for index, entry in enumerate(raw):
            its = place.below(f".{self.key.name}[{index}]", index)
            if isinstance(entry, Mapping):
                found.append(self._section.read(entry, its))
            else:
                its.note("", f"{quoted(entry)} is not a mapping")
        return tuple(found)


def _reader(key: Key, kind: Kind, cluster: Cluster) -> _Reader:
    if not isinstance(key.type, Parts):
        return _Reader(key, key.type.bind(cluster))
    section = Section(children(key.inside), key.type.make, kind, cluster, CHECKS.get(key.inside))
    if key.type.many:
        return _List(key, section, key.type.many)
    return _Switch(key, section) if key.type.switch else _Mapping(key, section)


def unknown(name: object, known: Collection[str]) -> str:
    """What is said of a key that is none of those that are known."""
    close = difflib.get_close_matches(step(name), known, n=1, cutoff=0.65)
    remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
    return f"is not a key here ({remedy})"
