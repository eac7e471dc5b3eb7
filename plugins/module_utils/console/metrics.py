# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node and its cluster as numbers, in Prometheus' text format, from the samples that the steward has taken.

What the cluster is like, every node tells alike: take one of them (``max without (instance)``). What guests use, only
the node tells that runs them, so that sums over all nodes are right also during a move; a guest is known by its name,
never by its node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["exposition"]

Sample = tuple[Mapping[str, str], float]

#: What guests use, by the steward's word for it: the family, and its help.
_USED = {
    "cpu_seconds": ("drover_guest_cpu_seconds_total", "Processor time that a guest has used since it started here."),
    "memory": ("drover_guest_memory_bytes", "Memory of the node that a guest takes."),
    "read": ("drover_guest_disk_read_bytes_total", "Bytes that a guest has read."),
    "written": ("drover_guest_disk_written_bytes_total", "Bytes that a guest has written."),
    "received": ("drover_guest_network_received_bytes_total", "Bytes that a guest has received."),
    "sent": ("drover_guest_network_sent_bytes_total", "Bytes that a guest has sent."),
}


def exposition(numbers: Mapping[str, Any]) -> str:
    """The steward's numbers as samples, with their help and types. A part without a sample is left out."""
    return "".join(f"{line}\n" for line in _lines(numbers))


def _lines(numbers: Mapping[str, Any]) -> Iterator[str]:
    ages = [({"part": part}, float(age)) for part, age in numbers["age"].items()]
    yield from _family("drover_sample_age_seconds", "Age of what is told here, by part.", ages)
    if (cluster := numbers["cluster"]) is not None:
        yield from _cluster(cluster["look"])
        yield from _headroom(cluster)
        yield from _declaration(cluster["look"]["declaration"])
    if numbers["usage"] is not None:
        yield from _usage(numbers["usage"])
    if numbers["history"] is not None:
        yield from _history(numbers["history"])
    if cluster is not None and numbers["history"] is not None:
        yield from _proofs(cluster["look"]["nodes"], numbers["history"]["proofs"])


def _cluster(look: Mapping[str, Any]) -> Iterator[str]:
    nodes, guests = look["nodes"], look["guests"]
    quorum = float(look["cluster"]["quorum"])
    yield from _family("drover_quorum", "Whether the cluster has quorum.", [({}, quorum)])
    yield from _family("drover_problems", "Problems by severity.", _counted(look["problems"], "severity"))
    yield from _family(
        "drover_node_online",
        "Whether a node is online.",
        [({"node": node["name"]}, float(node["state"] == "online")) for node in nodes],
    )
    states = [({"node": node["name"], "state": node["state"]}, 1.0) for node in nodes]
    yield from _family("drover_node_state", "The state that a node is in.", states)
    for name, kind in (("memory", "bytes"), ("cpus", "")):
        for part in ("total", "promised"):
            yield from _family(
                "_".join(filter(None, ("drover_node", name, part, kind))),
                f"A node's {name}: {part}.",
                [({"node": node["name"]}, value) for node in nodes if (value := node[name][part]) is not None],
            )
    yield from _family("drover_guests", "Guests by kind and state.", _counted(guests, "kind", "state"))
    yield from _family("drover_moves", "Moves that are under way.", [({}, len(look["moves"]))])


def _headroom(cluster: Mapping[str, Any]) -> Iterator[str]:
    nodes = {node["name"]: node["memory"] for node in cluster["look"]["nodes"] if node["name"] in cluster["usable"]}
    free = [({"node": name}, memory["total"] - memory["promised"]) for name, memory in nodes.items()]
    yield from _family("drover_headroom_memory_bytes", "Memory that guests could still be promised on a node.", free)
    without = [({"node": name}, len(cluster["homeless"].get(name, ()))) for name in nodes]
    text = "Guests that would find no room elsewhere if this node were lost."
    yield from _family("drover_headroom_homeless_guests", text, without)
    largest = max(nodes, key=lambda name: (nodes[name]["promised"], name), default=None)
    survives: list[Sample] = [({}, float(largest not in cluster["homeless"]))] if largest else []
    text = "Whether all guests of the node that has promised most find room elsewhere if it is lost."
    yield from _family("drover_headroom_survives_largest_node", text, survives)


