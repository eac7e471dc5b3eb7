# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make bench-migration`: a lab, migrations of every kind in turn, and what a client saw of them.

A client outside of the nodes holds a TCP session to the VM all the time, 100 lines a second, and under the loads
called udp-RATE sends so many datagrams a second as well, which are the packets that are counted then; under the others
it is those of the session, by the kernel's account of it. The pause is QEMU's own: from STOP at the source to RESUME at
the target. Total time is from the order to RESUME.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
os.environ.setdefault("DROVER_LAB", "bench")
os.environ.setdefault("DROVER_LAB_SUBNET", "10.215.0.0/24")

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import run_program  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.measure.probe import (  # noqa: E402
    AFTERWARDS,
    Probe,
    Reading,
    Target,
)

from ...verify.lab import Lab  # noqa: E402
from ...verify.plays import succeed  # noqa: E402
from . import containers, figures, soak  # noqa: E402
from .events import Events  # noqa: E402
from .plot import draw  # noqa: E402
from .rig import Rig, Vm  # noqa: E402
from .ways import UNFILTERED, WAYS, Way  # noqa: E402

DIRTY, UDP, CONTAINERS = "dirty-", "udp-", "containers"
_ECHO = 7
#: Seconds between the start of a load, or of the probes, and the move.
_BEFORE = 0.5


class Bench:
    """Carries out the migrations and keeps their records."""

    def __init__(self, rig: Rig, events: Events, records: list[dict[str, Any]], *, fill: int, patience: float) -> None:
        self.rig, self.events, self.records, self.fill, self.patience = rig, events, records, fill, patience
        self._boots: dict[str, str] = {}
        self._nodes = list(rig.lab.nodes)

    def prepare(self, vm: Vm) -> None:
        """Give a VM that has booted its memory's content."""
        boot = vm.boot()
        if self._boots.get(vm.name) != boot:
            if self.fill:
                vm.ask(f"fill {self.fill}")
            self._boots[vm.name] = boot

    def hop(self, vm: Vm) -> tuple[str, str]:
        """Where it is, and where it goes next: round and round."""
        source = self.rig.where(vm.name)
        return source, self._nodes[(self._nodes.index(source) + 1) % len(self._nodes)]

    def migrate(self, way: Way, load: str) -> dict[str, Any]:
        """One migration under a load, measured. Returns its record."""
        vm = self.rig.vms[way.vm]
        self.prepare(vm)
        self.rig.filter(way.filtered)
        source, target = self.hop(vm)
        dropped = int(vm.ask("drops"))
        self.events.forget()
        with _dirtying(vm, load):
            probes = _probes(vm, load)
            try:
                for probe in probes:
                    probe.start()
                time.sleep(_BEFORE)
                begun, error, placed = way.move(self.rig, source, target, self.patience)
                passed = None
                if error is None:
                    passed = self.events.passage(vm.name, source, target, begun, self.patience)
                    error = None if passed else f"not at {target} after {self.patience:.0f} s"
                way.settle(self.rig, source, target, error)
                # One that was started anew has to boot.
                wait_for(vm.answers, bool, what=f"an answer of {vm.name}", timeout=60, interval=0.2)
                time.sleep(AFTERWARDS)
                readings = [probe.stop() for probe in probes]
            finally:
                for probe in probes:
                    probe.close()
        record: dict[str, Any] = {
            "way": way.name,
            "load": load,
            "from": source,
            "to": target,
            "at": datetime.fromtimestamp(begun, UTC).isoformat(timespec="milliseconds"),
            "error": error,
            "pause_ms": _ms(passed[1] - passed[0]) if passed else None,
            "libvirt_ms": self.rig.outcome_ms(vm.name, target) if passed else None,
            "order_ms": _ms(placed - begun) if placed else None,
            "total_ms": _ms(passed[1] - begun) if passed else None,
            **_seen(readings),
            "dropped_in_guest": int(vm.ask("drops")) - dropped,
            "rebooted": vm.boot() != self._boots[vm.name],
        }
        if record["rebooted"] and error is None:
            record["error"] = "the VM was started anew"
        self.records.append(record)
        return record


