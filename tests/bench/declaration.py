# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What reading guests costs the controller, in seconds of CPU: once in a run, whatever the number of nodes.

`make bench-declaration` prints JSON: for each number of guests the reading and judging alone, and the whole
plan (read twice, once before and once after the images are built); and the reading of guests that are all wrong, and
all together. Exits with 1 when 1,000 guests on 3 nodes take more than half a second to read, judge and plan, or any of
it takes more than 12 times what it does for 100.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# The collection is mounted in the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".cache" / "collections"))

from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration

#: (guests, nodes); aims hold for those on 3 nodes.
SIZES = ((100, 3), (200, 12), (300, 3), (1000, 3), (1000, 16))
TARGET = 0.5
GROWTH = 12.0
RUNS = 7

IMAGES = {
    "vm/debian-13": {"path": "/images/debian-13-1", "files": {"disk": "disk.qcow2"}},
    "container/debian-13": {"path": "/images/debian-13-2", "files": {"rootfs": "rootfs.tar"}},
}


def cluster(nodes: int) -> dict[str, Any]:
    """What guests are judged against, on nodes that have room for all."""
    own = {f"node{n}": {"memory": 1 << 42, "vcpus": 256, "addresses": [f"192.0.2.{n}/24"]} for n in range(1, nodes + 1)}
    return {
        "nodes": own,
        "images": {"debian-13": {"vm": "disk", "container": "rootfs"}},
        "pools": {
            "shared": {"type": "directory", "path": "/srv/shared"},
            "local": {"type": "directory", "path": "/srv/local", "shared": False},
        },
        "default_pool": "shared",
        "bridges": {"br0": {}, "br1": {}},
        "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you@laptop"],
        "nameservers": ["192.0.2.53"],
    }


def guests(count: int, nodes: int) -> dict[str, Any]:
    """Half VMs, half containers, one in ten on local storage; groups of three wish to be apart."""
    found: dict[str, Any] = {}
    for number in range(count):
        pool = "local" if number % 10 == 0 else "shared"
        guest: dict[str, Any] = {
            "memory": "2GiB",
            "vcpus": 2,
            "nics": [{"bridge": "br0", "address": f"10.{number // 250}.0.{number % 250 + 2}/8", "gateway": "10.0.0.1"}],
            "placement": {"prefer": [f"node{number % nodes + 1}"]},
        }
        if number % 3:
            guest["placement"]["apart_from"] = [f"guest{number - 1}"]
        if number % 2:
            guest |= {"kind": "vm", "disks": [{"size": "20GiB", "image": "debian-13", "pool": pool}, {"size": "1GiB"}]}
        else:
            guest |= {"kind": "container", "rootfs": {"size": "8GiB", "image": "debian-13", "pool": pool}}
        found[f"guest{number}"] = guest
    return found


def wrong(declared: dict[str, Any]) -> dict[str, Any]:
    """The same with a mistake in each, and a wish in each to be together with the one before."""
    names = list(declared)
    return {
        name: {**guest, "memroy": "1GiB", "placement": {"together_with": names[max(0, number - 1) : number]}}
        for number, (name, guest) in enumerate(declared.items())
    }


def whole(declared: dict[str, Any], known: dict[str, Any]) -> None:
    """All that a run of guests.yml does with the declaration."""
    outline = Declaration.read(declared, known).outline()
    assert outline["problems"] == [], outline["problems"][:3]
    workers = list(known["nodes"])
    seen: dict[str, dict[str, Any]] = {node: {"held": [], "kept": {}} for node in workers}
    Declaration.read(declared, known).plan(IMAGES, workers, workers[0], seen)


def cost(work: Callable[[], object]) -> float:
    """Seconds of CPU, the median of some runs."""
    taken = []
    for _ in range(RUNS):
        gc.collect()
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def main() -> None:
    figures: dict[tuple[int, int], dict[str, float]] = {}
    for count, nodes in SIZES:
        declared, known = guests(count, nodes), cluster(nodes)
        figures[count, nodes] = {
            "read_and_judged": cost(partial(Declaration.read, declared, known)),
            "whole_run": cost(partial(whole, declared, known)),
            "wrong": cost(partial(Declaration.read, wrong(declared), known)),
        }
    growth = {what: figures[1000, 3][what] / figures[100, 3][what] for what in figures[1000, 3]}
    print(
        json.dumps(
            {
                "cpu_s": [
                    {"guests": count, "nodes": nodes, **{what: round(seconds, 3) for what, seconds in taken.items()}}
                    for (count, nodes), taken in figures.items()
                ],
                "target_s": TARGET,
                "growth_from_100_to_1000": {what: round(times, 1) for what, times in growth.items()},
                "growth_at_most": GROWTH,
            },
            indent=2,
        )
    )
    sys.exit(figures[1000, 3]["whole_run"] > TARGET or max(growth.values()) > GROWTH)


if __name__ == "__main__":
    main()
