# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults, one after the other, on a lab of their own; `make faults` runs it. Exit status 1 when anything was wrong."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "faults")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.218.0.0/24")

from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import exclusively  # noqa: E402

from ..verify.lab import Lab, wait_until_answering  # noqa: E402
from ..verify.plays import succeed, variable  # noqa: E402
from .catalogue import cases, schedule  # noqa: E402
from .guests import trial_guests  # noqa: E402
from .report import line, summary, well  # noqa: E402
from .result import Result  # noqa: E402
from .trial import Trial  # noqa: E402


def main() -> int:
    """Run them and tell."""
    parser = argparse.ArgumentParser(prog="make faults", description="Injects faults while guests move.")
    parser.add_argument("--count", type=int, default=200, help="faults to inject (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=600, help="begin none after so many")
    parser.add_argument("--seed", type=int, default=None, help="of the order and the chances; printed by every run")
    parser.add_argument("--only", default="", help="only faults and phases with this in their name")
    parser.add_argument("--keep", action="store_true", help="use the lab and its guests as they are")
    parser.add_argument("--list", action="store_true", help="name the faults and phases, and inject none")
    parser.add_argument("--results", type=Path, help="a file for the results as JSON lines")
    wish = parser.parse_args()
    chosen = cases(wish.only)
    if wish.list or not chosen:
        print("\n".join(map(str, chosen or cases())))
        return 0 if chosen else 2
    lab = Lab()
    if wish.keep and not (lab.folder / "lab.json").exists():
        parser.error("--keep needs a lab that runs, and there is none: leave it out to have one made")
    seed = int(time.time()) if wish.seed is None else wish.seed
    results: list[Result] = []
    late = False
    # Two at once would take each other's faults for their own.
    with exclusively(ROOT / ".cache" / f"faults-{os.environ['DROVER_LAB']}.lock"):
        if not wish.keep:
            print("making the lab", flush=True)
            succeed("lab", lab_state="present")
            succeed("site", guests=trial_guests(variable("guests")))
        guests = trial_guests(variable("guests"))
        for guest in guests.values():
            wait_until_answering(guest, timeout=60)
        print(f"seed {seed}, {len(chosen)} faults and phases, until {wish.count} are injected", flush=True)
        begun = time.monotonic()
        trial = Trial(lab, guests)
        for number, (case, chance) in enumerate(schedule(chosen, seed), start=1):
            result = trial.run(case, chance)
            results.append(result)
            print(line(number, result), flush=True)
            if wish.results:
                with wish.results.open("a") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
            if sum(result.injected for result in results) >= wish.count or number >= 3 * wish.count:
                break
            if late := time.monotonic() - begun > 60 * wish.minutes:
                break
    print(f"\n{summary(results)}\nseed {seed}")
    injected = sum(result.injected for result in results)
    if late and injected:
        print(f"After {wish.minutes:g} minutes no more were begun.")
    elif injected < wish.count:
        print(f"{wish.count} were to be injected: too many moves were over before the fault could strike.")
        return 1
    return 0 if well(results) else 1


if __name__ == "__main__":
    sys.exit(main())
