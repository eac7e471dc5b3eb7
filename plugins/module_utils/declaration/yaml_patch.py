# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of a guest's declaration as a patch of the file that it stands in: comments, order and quotes stay, for
nothing is written anew but the values that change.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import InvalidValue

__all__ = ["changed", "declares", "fragment", "patch", "says"]

#: Lists and mappings in one another.
_DEEPEST = 50


def fragment(guest: str, changes: Mapping[str, Any]) -> str:
    """The change by itself, as YAML."""
    return changed(f"guests:\n  {guest}:\n", guest, changes)


def patch(text: str, guest: str, changes: Mapping[str, Any], file: str = "guests.yml") -> str:
    """The change as a unified diff of a file. Raises InvalidValue as ``changed`` does."""
    old, new = text.splitlines(keepends=True), changed(text, guest, changes).splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, f"a/{file}", f"b/{file}"))


def changed(text: str, guest: str, changes: Mapping[str, Any]) -> str:
    """The file with other values of some keys of a guest; None takes a key out. Mappings are gone into.

    Raises InvalidValue for a file that is no YAML, that does not declare the guest, or that says it by an alias.
    """
    _refuse_nested(text)
    wanted = _merged(_said(_found(text, ["guests", guest])[1]), changes)
    for key, value in changes.items():
        text = _changed(text, ["guests", guest, key], value)
    if _said(_found(text, ["guests", guest])[1]) != wanted:
        raise InvalidValue(f"the file says {guest} in a way that is not understood here", remedy="Change it by hand.")
    return text


def declares(text: str, guest: str) -> bool:
    """Whether a file declares a guest. Raises InvalidValue for one that is no YAML."""
    _refuse_nested(text)
    node = _composed(text)
    for key in ("guests", guest):
        if node is None or node.id != "mapping":
            return False
        node = next((its for name, its in node.value if name.value == key), None)
    return node is not None


def says(text: str, guest: str, changes: Mapping[str, Any]) -> bool:
    """Whether a file says of a guest what it would after the change, in whatever way. Raises InvalidValue as
    ``changed`` does."""
    if not declares(text, guest):
        return False
    said = _said(_found(text, ["guests", guest])[1])
    return bool(_merged(said, changes) == said)


def _refuse_nested(text: str) -> None:
    """Raise InvalidValue for a file on which its reader would spend a long time for nothing."""
    depth = 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if depth > _DEEPEST:
            remedy = "Give the file that declares the guest under guests:, or make the change by hand."
            raise InvalidValue(f"the file has more than {_DEEPEST} lists and mappings in one another", remedy=remedy)


def _said(node: Any) -> Any:
    """What a part of a file says, of whichever types: nothing is made of it. Raises InvalidValue for an alias in it."""
    if node is None or (node.id == "scalar" and not node.value and node.style is None):
        return {}
    if node.id == "mapping":
        return {name.value: _said(its) for name, its in _pairs(node)}
    if node.id == "sequence":
        return [_said(_own(its, node.start_mark)) for its in node.value]
    return (node.tag, node.value)


def _pairs(mapping: Any) -> Iterator[tuple[Any, Any]]:
    """The keys of a mapping and their values. Raises InvalidValue for an alias, and for a key that is no text."""
    for name, its in mapping.value:
        if name.id != "scalar":
            raise InvalidValue("a key of the file is no text", remedy="Make the change by hand.")
        yield name, _own(its, name.end_mark)


def _own(node: Any, behind: Any) -> Any:
    """A part that stands where it is said. One that an alias stands for has its place before."""
    if node.start_mark.index < behind.index:
        raise InvalidValue("the guest is said by an alias", remedy="Make the change by hand.")
    return node


