# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster as numbers in Prometheus' text format, from the same look that the page shows.

Guests are told by the node that serves alone, so sums over a cluster's own address are right also during a move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["exposition"]

Sample = tuple[Mapping[str, str], float]


def exposition(look: Mapping[str, Any]) -> str:
    """The look as samples, with their help and types."""
    return "".join(f"{line}\n" for line in _lines(look))


def _lines(look: Mapping[str, Any]) -> Iterator[str]:
    nodes, guests = look["nodes"], look["guests"]
    quorum = float(look["cluster"]["quorum"])
    yield from _family("drover_quorum", "Whether the cluster has quorum.", [({}, quorum)])
    yield from _family("drover_problems", "Problems by severity.", _counted(look["problems"], "severity"))
    yield from _family(
        "drover_node_online",
        "Whether a node is online.",
        [({"node": node["name"]}, float(node["state"] == "online")) for node in nodes],
    )
    for name, kind in (("memory", "bytes"), ("cpus", "")):
        for part in ("total", "promised"):
            yield from _family(
                "_".join(filter(None, ("drover_node", name, part, kind))),
                f"A node's {name}: {part}.",
                [({"node": node["name"]}, value) for node in nodes if (value := node[name][part]) is not None],
            )
    yield from _family("drover_guests", "Guests by kind and state.", _counted(guests, "kind", "state"))
    yield from _family("drover_moves", "Moves that are under way.", [({}, len(look["moves"]))])


def _counted(things: Iterable[Mapping[str, Any]], *by: str) -> list[Sample]:
    counts = Counter(tuple(thing[name] for name in by) for thing in things)
    return [(dict(zip(by, key, strict=True)), count) for key, count in sorted(counts.items())]


def _family(name: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
