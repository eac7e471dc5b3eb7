# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One guest's page: its definition, why it is where it is and not elsewhere, and its moves; and the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cluster.cib import Configuration
from ..cluster.difference import is_secret
from ..cluster.guests import guest_of
from ..journal.book import Entry
from ..planning.targets import against
from ..preflight.cluster_checks import ClusterChecks
from ..preflight.reasons import reasons
from ..verbs.edit import EDITABLE, declaration_of
from .overview import Eyes, guest_row
from .records import Ledger
from .trouble import unknown

__all__ = ["described", "entries"]

_MOVES = 50
#: What else the journal has of a guest by its name.
_NO_MOVES = ("console", "merge-request")


def described(name: str, eyes: Eyes, ledger: Ledger) -> dict[str, Any]:
    """The document of a guest. Raises Trouble for one there is not."""
    sight = eyes.see()
    if name not in sight.live.guests():
        raise unknown(f"there is no guest {name}", "GET /cluster shows those there are.")
    checks = ClusterChecks(sight.live, sight.status)
    here = sight.status.resource(name)
    where = []
    for node in sight.status.nodes:
        if here is not None and node.name in here.nodes:
            where.append({"node": node.name, "ok": True, "why": "it is here"})
            continue
        why = against(name, node.name, checks, ())
        where.append({"node": node.name, "ok": not why, "why": reasons(why) if why else "it could go there"})
    definition = guest_of(sight.live.primitives[name]) or {}
    return {
        **guest_row(name, sight),
        "definition": {key: value for key, value in definition.items() if not is_secret(key)},
        "where": where,
        "declaration": _declaration(name, sight.live),
        "editable": list(EDITABLE),
        "moves": [entry for entry in entries(ledger, {"guest": name}, _MOVES) if entry.get("kind") not in _NO_MOVES],
    }


def _declaration(name: str, live: Configuration) -> dict[str, Any] | None:
    """The guest as its YAML could say it; None where too little is known of it."""
    try:
        found = declaration_of(live, name)
    except ValueError:
        return None
    return {key: value for key, value in found.items() if not is_secret(key)}


def entries(ledger: Ledger, said: Mapping[str, Any], limit: int) -> list[Entry]:
    """The journal's entries of a guest or node, or all, the newest first, from before one with the id ``before``."""
    found = ledger.book.entries()[::-1]
    if "before" in said:
        ids = [entry["id"] for entry in found]
        if said["before"] not in ids:
            raise unknown(f"the journal has no entry {said['before'][:64]!r}", "Begin with the newest, without before.")
        found = found[ids.index(said["before"]) + 1 :]
    if "guest" in said:
        found = [e for e in found if said["guest"] in (e.get("guest"), e.get("subject"))]
    if "node" in said:
        found = [e for e in found if said["node"] in (e.get("node"), e.get("from"), e.get("to"), e.get("subject"))]
    # What a key was is nobody's business, though it is a hash.
    return [{name: value for name, value in entry.items() if name != "key"} for entry in found[:limit]]
