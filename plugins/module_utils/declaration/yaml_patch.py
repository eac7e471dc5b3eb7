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

__all__ = ["added", "changed", "declares", "fragment", "has_guests", "patch", "patch_adding", "says", "without_nulls"]

#: Lists and mappings in one another.
_DEEPEST = 50


def fragment(guest: str, changes: Mapping[str, Any]) -> str:
    """The change by itself, as YAML."""
    return changed(f"guests:\n  {guest}:\n", guest, changes)


def patch(text: str, guest: str, changes: Mapping[str, Any], file: str = "guests.yml") -> str:
    """The change as a unified diff of a file. Raises InvalidValue as ``changed`` does."""
    return _unified(text, changed(text, guest, changes), file)


def patch_adding(text: str, guest: str, declaration: Mapping[str, Any], file: str = "guests.yml") -> str:
    """A guest more as a unified diff of a file. Raises InvalidValue as ``added`` does."""
    return _unified(text, added(text, guest, declaration), file)


def added(text: str, guest: str, declaration: Mapping[str, Any]) -> str:
    """The file with a guest more, behind the last; one without ``guests:`` gets that as well.

    Raises InvalidValue for a file that is no YAML, that declares the guest already, or whose ``guests:`` is no mapping.
    """
    _refuse_nested(text)
    if declares(text, guest):
        raise InvalidValue(f"the file declares {guest} already", remedy="Propose a change of it, or take another name.")
    declaration = without_nulls(declaration)
    before = _names(text)
    new = _added(text, guest, declaration)
    after = {**before, "guests": [*before.get("guests", []), guest]}
    if _names(new) != after or not says(new, guest, declaration):
        raise InvalidValue("the file has its guests in a way that is not understood here", remedy="Add it by hand.")
    return new


def without_nulls(declaration: Mapping[str, Any]) -> dict[str, Any]:
    """A declaration without the keys whose value is null, which say nothing."""
    return {
        key: without_nulls(value) if isinstance(value, Mapping) else value
        for key, value in declaration.items()
        if value is not None
    }


def has_guests(text: str) -> bool:
    """Whether a file has ``guests:``. Raises InvalidValue for one that is no YAML."""
    _refuse_nested(text)
    return "guests" in _names(text)


def _names(text: str) -> dict[str, list[str]]:
    """The keys of a file, and the guests by name."""
    node = _composed(text)
    if node is None:
        return {}
    if node.id != "mapping":
        raise InvalidValue("the file is no mapping of variables", remedy="Give the one with guests: in it.")
    return {
        name.value: [guest.value for guest, _its in its.value] if (name.value, its.id) == ("guests", "mapping") else []
        for name, its in node.value
    }


def _added(text: str, guest: str, declaration: Mapping[str, Any]) -> str:
    node = _composed(text)
    guests = next((its for name, its in node.value if name.value == "guests"), None) if node is not None else None
    flow = "{" + f"{_written(guest)}: {_written(declaration)}" + "}"
    if guests is None and node is not None and node.flow_style:
        return _with(text, node, "guests", flow)
    if guests is None:
        # What stood there before may end without a line's end.
        return text + ("" if text.endswith("\n") or not text else "\n") + fragment(guest, declaration)
    if guests.id == "mapping" and guests.value and not guests.flow_style:
        column = guests.value[0][0].start_mark.column
        at = text.find("\n", _end(text, guests))
        lines = [f"{' ' * column}{_written(guest)}:"]
        lines += [f"{' ' * (column + 2)}{_written(key)}: {_written(value)}" for key, value in declaration.items()]
        at = len(text) if at < 0 else at
        return text[:at] + "".join(f"\n{line}" for line in lines) + text[at:]
    if guests.id == "mapping" and guests.value:
        return _with(text, guests, guest, _written(declaration))
    if guests.id == "mapping" or (guests.id == "scalar" and guests.style is None and guests.value in ("", "~", "null")):
        name = next(name for name, its in node.value if its is guests)
        if node.flow_style:
            return text[: guests.start_mark.index] + flow + text[guests.end_mark.index :]
        # Nothing is in it: the lines take the place of that, before a comment on the line.
        at = text.index(":", name.end_mark.index) + 1
        rest = text[at:] if guests.id == "scalar" and not guests.value else text[guests.end_mark.index :]
        end = rest.find("\n")
        comment, rest = (rest, "") if end < 0 else (rest[:end], rest[end:])
        lines = fragment(guest, declaration).splitlines()[1:]
        indent = " " * name.start_mark.column
        return text[:at] + comment.rstrip() + "".join(f"\n{indent}{line}" for line in lines) + (rest or "\n")
    raise InvalidValue(
        "guests: is no mapping in the file", remedy="Give the file that declares guests, or add it by hand."
    )


def _unified(old: str, new: str, file: str) -> str:
    """A diff as git applies it, also of a file whose last line has no end."""
    lines = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{file}", f"b/{file}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


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
