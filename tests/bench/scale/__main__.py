# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make bench-scale`: what a module run costs in clusters of up to a thousand guests.

A lab of three nodes is made; on one of them Drover's own modules run against synthetic clusters (see synthetic.py),
which Pacemaker's tools there take for the live one. Of three runs each the median counts. What a declaration costs to
read and judge is measured on this machine, where plays do it. Then a thousand guests, disabled, go into the lab's live
cluster and come out again. Out come a table and a verdict on each figure aimed at.
"""

from __future__ import annotations

import argparse
import bz2
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "scale")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.216.0.0/24")

from ...verify.lab import Lab  # noqa: E402
from ...verify.plays import succeed  # noqa: E402
from .. import declaration  # noqa: E402
from . import live, synthetic  # noqa: E402

#: Nodes and guests of each cluster.
SIZES = ((3, 100), (3, 300), (3, 1000), (16, 320), (16, 1000))
#: Seconds that a figure may take with 1,000 guests on 3 nodes, and how many times that of 100 it may be.
AIMS = {"predict": 1.5, "status": 1.0, "declaration": 0.5}
GROWTH = 12.0
#: Where things are put on the node.
FOLDER = "/root/bench-scale"
_MODULES = "ansible_collections.cspp.drover.plugins.modules"


class Figure(NamedTuple):
    """What one kind of run took, the median: seconds of processor, seconds, and bytes of the largest process."""

    cpu: float
    seconds: float
    memory: int


class Case(NamedTuple):
    """A kind of module run: its name, the module as Python knows it on the node, its arguments, and whether the guests
    of the cluster run."""

    name: str
    module: str
    arguments: Callable[[int, list[str]], dict[str, Any]]
    running: bool = True
    #: Whether it asks the nodes themselves, of which the lab has three.
    asks_nodes: bool = False


CASES = (
    Case("status", f"{_MODULES}.cluster_status_info", lambda _guests, _nodes: {}),
    Case("start all", f"{_MODULES}.guests", lambda guests, nodes: _guests(guests, nodes), running=False),
    Case("no change", f"{_MODULES}.guests", lambda guests, nodes: _guests(guests, nodes)),
    Case("predict", "predict_drain", lambda _guests, nodes: {"node": nodes[0]}),
    Case(
        "drain",
        f"{_MODULES}.node_maintenance",
        lambda _guests, nodes: {"node": nodes[0], "state": "on", "force": True},
        asks_nodes=True,
    ),
    Case("preflight", f"{_MODULES}.migration_check_info", lambda _guests, _nodes: {}, asks_nodes=True),
)


def _guests(guests: int, nodes: list[str]) -> dict[str, Any]:
    return {"guests": synthetic.specifications(guests, nodes)}


class Bench:
    """A node of the lab, with Drover's modules on it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.node = next(iter(lab.nodes))
        self.run = lab.ssh(self.node)

    def prepare(self) -> None:
        """Put the collection's plugins and what Ansible's modules import onto the node."""
        ansible = next(Path(path, "ansible") for path in sys.path if Path(path, "ansible", "module_utils").is_dir())
        self.run(["mkdir", "-p", f"{FOLDER}/ansible_collections/cspp/drover"])
        self._copy(ROOT, ["plugins/modules", "plugins/module_utils"], f"{FOLDER}/ansible_collections/cspp/drover")
        parts = ["__init__.py", "_vendor", "release.py", "module_utils"]
        self._copy(ansible.parent, [f"ansible/{part}" for part in parts], FOLDER)
        self._copy(Path(__file__).parent, ["on_node.py", "predict_drain.py"], FOLDER)

    def _copy(self, base: Path, names: Iterable[str], to: str) -> None:
        packing = ["tar", "-C", str(base), "--exclude=__pycache__", "-cf", "-", *names]
        with subprocess.Popen(packing, stdout=subprocess.PIPE) as packed:
            subprocess.run([*self.lab.ssh_argv(self.node), f"tar -C {to} -xf -"], stdin=packed.stdout, check=True)

    def write(self, name: str, text: str) -> str:
        path = f"{FOLDER}/{name}"
        self.run(["tee", path], stdin=text)
        return path

    def measure(self, case: Case, guests: int, nodes: list[str], repetitions: int) -> Figure:
        """Run a case in check mode against a synthetic cluster. Raises SystemExit when the module fails."""
        cib = self.write("cib.xml", synthetic.cluster_of(guests, nodes, running=case.running))
        asked = {"ANSIBLE_MODULE_ARGS": {**case.arguments(guests, nodes), "_ansible_check_mode": True}}
        arguments = self.write("arguments.json", json.dumps(asked))
        runs = []
        for _repetition in range(repetitions):
            argv = ["env", f"PYTHONPATH={FOLDER}", "python3", f"{FOLDER}/on_node.py", case.module]
            said = json.loads(self.run([*argv, arguments, cib], timeout=900).stdout)
            if said["failed"] or said["status"]:
                sys.exit(f"{case.name} with {guests} guests on {len(nodes)} nodes failed: {said['msg']}")
            runs.append(said)
        return Figure(*(statistics.median(run[key] for run in runs) for key in ("cpu", "seconds", "memory")))


