# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a run of site.yml takes that has nothing to do. Target: 40 s for three nodes on two cores.

`make bench-second-run` on a lab that site.yml has been run on; DROVER_LAB selects the lab. Prints JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = 5
TARGET = 40.0


def once() -> tuple[float, bool]:
    """Seconds of one run, and whether it changed anything."""
    begun = time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "playbooks/site.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )
    if done.returncode:
        sys.exit(f"site.yml failed:\n{done.stdout[-3000:]}")
    recap = done.stdout.rsplit("PLAY RECAP", 1)[1]
    return time.monotonic() - begun, any("changed=0" not in line for line in recap.splitlines() if "ok=" in line)


def main() -> None:
    runs = [once() for _ in range(RUNS)]
    seconds = sorted(run[0] for run in runs)
    print(
        json.dumps(
            {
                "runs": len(seconds),
                "median_s": round(statistics.median(seconds), 1),
                "min_s": round(seconds[0], 1),
                "max_s": round(seconds[-1], 1),
                "target_s": TARGET,
                "changed": any(run[1] for run in runs),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
