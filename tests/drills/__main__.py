# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills, one after the other, on a lab of their own; `make drills` runs it. Exit status 1 when anything was wrong."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "drills")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.225.0.0/24")

from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import exclusively  # noqa: E402

from ..verify.lab import Lab, wait_until_answering  # noqa: E402
from ..verify.plays import play, succeed, variable  # noqa: E402
from .choice import Choice, kinds, schedule  # noqa: E402
from .guests import LEDGERS, drill_guests  # noqa: E402
from .report import line, summary, well  # noqa: E402
from .shared import own_file_system  # noqa: E402


def main() -> int:
    """Do them and tell."""
    parser = argparse.ArgumentParser(prog="make drills", description="Breaks things on purpose, and counts.")
    parser.add_argument("--count", type=int, default=30, help="drills to do (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the order and the chances (default: %(default)s)")
    parser.add_argument("--only", default="", help="only drills with this in their name")
    parser.add_argument("--keep", action="store_true", help="use the lab as it is, and leave it")
    parser.add_argument("--list", action="store_true", help="name the drills, and do none")
    parser.add_argument("--results", type=Path, help="a file for the results as JSON lines")
    wish = parser.parse_args()
    chosen, without = kinds(LabGround.means | {"pool"}, 3, 1, wish.only)
    print("\n".join(f"not in a lab: {reason}" for reason in without))
    if wish.list or not chosen:
        print("\n".join(map(str, chosen)))
        return 0 if chosen else 2
    lab = Lab()
    results: list[dict[str, Any]] = []
    with exclusively(ROOT / ".cache" / f"drills-{os.environ['DROVER_LAB']}.lock"), ExitStack() as stack:
        if not wish.keep:
            print("making the lab", flush=True)
            stack.callback(succeed, "lab", lab_state="absent")
            succeed("lab", lab_state="present")
            stack.enter_context(own_file_system(lab))
            succeed("site", guests=drill_guests(variable("guests")))
        guests = drill_guests(variable("guests"))
        for guest in guests.values():
            wait_until_answering(guest, timeout=60)
        where = {name: lab.where(name) for name in guests}
        print(f"seed {wish.seed}, {wish.count} drills of {len(chosen)} kinds", flush=True)
        for number, choice in enumerate(schedule(chosen, where, wish.seed), start=1):
            if number > wish.count:
                break
            results.append(_drill(choice))
            print(line(number, results[-1]), flush=True)
            if wish.results:
                with wish.results.open("a") as file:
                    file.write(json.dumps(results[-1]) + "\n")
    print(f"\n{summary(results)}\nseed {wish.seed}")
    return 0 if well(results) else 1


def _drill(choice: Choice) -> dict[str, Any]:
    """One drill, by the play."""
    begun = time.monotonic()
    asked = {key: value for key, value in choice._asdict().items() if value}
    done = play("drill", **asked, ledgers=LEDGERS, drill_results=str(ROOT / ".cache" / "drills" / "drills.jsonl"))
    told = [result for (_host, task), result in done.results.items() if task == "Drill" and "outcome" in result]
    found: dict[str, Any] = dict(told[0]["outcome"]) if told else {"guests": [], "wrong": [], **choice._asdict()}
    if done.rc != 0:
        found["wrong"] = done.failures or [done.output[-400:]]
    return {**found, "name": str(choice), "seconds": round(time.monotonic() - begun, 1)}


if __name__ == "__main__":
    sys.exit(main())
