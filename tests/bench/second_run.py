# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make bench-second-run`: what a run of site.yml takes that has nothing to do.

A lab of its own is made, of as many nodes as asked, brought together by site.yml, and removed in the end. What counts
is the median of some runs after that: seconds, of which three nodes should need no more than 40 on two cores, and the
controller's processor time per node (of ansible-playbook with its workers and ssh, not of the nodes, which live on the
same machine), which should be at most 3 s however many nodes there are.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "second")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.222.0.0/24")

from ..verify.plays import ENVIRONMENT, succeed  # noqa: E402

#: Seconds that a run with three nodes may take, and of the controller's processor that any may take per node.
TARGET, CPU_TARGET = 40.0, 3.0


class Run(NamedTuple):
    """What one run took: seconds, seconds of the controller's processor, and whether it changed anything."""

    seconds: float
    cpu: float
    changed: bool


def once() -> Run:
    """Run site.yml. Raises SystemExit when it fails."""
    # Not as plays.succeed does: what ansible-runner writes down of every task would be counted.
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["ansible-playbook", "playbooks/site.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ENVIRONMENT},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"site.yml failed:\n{done.stdout[-3000:]}")
    recap = done.stdout.rsplit("PLAY RECAP", 1)[1]
    return Run(
        time.monotonic() - begun,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        any("changed=0" not in line for line in recap.splitlines() if "ok=" in line),
    )


def main() -> int:
    """Measure and print JSON; 1 when a run changed something."""
    parser = argparse.ArgumentParser(prog="make bench-second-run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=3, help="nodes of the lab (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of which the median counts (default: %(default)s)")
    wish = parser.parse_args()
    try:
        print(f"a lab of {wish.nodes} nodes", file=sys.stderr)
        succeed("lab", lab_state="present", lab_nodes=wish.nodes)
        print("site.yml brings it together", file=sys.stderr)
        begun = time.monotonic()
        succeed("site")
        first = time.monotonic() - begun
        runs: list[Run] = []
        while len(runs) < wish.runs:
            runs.append(once())
            print(f"again: {runs[-1].seconds:.0f} s, {runs[-1].cpu:.0f} s of them computed here", file=sys.stderr)
    finally:
        succeed("lab", lab_state="absent")
    seconds = sorted(run.seconds for run in runs)
    said = {
        "nodes": wish.nodes,
        "runs": len(runs),
        "first_run_s": round(first, 1),
        "median_s": round(statistics.median(seconds), 1),
        "min_s": round(seconds[0], 1),
        "max_s": round(seconds[-1], 1),
        "controller_cpu_per_node_s": round(statistics.median(run.cpu for run in runs) / wish.nodes, 2),
        "controller_cpu_per_node_target_s": CPU_TARGET,
        "changed": any(run.changed for run in runs),
    }
    if wish.nodes == 3:
        said["median_target_s"] = TARGET
    print(json.dumps(said, indent=2))
    return 1 if said["changed"] else 0


if __name__ == "__main__":
    sys.exit(main())
