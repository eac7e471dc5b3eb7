# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make fuzz`: ten minutes of declarations nobody would think of. Ends with 1 after five faults."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from random import Random

# The collection is mounted in the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".cache" / "collections"))

from ansible_collections.cspp.drover.tests.fuzz.mutations import declaration
from ansible_collections.cspp.drover.tests.fuzz.properties import broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="1", help="another seed makes other declarations")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--case", type=int, help="only this one of the seed's, shown")
    arguments = parser.parse_args()
    if arguments.case is not None:
        return 1 if _faulty(arguments.seed, arguments.case, shown=True) else 0
    end = time.monotonic() + 60 * arguments.minutes
    number = accepted = 0
    faults = 0
    while time.monotonic() < end and faults < 5:
        outcome = _faulty(arguments.seed, number)
        accepted += outcome == ""
        faults += bool(outcome)
        number += 1
    print(f"{number} declarations of seed {arguments.seed}: {accepted} accepted, {faults} faulty")
    return 1 if faults else 0


def _faulty(seed: str, number: int, *, shown: bool = False) -> str | None:
    """What is wrong with a case, told; empty for one that was accepted, None for one that was refused."""
    declared = declaration(Random(f"{seed}/{number}"))
    if shown:
        print(declared)
    try:
        accepted, faults = broken(declared, nft=os.geteuid() == 0 and shutil.which("nft") is not None)
    except Exception:
        accepted, faults = False, [traceback.format_exc()]
    if faults:
        print(f"--seed {seed} --case {number}:", *faults, sep="\n  ", flush=True)
        return faults[0]
    return "" if accepted else None


if __name__ == "__main__":
    sys.exit(main())
