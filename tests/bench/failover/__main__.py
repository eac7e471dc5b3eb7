# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make bench-failover`: power cuts under Drover and under stock agents in turn, and when each guest answered again.

A client outside of the nodes opens a connection to both guests every tenth of a second. All times count from the cut.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "failover")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.228.0.0/24")

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import run_program  # noqa: E402

from ...verify.lab import Lab  # noqa: E402
from ...verify.plays import succeed  # noqa: E402
from .figures import PARTS, TARGETS, misses, table  # noqa: E402
from .rig import WAYS, Rig  # noqa: E402


def main() -> int:
    """Cut, and tell."""
    parser = argparse.ArgumentParser(prog="make bench-failover", description="Measures recovery from power cuts.")
    parser.add_argument("--cuts", type=int, default=10, help="power cuts of each configuration (default: %(default)s)")
    parser.add_argument(
        "--profile", choices=sorted(TARGETS), default="safe", help="the cluster's timing (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="use the lab as it is, and leave it")
    parser.add_argument("--strict", action="store_true", help="end with 1 when a target is not reached")
    parser.add_argument("--results", type=Path, default=ROOT / ".cache" / "bench" / "failover.json")
    wish = parser.parse_args()
    records: list[dict[str, Any]] = []
    begun = time.monotonic()
    if not wish.keep:
        succeed("lab", lab_state="present")
        succeed("site", guests={}, cluster_timing=wish.profile)
    try:
        rig = Rig(Lab(), wish.profile)
        with rig.build():
            for number in range(1, wish.cuts + 1):
                for way in WAYS:
                    rig.change(way)
                    for record in rig.cut(way):
                        records.append(record)
                        parts = ", ".join(f"{part} {record[part]}" for part in PARTS)
                        wrong = f"; {record['error']}" if record["error"] else ""
                        print(f"{number:3} {way:6} {record['kind']:9} {parts}{wrong}", flush=True)
                    _write(wish.results, rig, records)
    finally:
        if not wish.keep:
            succeed("lab", lab_state="absent")
    print("\nSeconds from the power cut:")
    print("\n".join(table(records)))
    missed = misses(records, wish.profile)
    print("\n".join(f"! {line}" for line in missed))
    print(f"{(time.monotonic() - begun) / 60:.0f} minutes; {wish.results}")
    return 1 if missed and wish.strict else 0


def _write(file: Path, rig: Rig, records: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.release()}, load {os.getloadavg()[0]:.1f}",
        "timing": {way: rig.timing(way) for way in WAYS},
    }
    file.write_text(json.dumps({**about, "records": records}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_program(main, AssertionError, what="The bench stopped"))