def _seen(readings: Sequence[Reading]) -> dict[str, Any]:
    """What the probes saw: the session first, then, if any, the datagrams."""
    session, *datagrams = readings
    seen: dict[str, Any] = {
        "silence_ms": session["silence_ms"],
        "session": session["broken"] or "alive",
        "delay_ms": max(reading["delay_ms"] for reading in readings),
        **dict.fromkeys(("sent", "lost", "duplicated", "reordered", "datagram_silence_ms")),
    }
    if not datagrams:
        # Sent again without need, or lost on the way there; missed for a while on the way back.
        tcp = session["tcp"]
        seen["lost"] = max(0, tcp["retransmitted"] - tcp["received_twice"]) + tcp["gaps_back"]
    for reading in datagrams:
        seen.update({key: reading[key] for key in ("sent", "lost", "duplicated", "reordered")})
        seen["datagram_silence_ms"] = reading["silence_ms"]
    return seen


def _probes(vm: Vm, load: str) -> list[Probe]:
    probes = [Probe(Target("tcp", vm.address, _ECHO))]
    if load.startswith(UDP):
        probes.append(Probe(Target("udp", vm.address, _ECHO, int(load.removeprefix(UDP)))))
    return probes


@contextmanager
def _dirtying(vm: Vm, load: str) -> Iterator[None]:
    if not load.startswith(DIRTY):
        yield
        return
    vm.ask(f"dirty {load.removeprefix(DIRTY)}")
    try:
        time.sleep(_BEFORE)
        yield
    finally:
        vm.ask("dirty 0")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


