# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make bench-failover`: power cuts under Drover and under stock agents in turn, and when each guest answered again.

A client outside of the nodes opens a connection to both guests every tenth of a second. All times count from the cut.
On Ceph there is nothing beside it; the node that is struck serves Ceph's file system too, and another writes meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "failover")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.228.0.0/24")

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import run_program  # noqa: E402

from ...verify.lab import Lab  # noqa: E402
from ...verify.plays import BESIDE, succeed  # noqa: E402
from .ceph_rig import CephRig  # noqa: E402
from .figures import PARTS, TARGETS, Record, ceph_misses, misses, stalls, table  # noqa: E402
from .rig import WAYS, Rig  # noqa: E402

#: Whether all guests are on Ceph (`make bench-failover-ceph`).
ON_CEPH = any(folder.name == "ceph" for folder in BESIDE)


def main() -> int:
    """Cut, and tell."""
    wish = _arguments()
    records: list[Record] = []
    begun = time.monotonic()
    if not wish.keep:
        succeed("lab", lab_state="present")
        # Beside stock the rig declares its own.
        guests: dict[str, Any] = {} if ON_CEPH else {"guests": {}}
        succeed("site", cluster_timing=wish.profile, **guests)
    try:
        (_on_ceph if ON_CEPH else _beside_stock)(wish, records)
    finally:
        if not wish.keep:
            succeed("lab", lab_state="absent")
    print("\nSeconds from the power cut:")
    print("\n".join([*table(records), *(stalls(records) if ON_CEPH else [])]))
    missed = ceph_misses(records) if ON_CEPH else misses(records, wish.profile)
    print("\n".join(f"! {line}" for line in missed))
    print(f"{(time.monotonic() - begun) / 60:.0f} minutes; {wish.results}")
    return 1 if missed and wish.strict else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-failover", description="Measures recovery from power cuts.")
    parser.add_argument("--cuts", type=int, default=10, help="power cuts of each configuration (default: %(default)s)")
    parser.add_argument(
        "--profile", choices=sorted(TARGETS), default="safe", help="the cluster's timing (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="use the lab as it is, and leave it")
    parser.add_argument("--strict", action="store_true", help="end with 1 when a target is not reached")
    results = ROOT / ".cache" / "bench" / ("failover-ceph.json" if ON_CEPH else "failover.json")
    parser.add_argument("--results", type=Path, default=results)
    return parser.parse_args()


def _beside_stock(wish: argparse.Namespace, records: list[Record]) -> None:
    """Cuts under Drover and under stock agents in turn."""
    rig = Rig(Lab(), wish.profile)
    with rig.build():
        for number in range(1, wish.cuts + 1):
            for way in WAYS:
                rig.change(way)
                _keep(rig.cut(way), number, records)
                _write(wish, records, {way: rig.timing(way) for way in WAYS})


def _on_ceph(wish: argparse.Namespace, records: list[Record]) -> None:
    rig = CephRig(Lab(), wish.profile)
    for number in range(1, wish.cuts + 1):
        _keep(rig.cut(), number, records)
        _write(wish, records, {"drover": wish.profile})


def _keep(found: Sequence[Record], number: int, records: list[Record]) -> None:
    for record in found:
        parts = ", ".join(f"{part} {record[part]}" for part in (*PARTS, "stall", "lost") if part in record)
        wrong = f"; {record['error']}" if record.get("error") else ""
        print(f"{number:3} {record['way']:6} {record['kind']:9} {parts}{wrong}", flush=True)
    records += found


def _write(wish: argparse.Namespace, records: Sequence[Record], timing: Mapping[str, Any]) -> None:
    wish.results.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.release()}, load {os.getloadavg()[0]:.1f}",
        "timing": timing,
    }
    wish.results.write_text(json.dumps({**about, "records": records}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_program(main, AssertionError, what="The bench stopped"))
