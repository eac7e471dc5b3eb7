# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make mutants`: small errors planted into what decides, and whether a unit test notices each.

A sample of the places in the files below is taken by chance, as many of each subject, and of each place one of the
mutants that Cosmic Ray knows to make there: another operator, number or condition, a loop that does nothing. They are
tried in copies of the checkout. A mutant is killed when a unit test fails. Those that nobody could tell from the
original are named in equivalent.txt, each below its reason, and do not count.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome

ROOT = Path(__file__).resolve().parents[2]
HOUSE = Path("plugins/module_utils")
TESTS = Path("tests/unit")
COLLECTION = Path(".cache/collections/ansible_collections/cspp/drover")
COPIES = ROOT / ".cache" / "mutation"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
#: The part of mutants that has to be killed.
AIM = 0.9
#: Seconds for the tests of one mutant: one that loops for ever is noticed, too.
PATIENCE = 60.0
#: Operators that change nothing here: values are compared by ==, None and the members of enumerations by "is", and
#: whether equal strings are one object is an accident (ruff notices literals).
NO_CHANGE = {f"{one}_{other}" for one, other in itertools.permutations(("Eq", "Is"), 2)} | {
    f"{one}_{other}" for one, other in itertools.permutations(("NotEq", "IsNot"), 2)
}


class Subject(NamedTuple):
    """One kind of decision: the files that make it, and the tests that have to notice, quick ones."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


SUBJECTS = {
    "convergence": Subject(
        ("migration/convergence.py", "guest/migration_policy.py"),
        ("migration/test_convergence.py", "guest", "planning/test_forecast.py"),
    ),
    "placement": Subject(
        ("declaration/placement.py", "planning/move.py", "planning/targets.py", "cluster/capacity.py"),
        (
            "declaration/test_placement.py",
            "cluster/test_capacity.py",
            "planning",
            "preflight/test_checks.py",
            "test_verbs.py",
        ),
    ),
    "drain": Subject(("planning/drain.py",), ("planning", "verbs/test_maintain.py", "test_verbs.py")),
    "CIB": Subject(
        (
            *("cluster/cib.py", "cluster/cib_xml.py", "cluster/objects.py", "cluster/difference.py"),
            *("cluster/reconciliation.py", "cluster/guests.py", "cluster/guest_health.py"),
        ),
        ("cluster/test_cib.py", "cluster/test_guests.py", "cluster/test_pacemaker.py", "test_cluster_modules.py"),
    ),
    "preflight": Subject(
        ("preflight/checks.py", "preflight/cluster_checks.py"),
        ("preflight/test_checks.py", "planning/test_move.py", "planning/test_targets.py"),
    ),
    "declaration": Subject(
        (
            "declaration/reader.py",
            "declaration/sections.py",
            "declaration/checks.py",
            "declaration/values.py",
            "core/parse.py",
            "core/quantities.py",
        ),
        ("declaration", "core/test_parse.py", "core/test_quantities.py", "guest"),
    ),
    "ownership": Subject(
        ("storage/ownership.py",),
        ("storage/test_ownership.py", "agents/test_container.py", "agents/test_container_migration.py"),
    ),
}


class Mutant(NamedTuple):
    """One small error, and where it is planted."""

    subject: str
    spec: MutationSpec

    @property
    def place(self) -> tuple[str, tuple[int, int], tuple[int, int]]:
        return str(self.spec.module_path), self.spec.start_pos, self.spec.end_pos


class Fate(NamedTuple):
    """What became of a mutant, and what it changed."""

    mutant: Mutant
    killed: bool
    diff: str

    def __str__(self) -> str:
        """FILE: WHAT THE LINE WAS -> WHAT IT BECAME"""
        lines = [line for line in self.diff.splitlines() if not line.startswith(("---", "+++"))]
        was, became = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
        return f"{self.mutant.spec.module_path.relative_to(HOUSE)}: {was} -> {became}"


def beside_the_point(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where nothing is decided: annotations, which are never evaluated here, and decorators."""
    spans = []
    for node in ast.walk(ast.parse(source)):
        found: list[ast.expr | None] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            found = list(node.decorator_list)
        elif isinstance(node, (ast.AnnAssign, ast.arg)):
            found = [node.annotation]
        spans += [
            ((one.lineno, one.col_offset), (one.end_lineno or 0, one.end_col_offset or 0)) for one in found if one
        ]
    return spans


