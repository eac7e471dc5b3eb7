# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a ledger has everything that was acknowledged: what is planted into it is found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.drill.records import (
    BLOCK,
    Record,
    blocks,
    examine,
    parse,
)

LEDGER = Path(__file__).resolve().parents[3] / "roles" / "images" / "files" / "tiny" / "ledger"
ONE, TWO = "aaaaaaaa-1", "bbbbbbbb-2"


def run(epoch: str, *numbers: int) -> list[Record]:
    return [Record(epoch, number) for number in numbers]


def stored(*records: Record) -> list[bytes]:
    return [record.block() for record in records]


WELL = [*run(ONE, *range(4)), *run(TWO, *range(4, 8))]


def test_a_record_comes_back_as_it_was() -> None:
    record = Record(ONE, 7)
    assert len(record.block()) == BLOCK
    assert parse(record.block()) == record


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\0" * BLOCK, id="nothing"),
        pytest.param(Record(ONE, 7).block()[:40], id="torn"),
        pytest.param(Record(ONE, 7).block().replace(b" 7 ", b" 8 "), id="changed"),
        pytest.param(b"\xff" * BLOCK, id="noise"),
    ],
)
def test_anything_else_is_no_record(block: bytes) -> None:
    assert parse(block) is None


@pytest.mark.parametrize(
    ("acknowledged", "ledger"),
    [
        pytest.param(WELL, stored(*WELL), id="all of it"),
        pytest.param([], [], id="nothing"),
        pytest.param(WELL[:-1], stored(*WELL), id="one whose acknowledgement was lost"),
        pytest.param(WELL[4:], stored(*WELL), id="a client that came later"),
        pytest.param(WELL, [*stored(*WELL), WELL[0].block()[:100]], id="a torn one at the end that nobody was told of"),
    ],
)
def test_a_ledger_that_is_well(acknowledged: list[Record], ledger: list[bytes]) -> None:
    found = examine(acknowledged, ledger)
    assert found.complaints == []
    assert found.acknowledged == len(acknowledged)


@pytest.mark.parametrize(
    ("kind", "acknowledged", "ledger"),
    [
        pytest.param("lost", WELL, stored(*WELL[:-1]), id="the last one lost"),
        pytest.param("lost", WELL, stored(*WELL[:2], *WELL[3:]), id="one lost in the middle"),
        pytest.param("lost", WELL, [], id="all lost"),
        pytest.param("lost", WELL, [*stored(*WELL[:-1]), WELL[-1].block()[:100]], id="the last one torn"),
        pytest.param("lost", WELL, stored(*WELL[:3], Record(TWO, 3), *WELL[4:]), id="overwritten by another writer"),
        pytest.param("disordered", WELL, [*stored(*WELL[:2]), b"\1" * BLOCK, *stored(*WELL[3:])], id="one spoilt"),
        pytest.param("doubled", WELL, stored(*WELL[:3], *WELL[2:]), id="one twice"),
        pytest.param("doubled", WELL, stored(*WELL[:4], Record(TWO, 3), *WELL[4:]), id="a number given twice"),
        pytest.param("disordered", WELL, stored(WELL[1], WELL[0], *WELL[2:]), id="two in the wrong order"),
        pytest.param("disordered", [WELL[1], WELL[0]], stored(*WELL), id="acknowledged in the wrong order"),
        pytest.param(
            "writers",
            [],
            stored(*run(ONE, 0, 1), *run(TWO, 2), *run(ONE, 3), *run(TWO, 4)),
            id="two wrote at once",
        ),
        pytest.param(
            "writers",
            [*run(ONE, 0), *run(TWO, 1), *run(ONE, 2)],
            stored(*run(ONE, 0, 1, 2)),
            id="two acknowledged at once",
        ),
    ],
)
def test_what_is_planted_is_found(kind: str, acknowledged: list[Record], ledger: list[bytes]) -> None:
    found = examine(acknowledged, ledger)
    assert getattr(found, kind)
    assert found.complaints


def test_of_much_that_is_wrong_some_is_named() -> None:
    assert len(examine(run(ONE, *range(100)), []).complaints) == 6


def keep(place: Path, said: str) -> bytes:
    """What the ledger's keeper answers; it is the one of the tiny VM, here with this machine's shell."""
    return subprocess.run(["sh", str(LEDGER), str(place)], input=said.encode(), capture_output=True, check=True).stdout


def test_the_keeper_writes_what_is_read_here(tmp_path: Path) -> None:
    place = tmp_path / "records"
    told = [parse(line) for line in keep(place, "append\n1\n2\n").splitlines()]
    told += [parse(line) for line in keep(place, "append\n3\n").splitlines()]
    assert [one.number for one in told if one] == [0, 1, 2]
    ledger = blocks(keep(place, "read\n"))
    assert [parse(block) for block in ledger] == told
    assert examine([one for one in told if one], ledger).complaints == []


def test_the_keeper_touches_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    place = tmp_path / "records"
    place.write_bytes(b"somebody's data".ljust(1024, b"."))
    assert b"not a ledger" in keep(place, "append\n1\n")
    assert place.read_bytes() == b"somebody's data".ljust(1024, b".")


def test_the_keeper_says_when_there_is_nowhere_to_write(tmp_path: Path) -> None:
    assert b"not a ledger" in keep(tmp_path / "no" / "records", "append\n1\n")
