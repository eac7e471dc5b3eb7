# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests model as a JSON Schema, by which editors complete and check a file with ``guests:`` in it.

It says less than reading does, which knows the cluster, and never more: what is refused by the schema is refused there
(https://json-schema.org/draft-07/schema, which editors know best).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .key import Key, Parts
from .keys import STATE_KEYS, children
from .types import Kind
from .values import GUEST_NAME

__all__ = ["schema"]

_KINDS: tuple[Kind, ...] = ("vm", "container")
#: A value that Ansible makes out later.
_TEMPLATE = {"$ref": "#/definitions/template"}


def schema() -> dict[str, Any]:
    """The schema of a file of variables. What is not ``guests:`` in it is not looked at."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Guests of a Drover cluster",
        "type": "object",
        "properties": {
            "guests": {
                "description": "Guests by name, which is their host name too.",
                "type": ["object", "string"],
                "propertyNames": {"pattern": f"^{GUEST_NAME.pattern}$"},
                "additionalProperties": {"$ref": "#/definitions/guest"},
            }
        },
        "definitions": {"guest": _guest(), "template": {"type": "string", "pattern": r"\{\{"}},
    }


def _guest() -> dict[str, Any]:
    """A guest: keys of one kind have no place in another's, and an absent one needs none."""
    keys = children("")
    absent = {"properties": {"state": {"const": "absent"}}, "required": ["state"]}
    return {
        "type": "object",
        "properties": {key.name: _described(key) for key in keys},
        "additionalProperties": False,
        "if": absent,
        "else": {
            "required": [key.name for key in keys if key.required],
            "properties": {key.name: {"const": key.default} for key in STATE_KEYS if key.name != "state"},
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                    "then": _of_kind(keys, kind),
                }
                for kind in _KINDS
            ],
        },
    }


def _of_kind(keys: Iterable[Key], kind: Kind) -> dict[str, Any]:
    """What holds for guests of one kind alone."""
    found: dict[str, Any] = {}
    for key in keys:
        if kind not in key.kinds:
            found[key.name] = False
        elif isinstance(key.type, Parts) and not key.type.many and (its := _of_kind(children(key.inside), kind)):
            found[key.name] = its
    return {"properties": found} if found else {}


def _described(key: Key) -> dict[str, Any]:
    shape = _parts(key, key.type) if isinstance(key.type, Parts) else dict(key.type.schema)
    words = key.help + (f" Default: {key.default_text}." if key.default_text else "")
    return {"description": words, "anyOf": [shape, _TEMPLATE]}


def _parts(key: Key, parts: Parts) -> dict[str, Any]:
    keys = children(key.inside)
    mapping: dict[str, Any] = {
        "type": "object",
        "properties": {its.name: _described(its) for its in keys},
        "additionalProperties": False,
        "required": [its.name for its in keys if its.required],
    }
    if parts.many:
        return {"type": "array", "maxItems": parts.many, "items": mapping}
    return {"anyOf": [{"type": "boolean"}, mapping]} if parts.switch else mapping