def mutants(subject: str) -> Iterator[Mutant]:
    """All that can be made of a subject's files."""
    for file in SUBJECTS[subject].files:
        path = HOUSE / file
        spared = beside_the_point((ROOT / path).read_text(encoding="utf-8"))
        nodes = list(ast_nodes(get_ast_from_path(ROOT / path)))
        for name in operator_names():
            operator_class = get_operator(name)
            if operator_class.arguments() or name.partition("ReplaceComparisonOperator_")[2] in NO_CHANGE:
                continue
            positions = [where for node in nodes for where in operator_class().mutation_positions(node)]
            for occurrence, (start, end) in enumerate(positions):
                if not any(begin <= start and end <= stop for begin, stop in spared):
                    yield Mutant(subject, MutationSpec(path, name, occurrence, start, end))


def sample(count: int, seed: int, subjects: Sequence[str]) -> list[Mutant]:
    """As many of each subject, by chance, and one of each place: most mutants are of the few arithmetic operators."""
    chance = random.Random(seed)
    places = {}
    for subject in subjects:
        known = sorted(mutants(subject), key=lambda mutant: mutant.place)
        places[subject] = [list(group) for _place, group in itertools.groupby(known, key=lambda mutant: mutant.place)]
    chosen: list[Mutant] = []
    # The smallest first: what it has too few of, the others make up for.
    for left, subject in zip(
        range(len(places), 0, -1), sorted(places, key=lambda name: len(places[name])), strict=True
    ):
        share = min(-(-(count - len(chosen)) // left), len(places[subject]))
        chosen += [chance.choice(group) for group in chance.sample(places[subject], share)]
    return chosen


def copy_of_the_checkout(name: str) -> Path:
    """A copy in which mutants may be planted."""
    place = COPIES / name
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for file in filter(None, listed.stdout.decode().split("\0")):
        if os.path.lexists(ROOT / file):
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, place / file, follow_symlinks=False)
    (place / COLLECTION).parent.mkdir(parents=True)
    (place / COLLECTION).symlink_to("../../../..")
    return place


def command(subject: str, place: Path) -> list[str]:
    """Runs a subject's tests in a copy."""
    tests = [str(TESTS / test) for test in SUBJECTS[subject].tests]
    return ["env", "-C", str(place), sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]


def attempt(mutant: Mutant, place: Path) -> Fate:
    """Plant a mutant in a copy, run the tests there, and take it out again."""
    spec = mutant.spec
    planted = MutationSpec(place / spec.module_path, spec.operator_name, spec.occurrence, spec.start_pos, spec.end_pos)
    result = mutate_and_test([planted], " ".join(command(mutant.subject, place)), PATIENCE)
    if result.worker_outcome is not WorkerOutcome.NORMAL or result.test_outcome is TestOutcome.INCOMPETENT:
        raise RuntimeError(f"{spec} could not be tried: {result.output}")
    return Fate(mutant, result.test_outcome is TestOutcome.KILLED, result.diff or "")


def main() -> int:
    """Try a sample and tell; 1 when too many survive."""
    parser = argparse.ArgumentParser(prog="make mutants", description="Plants small errors into what decides.")
    parser.add_argument("--count", type=int, default=200, help="mutants to try (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=list(SUBJECTS), default=list(SUBJECTS), help="subjects")
    parser.add_argument("--workers", type=int, default=2, help="mutants tried at once (default: %(default)s)")
    wish = parser.parse_args()
    places: SimpleQueue[Path] = SimpleQueue()
    for number in range(wish.workers):
        place = copy_of_the_checkout(str(number))
        for subject in wish.only:
            # Leaves what Python compiled, too, which the runs with mutants read and never write.
            healthy = subprocess.run(command(subject, place), capture_output=True, text=True, check=False)
            if healthy.returncode:
                print(f"the tests of {subject} fail without any mutant:\n{healthy.stdout[-2000:]}")
                return 2
        places.put(place)

    def run(mutant: Mutant) -> Fate:
        place = places.get()
        try:
            return attempt(mutant, place)
        finally:
            places.put(place)

    equivalent = {line for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
    killed: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    no_change: Counter[str] = Counter()
    with ThreadPoolExecutor(wish.workers) as pool:
        for fate in pool.map(run, sample(wish.count, wish.seed, wish.only)):
            if fate.killed:
                killed[fate.mutant.subject] += 1
            elif str(fate) in equivalent:
                no_change[fate.mutant.subject] += 1
            else:
                survived[fate.mutant.subject] += 1
                line = fate.mutant.spec.start_pos[0]
                print(f"survived: {fate}\n  line {line}, {fate.mutant.spec.operator_name}", flush=True)
    for subject in wish.only:
        tried = killed[subject] + survived[subject]
        print(f"{subject:12} {killed[subject]:3} of {tried:3} killed, {no_change[subject]} equivalent")
    tried = killed.total() + survived.total()
    share = killed.total() / max(1, tried)
    print(f"seed {wish.seed}: {killed.total()} of {tried} killed, {share:.0%}; aim {AIM:.0%}")
    shutil.rmtree(COPIES, ignore_errors=True)
    return 0 if share >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
