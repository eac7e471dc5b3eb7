# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the console costs a node, and what 50 people who watch add to that.

`make bench-console` makes a lab with the console (or takes one, with --keep) and measures on the node that serves the
address, by turns without and with 50 open streams of events: processor time of the console and the steward, with all
that they start, and their memory (each page counted once, PSS) while people watch. Then the first page in a new
browser, which somebody logs in to, and the memory once more; the larger counts. Prints JSON. Targets: 2 % of a
processor for the 50, 100 MB a node, 150 kB and a second for the page; ends with 1 when one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "watchers")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.234.0.0/24")

import httpx  # noqa: E402

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for  # noqa: E402

from ..browser import Windows, chromium  # noqa: E402
from ..verify.console.reaching import DECLARED, TOKEN, answers, console_address, page_url, password  # noqa: E402
from ..verify.lab import Lab  # noqa: E402
from ..verify.plays import succeed  # noqa: E402

WATCHERS = 50
TARGETS = {"watchers_percent": 2.0, "memory_mb": 100.0, "page_kb": 150.0, "page_seconds": 1.0}
#: Seconds of a look at the processor, after as many for what opened the streams to pass; and how often each way.
_LOOK, _PASS, _TURNS = 30.0, 5.0, 3

#: Runs on the node: processor seconds that the units' processes have used, with those of their children, and PSS.
_USED = """
import json, os, subprocess
tick = os.sysconf("SC_CLK_TCK")
seconds = memory = 0
for unit in ("drover-console.service", "drover-steward.service"):
    asked = subprocess.run(["systemctl", "show", "-P", "ControlGroup", unit], capture_output=True, text=True)
    group = asked.stdout.strip()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if group not in open(f"/proc/{pid}/cgroup").read():
                continue
            fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            seconds += sum(map(int, fields[11:15])) / tick
            told = open(f"/proc/{pid}/smaps_rollup").read()
            memory += next(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
        except OSError:
            pass
print(json.dumps([seconds, memory * 1024 / 1e6]))
"""


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="make bench-console", description="What the console costs.")
    parser.add_argument("--keep", action="store_true", help="use the lab as it is, and leave it")
    wish = parser.parse_args()
    if wish.keep:
        return _tell(asyncio.run(_measure(Lab())))
    succeed("lab", lab_state="absent")
    try:
        succeed("lab", lab_state="present")
        succeed("site", **DECLARED)
        wait_for(answers(console_address()), bool, what="the console's answer", timeout=60)
        return _tell(asyncio.run(_measure(Lab())))
    finally:
        succeed("lab", lab_state="absent")


def _tell(found: dict[str, Any]) -> int:
    print(json.dumps(found, indent=1))
    missed = [name for name, most in TARGETS.items() if found[name] > most]
    for name in missed:
        print(f"! {name}: {found[name]}, aimed at {TARGETS[name]} at most")
    return 1 if missed else 0


async def _measure(lab: Lab) -> dict[str, Any]:
    serving = next(
        name for name in lab.nodes if console_address() in lab.ssh(name)(["ip", "-4", "-o", "addr"], ok=None).stdout
    )
    without, watched = [], []
    for _turn in range(_TURNS):
        without.append(await _share(lab, serving))
        async with asyncio.TaskGroup() as group:
            streams = [group.create_task(_watch()) for _ in range(WATCHERS)]
            watched.append(await _share(lab, serving))
            memory = _used(lab, serving)[1]
            events = sum(await asyncio.gather(*(_end(one) for one in streams)))
    kilobytes, seconds = await asyncio.to_thread(_first_page)
    memory = max(memory, _used(lab, serving)[1])
    return {
        "without_percent": [round(share, 2) for share in without],
        "watched_percent": [round(share, 2) for share in watched],
        "watchers_percent": round(statistics.median(watched) - statistics.median(without), 2),
        "events_of_all": events,
        "memory_mb": round(memory, 1),
        "page_kb": round(kilobytes, 1),
        "page_seconds": round(seconds, 2),
    }


async def _share(lab: Lab, node: str) -> float:
    """Of one processor, in per cent."""
    await asyncio.sleep(_PASS)
    before, begun = _used(lab, node)[0], time.monotonic()
    await asyncio.sleep(_LOOK)
    return 100 * (_used(lab, node)[0] - before) / (time.monotonic() - begun)


def _used(lab: Lab, node: str) -> tuple[float, float]:
    seconds, memory = json.loads(lab.ssh(node)(["python3", "-I", "-c", _USED]).stdout)
    return seconds, memory


async def _watch() -> int:
    """One who watches, until cancelled; returns how many events there were."""
    events = 0
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with (
            httpx.AsyncClient(verify=False, timeout=None) as client,
            client.stream("GET", f"{page_url()}api/v1/events", headers=headers) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                events += line.startswith("event:")
    except asyncio.CancelledError:
        return events
    raise DroverError("a stream of events has ended by itself")


async def _end(stream: asyncio.Task[int]) -> int:
    stream.cancel()
    return await stream


def _first_page() -> tuple[float, float]:
    """Kilobytes over the wire and seconds until a new browser, logged in, shows the overview."""
    with chromium() as browser:
        windows = Windows(browser, page_url())
        page = windows.open("", session=("viewer", password("viewer")))
        seconds = page.evaluate("performance.now()") / 1000
        size = page.evaluate("performance.getEntries().reduce((sum, one) => sum + (one.transferSize ?? 0), 0)")
        windows.close()
        return size / 1000, seconds


if __name__ == "__main__":
    sys.exit(main())