class Story:
    """Says what happens, with the time since the beginning."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        seconds = int(time.monotonic() - self._begun)
        print(f"[{seconds // 60}:{seconds % 60:02}] {text}", flush=True)


@contextmanager
def lab(story: Story, keep: bool) -> Iterator[Lab]:
    """The lab that DROVER_LAB names. One that was not there is made, and removed in the end."""
    folder = ROOT / ".cache" / "lab" / os.environ["DROVER_LAB"]
    ours = not (folder / "lab.json").exists()
    if ours:
        story.say("three nodes of a lab's own")
        succeed("lab", lab_state="present")
    try:
        succeed("site", guests={}, network_own_ports=Rig.foreign_ports())
        with tempfile.TemporaryDirectory(prefix="drover-bench-") as masters:
            yield Lab(Path(masters))
    finally:
        if ours and not keep:
            story.say("the lab is removed")
            succeed("lab", lab_state="absent")


def wanted(options: argparse.Namespace) -> dict[tuple[str, str], int]:
    """How often each (load, way) is to be measured."""
    loads = ["idle", *(f"{DIRTY}{rate}" for rate in options.dirty), *(f"{UDP}{rate}" for rate in options.udp)]
    loads = [load for load in loads if not options.only or load in options.only]
    count = {
        (load, way.name): options.repetitions
        for load in loads
        for way in WAYS
        if (way.name in options.ways if options.ways else _asked(way, load))
    }
    for load, way in count:
        if way in ("drover", UNFILTERED) and load.startswith(UDP):
            count[load, way] = max(options.repetitions, options.lossless)
    return count


def _asked(way: Way, load: str) -> bool:
    """Whether a way is measured under a load unless told otherwise."""
    if way.name == "virsh-tls":  # what encryption alone costs shows in an idle VM; the question under load is another
        return load == "idle"
    if way.name == UNFILTERED:  # what is filtered are packets, not memory
        return not load.startswith(DIRTY)
    return True


def migrations(bench: Bench, options: argparse.Namespace, story: Story) -> None:
    """All the migrations asked for, one line each."""
    ways = {way.name: way for way in WAYS}
    turns = figures.schedule(wanted(options))
    for number, (load, name) in enumerate(turns, 1):
        record = bench.migrate(ways[name], load)
        story.say(f"{number}/{len(turns)} {load:9} {name:9} {told(record)}")


def told(record: figures.Record) -> str:
    """One migration in a line."""
    if record["error"]:
        return f"FAILED: {record['error']}" + (", rebooted" if record["rebooted"] else "")
    words = [f"pause {record['pause_ms']:.0f} ms, silence {record['silence_ms']:.0f} ms"]
    words.append(f"total {record['total_ms']:.0f} ms")
    if record["sent"] is None:
        words.append(f"lost {record['lost']} of the session")
    else:
        words.append(f"lost {record['lost']} and doubled {record['duplicated']} of {record['sent']}")
    if record["dropped_in_guest"]:
        words.append(f"{record['dropped_in_guest']} dropped inside the VM")
    if record["session"] != "alive":
        words.append(f"session {record['session']}")
    if record["delay_ms"] > 10:
        words.append(f"the client itself held up by {record['delay_ms']:.0f} ms")
    return ", ".join(words)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-migration ARGS=", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15, help="of every way under every load (%(default)s)")
    parser.add_argument(
        "--lossless", type=int, default=figures.LOSSLESS, help="of Drover's under UDP loads (%(default)s)"
    )
    parser.add_argument("--only", nargs="+", metavar="LOAD", help="idle, dirty-RATE, udp-RATE, containers")
    parser.add_argument("--ways", nargs="+", choices=[way.name for way in WAYS])
    parser.add_argument("--memory", default="512MiB", help="of each VM (%(default)s)")
    parser.add_argument("--fill", type=int, default=400, metavar="MIB", help="random data held in it (%(default)s)")
    parser.add_argument("--dirty", nargs="+", type=int, default=[5, 20, 60], metavar="RATE", help="MiB a second")
    parser.add_argument("--udp", nargs="+", type=int, default=[100, 1000], metavar="RATE", help="datagrams a second")
    parser.add_argument("--patience", type=float, default=60, help="seconds until a move has failed (%(default)s)")
    parser.add_argument(
        "--containers", type=int, default=15, metavar="REPETITIONS", help="of moves of containers (%(default)s)"
    )
    parser.add_argument("--soak", type=int, default=0, metavar="COUNT", help="only migrate so often in a row")
    parser.add_argument("--results", type=Path, default=ROOT / ".cache" / "bench" / "migration.json")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when something asked for is not met")
    parser.add_argument("--keep", action="store_true", help="do not remove the lab in the end")
    options = parser.parse_args()
    if options.soak:
        options.ways = ["drover"]
    return options


def report(found: dict[str, Any], verdicts: Sequence[figures.Criterion], path: Path) -> None:
    """Write the results, and pictures beside them."""
    for kind in ("migrations", "containers"):
        found[f"{kind} summary"] = figures.summary(found[kind])
    found["criteria"] = [vars(one) for one in verdicts]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    for records, picture in _pictures(found, path).items():
        picture.write_text(draw(found[records]))


def _pictures(found: dict[str, Any], path: Path) -> dict[str, Path]:
    """Where the pictures are drawn of what was measured."""
    places = {"migrations": path.with_suffix(".svg"), "containers": path.with_name(f"{path.stem}-containers.svg")}
    return {records: place for records, place in places.items() if found[records]}


def main() -> int:
    options = arguments()
    story = Story()
    found: dict[str, Any] = {
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} processors, Linux {platform.release()}",
        "guest": {"memory": options.memory, "random data held": f"{options.fill} MiB"},
        "ways": {way.name: way.about for way in WAYS},
        "migrations": [],
        "containers": [],
    }
    with lab(story, options.keep) as nodes:
        try:
            if options.soak or wanted(options):
                vms(nodes, found, options, story)
            if options.containers and not options.soak and (not options.only or CONTAINERS in options.only):
                containers.run(nodes, options.containers, found["containers"], story.say)
        except KeyboardInterrupt:
            story.say("interrupted: what was measured counts")
        finally:
            verdicts = judged(found)
            report(found, verdicts, options.results)
    for records in (found["migrations"], found["containers"]):
        if records:
            print("\n" + figures.table(figures.summary(records)))
    print("\n" + figures.verdicts(verdicts))
    print("\n" + "\n".join(map(str, ["All of it:", options.results, *_pictures(found, options.results).values()])))
    return 1 if options.strict and any(one.met is False for one in verdicts) else 0


def vms(nodes: Lab, found: dict[str, Any], options: argparse.Namespace, story: Story) -> None:
    """Everything about VMs."""
    names = {way.vm for way in WAYS if not options.ways or way.name in options.ways}
    story.say(f"{len(names)} VMs of {options.memory}, small servers each: {options.fill} MiB hold random data")
    with Rig.build(nodes, options.memory, names) as rig, closing(Events(nodes)) as events:
        bench = Bench(rig, events, found["migrations"], fill=options.fill, patience=options.patience)
        if options.soak:
            found["soak"] = soak.run(bench, options.soak, story.say)
        else:
            migrations(bench, options, story)


def judged(found: dict[str, Any]) -> list[figures.Criterion]:
    """What of it was asked for."""
    if "soak" in found:
        return [figures.soak_criterion(found["soak"]["asked"], found["soak"]["done"], found["soak"]["failures"])]
    return figures.criteria(found["migrations"]) + figures.container_criteria(found["containers"])


if __name__ == "__main__":
    sys.exit(run_program(main, AssertionError, OSError, what="\nThe bench stopped"))