def _merged(said: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same of what a guest is to say."""
    found = dict(said) if isinstance(said, dict) else {}
    for key, value in changes.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(found.get(key), dict):
            found[key] = _merged(found[key], value)
        else:
            found[key] = _said(_composed(_written(value)))
    return found


def _changed(text: str, path: list[str], value: Any) -> str:
    mapping, node = _found(text, path)
    if isinstance(value, Mapping) and node is not None and node.id == "mapping":
        for key, part in value.items():
            text = _changed(text, [*path, key], part)
        return text
    if node is not None and value is None:
        return _without(text, mapping, path[-1])
    if value is None:
        return text
    written = _written(value)
    if node is not None:
        name = next(name for name, its in mapping.value if its is node)
        return _instead(text, name, node, written)
    return _with(text, mapping, path[-1], written)


def _instead(text: str, name: Any, node: Any, written: str) -> str:
    """Another value of a key. What stood on lines of its own gives way to one on the key's line, before its comment."""
    begin, end = int(node.start_mark.index), _end(text, node)
    if node.start_mark.line == name.end_mark.line:
        return text[:begin] + ("" if text[:begin][-1:].isspace() else " ") + written + text[end:]
    colon = text.index(":", name.end_mark.index) + 1
    rest = text.index("\n", colon)
    return f"{text[:colon]} {written}{text[colon:rest]}{text[end:]}"


def _found(text: str, path: list[str]) -> tuple[Any, Any]:
    """The mapping that a path's last key stands in, and the value of the key; None for one that is not there."""
    node, mapping = _composed(text), None
    for at, key in enumerate(path):
        empty = node is not None and node.id == "scalar" and not node.value
        if at and empty and len(path) - 1 == at:
            return node, None
        if node is None or node.id != "mapping":
            raise InvalidValue(
                f"the file does not say {'.'.join(path[:at]) or 'anything'} as a mapping",
                remedy="Give the file that declares the guest under guests:, or make the change by hand.",
            )
        mapping = node
        pair = next((pair for pair in node.value if pair[0].value == key), None)
        node = _own(pair[1], pair[0].end_mark) if pair else None
        if node is None and at < len(path) - 1:
            raise InvalidValue(
                f"the file does not declare {'.'.join(path[: at + 1])}",
                remedy="Give the file that declares the guest under guests:, or make the change by hand.",
            )
    return mapping, node


def _composed(text: str) -> Any:
    import yaml  # python3-yaml, which nodes have for the console alone

    try:
        return yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidValue(f"the file is no YAML: {_problem(error)}", remedy="Mend it, and try again.") from error


def _problem(error: Any) -> str:
    """What the reader says of a file, and of which line, but not what stands in it: not everybody may know that."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{getattr(error, 'problem', None) or 'it cannot be read'}{where}"


def _end(text: str, node: Any) -> int:
    """Where a value ends: with the last of what is in it, for a block's own end mark lies behind what follows it."""
    if node.id != "scalar" and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if node.id == "mapping" else last)
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    return start + len(text[start:end].rstrip())


def _without(text: str, mapping: Any, key: str) -> str:
    at = next(index for index, (name, _its) in enumerate(mapping.value) if name.value == key)
    name, its = mapping.value[at]
    if mapping.flow_style:
        if at + 1 < len(mapping.value):
            return text[: name.start_mark.index] + text[mapping.value[at + 1][0].start_mark.index :]
        before = _end(text, mapping.value[at - 1][1]) if at else int(mapping.start_mark.index) + 1
        return text[:before] + text[_end(text, its) :]
    begin = text.rfind("\n", 0, name.start_mark.index) + 1
    end = text.find("\n", _end(text, its))
    return text[:begin] + ("" if end < 0 else text[end + 1 :])


def _with(text: str, mapping: Any, key: str, written: str) -> str:
    """A key more, behind the last."""
    key = _written(key)
    if mapping.id == "scalar":  # a key without a value: the mapping begins here
        indent = _indent(text, mapping.start_mark.index) + 2
        at = text.find("\n", max(0, mapping.start_mark.index - 1))
        at = len(text) if at < 0 else at
        return f"{text[:at]}\n{' ' * indent}{key}: {written}{text[at:]}"
    if mapping.flow_style:
        last = _end(text, mapping.value[-1][1]) if mapping.value else int(mapping.start_mark.index) + 1
        return f"{text[:last]}{', ' if mapping.value else ''}{key}: {written}{text[last:]}"
    first, last = mapping.value[0][0], mapping.value[-1][1]
    at = text.find("\n", _end(text, last))
    at = len(text) if at < 0 else at
    return f"{text[:at]}\n{' ' * first.start_mark.column}{key}: {written}{text[at:]}"


def _indent(text: str, index: int) -> int:
    """The indentation of the line that has the key before this place."""
    line = text[text.rfind("\n", 0, max(0, index - 1)) + 1 :]
    return len(line) - len(line.lstrip(" "))


def _written(value: Any) -> str:
    """A value on one line. JSON is YAML; what is plain needs no quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(key)}: {_written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, str) and _is_plain(value):
        return value
    return json.dumps(value, ensure_ascii=not (isinstance(value, str) and value.isprintable()))


def _is_plain(text: str) -> bool:
    import yaml

    if not text or not text.isascii() or set(text) & set(",[]{}:#&*!|>'\"%@`\n") or text != text.strip():
        return False
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False