def declaration_figure(guests: int, nodes: int) -> Figure:
    """What a whole run does with a declaration on this machine, by the bench of its own: processor time alone."""
    cpu = declaration.cost(partial(declaration.whole, declaration.guests(guests, nodes), declaration.cluster(nodes)))
    return Figure(cpu, cpu, 0)


def table(found: dict[tuple[int, int], dict[str, Figure]], sizes: dict[tuple[int, int], tuple[int, int]]) -> list[str]:
    """The figures as lines: per kind of run processor seconds, seconds, and MiB of the largest process."""
    lines = [f"{'nodes':>5} {'guests':>6} {'CIB MB':>7} {'packed kB':>9}  run          cpu s  total s     MiB"]
    for (nodes, guests), figures in found.items():
        raw, packed = sizes[nodes, guests]
        for name, figure in figures.items():
            memory = f"{figure.memory / 2**20:7.0f}" if figure.memory else "      -"
            lines.append(
                f"{nodes:>5} {guests:>6} {raw / 1e6:>7.1f} {packed / 1e3:>9.0f}  {name:11} {figure.cpu:>6.2f} "
                f"{figure.seconds:>8.2f} {memory}"
            )
    return lines


def verdicts(found: dict[tuple[int, int], dict[str, Figure]]) -> list[tuple[bool, str]]:
    """Whether each figure is what was aimed at, and in what words."""
    said = []
    most, least = found.get((3, 1000), {}), found.get((3, 100), {})
    for name, aim in AIMS.items():
        if name in most:
            value = most[name].cpu if name == "declaration" else most[name].seconds
            said.append((value <= aim, f"{name}, 1,000 guests on 3 nodes: {value:.2f} s, aim {aim:g} s"))
    for name in most.keys() & least.keys():
        ratio = most[name].cpu / least[name].cpu
        said.append((ratio <= GROWTH, f"{name}: {ratio:.1f} times that of 100 guests, aim {GROWTH:g}"))
    return said


def main() -> int:
    """Measure and tell; 1 when an aim was missed and ``--strict`` was said."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description="What a thousand guests cost.")
    parser.add_argument("--keep", action="store_true", help="use the lab as it is, and leave it")
    parser.add_argument("--repetitions", type=int, default=3, help="runs of each kind (default: %(default)s)")
    parser.add_argument("--only", nargs="*", help="names of the kinds of run, and live for the live cluster")
    parser.add_argument("--strict", action="store_true", help="an aim that was missed is an error")
    wish = parser.parse_args()
    lab = Lab()
    try:
        if not wish.keep:
            print("making the lab", flush=True)
            succeed("lab", lab_state="present")
            succeed("site", guests={})
        bench = Bench(lab)
        bench.prepare()
        found: dict[tuple[int, int], dict[str, Figure]] = {}
        sizes: dict[tuple[int, int], tuple[int, int]] = {}
        for nodes, guests in SIZES:
            names = synthetic.node_names(nodes)
            cib = synthetic.cluster_of(guests, names).encode()
            sizes[nodes, guests] = len(cib), len(bz2.compress(cib, 4))
            figures = found.setdefault((nodes, guests), {})
            figures["declaration"] = declaration_figure(guests, nodes)
            for case in CASES:
                if (wish.only and case.name not in wish.only) or (case.asks_nodes and nodes > len(lab.nodes)):
                    continue
                print(f"{case.name}, {guests} guests on {nodes} nodes", flush=True)
                figures[case.name] = bench.measure(case, guests, names, wish.repetitions)
        print("\n".join(table(found, sizes)))
        judged = verdicts(found)
        if not wish.only or "live" in wish.only:
            judged.append(live.load(lab, 1000))
        for well, words in judged:
            print(f"{'ok  ' if well else 'MISS'} {words}")
        return 1 if wish.strict and not all(well for well, _words in judged) else 0
    finally:
        if not wish.keep:
            succeed("lab", lab_state="absent")


if __name__ == "__main__":
    sys.exit(main())
