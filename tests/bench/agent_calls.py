# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CPU that monitors of guests cost. Target: 25 ms a call, the mean of those that a guest gets.

`make bench-agents` on a lab on which guests run; DROVER_LAB selects the lab. Calls the agents that are installed on the
nodes, as Pacemaker does, for every guest where it runs. Prints JSON, milliseconds of user and system time with those of
the programs that an agent starts: Python that does nothing, for comparison; a monitor that finds the guest as it was;
one that looks at everything; the mean at the interval the guest is monitored with. Fails when one is over the target.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))

from ansible_collections.cspp.drover.plugins.module_utils.agents.glance import MARKS, TRUSTED  # noqa: E402

from ..verify.lab import Lab  # noqa: E402

os.environ.setdefault("DROVER_LAB", "drover")
TARGET_MS = 25.0
RUNS = 50

#: Runs on a node: argv is JSON with the agent's path, its environment, the mark's path and the number of runs.
_MEASURE = """
import json, os, statistics, subprocess, sys

agent, environ, mark, runs = json.loads(sys.argv[1])
environ = {"PATH": os.environ["PATH"], "LC_ALL": "C", **environ}

def cost(argv, *, whole=False):
    taken = []
    for _run in range(runs):
        if whole and os.path.exists(mark):
            os.unlink(mark)
        process = subprocess.Popen(argv, env=environ)
        _pid, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{argv} ended with {os.waitstatus_to_exitcode(status)}")
        taken.append(1000 * (usage.ru_utime + usage.ru_stime))
    return round(statistics.median(taken), 1)

python = cost(["/usr/bin/python3", "-I", "-c", "pass"])
whole = cost([agent, "monitor"], whole=True)
print(json.dumps({"python_ms": python, "whole_ms": whole, "usual_ms": cost([agent, "monitor"])}))
"""


def measure(lab: Lab) -> dict[str, Any]:
    """The costs for every guest that runs, by its name."""
    found: dict[str, Any] = {}
    for name, resource in lab.configuration().guests().items():
        interval = next(float(one.interval.removesuffix("s")) for one in resource.operations if one.name == "monitor")
        environ = {
            "OCF_RESOURCE_INSTANCE": name,
            "OCF_RESKEY_CRM_meta_timeout": "30000",
            "OCF_RESKEY_CRM_meta_interval": f"{interval * 1000:.0f}",
            **{f"OCF_RESKEY_{key}": value for key, value in resource.params.items()},
        }
        agent = f"/usr/lib/ocf/resource.d/{resource.provider}/{resource.type}"
        argument = json.dumps([agent, environ, f"{MARKS}/{name}", RUNS])
        answer = lab.ssh(lab.where(name))(["python3", "-c", _MEASURE, argument], timeout=300)
        costs = json.loads(answer.stdout)
        usual = max(0.0, TRUSTED / interval - 1)
        mean = (costs["whole_ms"] + usual * costs["usual_ms"]) / (1 + usual)
        times = round(mean / costs["python_ms"], 2)
        found[name] = {"agent": resource.type, **costs, "mean_ms": round(mean, 1), "mean_per_python": times}
    return found


def main() -> None:
    guests = measure(Lab())
    print(json.dumps({"runs": RUNS, "target_ms": TARGET_MS, "guests": guests}, indent=2))
    if not guests or any(costs["mean_ms"] > TARGET_MS for costs in guests.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