def _declaration(told: Mapping[str, Any]) -> Iterator[str]:
    known = told["drift"] is not None
    text = "Whether this node can tell what differs from what guests.yml declared last."
    yield from _family("drover_drift_known", text, [({}, float(known))])
    if known:
        text = "Guests that guests.yml would change now."
        yield from _family("drover_drifted_guests", text, [({}, len(told["drift"]))])
    labels = {"commit": told["commit"] or "", "dirty": str(bool(told["dirty"])).lower()}
    yield from _family("drover_declaration_info", "The commit of what guests.yml declared last.", [(labels, 1)])


def _usage(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for word, (name, text) in _USED.items():
        found = [({"guest": row["guest"], "kind": row["kind"]}, row[word]) for row in rows if word in row]
        yield from _family(name, text, found, "counter" if name.endswith("_total") else "gauge")


def _history(told: Mapping[str, Any]) -> Iterator[str]:
    moves = [({"kind": one["kind"], "result": one["result"]}, one["count"]) for one in told["moves"]]
    yield from _family("drover_moves_total", "Moves in the journal, which keeps 10000 entries.", moves, "counter")
    yield from _histogram(
        "drover_move_pause_seconds",
        "For how long guests were away in moves: the hypervisor's count.",
        [({"kind": kind}, found) for kind, found in told["pauses"].items()],
    )
    yield from _histogram(
        "drover_move_forecast_error_seconds",
        "By how much pauses were other than forecast, of moves asked for through the console.",
        [({}, told["forecast_errors"])],
    )
    yield from _family(
        "drover_nodes_lost_total", "Nodes that were lost, by the journal.", [({}, told["lost"])], "counter"
    )
    drills = [
        ({"drill": one["drill"], "variant": one["variant"], "result": one["result"]}, one["at"])
        for one in told["drills"]
    ]
    yield from _family("drover_drill_timestamp_seconds", "When a drill was done last, and how it ended.", drills)
    untold: list[Sample] = [({}, told["untold"])]
    yield from _family("drover_stories_untold", "Messages that receivers of notifications do not have yet.", untold)
    ends = [({"name": one["name"], "what": one["what"]}, one["end"]) for one in told["certificates"]]
    yield from _family("drover_certificate_end_timestamp_seconds", "When a certificate of this node ends.", ends)


def _proofs(nodes: Iterable[Mapping[str, Any]], proofs: Mapping[str, float]) -> Iterator[str]:
    text = "When it was proven last that a node can be fenced; 0 for never."
    found = [({"node": node["name"]}, proofs.get(node["name"], 0.0)) for node in nodes]
    yield from _family("drover_fence_proof_timestamp_seconds", text, found)


def _counted(things: Iterable[Mapping[str, Any]], *by: str) -> list[Sample]:
    counts = Counter(tuple(thing[name] for name in by) for thing in things)
    return [(dict(zip(by, key, strict=True)), count) for key, count in sorted(counts.items())]


def _family(name: str, text: str, samples: Iterable[Sample], kind: str = "gauge") -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    yield from (_sample(name, labels, value) for labels, value in samples)


def _histogram(name: str, text: str, found: Iterable[tuple[Mapping[str, str], Mapping[str, Any]]]) -> Iterator[str]:
    """A histogram, from counts in each bucket; in the format each holds those before it as well."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} histogram"
    for labels, one in found:
        so_far = 0
        for bound, count in zip([*one["buckets"], None], one["counts"], strict=True):
            so_far += count
            yield _sample(f"{name}_bucket", {**labels, "le": "+Inf" if bound is None else f"{bound:g}"}, so_far)
        yield _sample(f"{name}_sum", labels, one["sum"])
        yield _sample(f"{name}_count", labels, so_far)


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
