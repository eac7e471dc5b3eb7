# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure parts of the bench of failover: the stock configuration, and what the figures come to."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.bench.failover.configuration import DEFAULTS, retimed, stock
from tests.bench.failover.figures import ceph_misses, misses, stalls, table

CIB = """<cib epoch="7"><configuration><crm_config><cluster_property_set id="o"><nvpair id="x" name="placement-strategy"
value="balanced"/></cluster_property_set></crm_config><nodes><node id="1" uname="node1"/></nodes><resources>
<primitive id="game" class="ocf" provider="drover" type="vm"/></resources><constraints/></configuration>
<status/></cib>"""
DEVICE = {"name": "node1", "bmc_address": "10.0.0.101", "bmc_port": 623, "bmc_user": "u", "bmc_password": "p"}
CONF = "totem {\n    token: 1000\n    consensus: 1200\n    keyfile: k\n}\nnodelist {\n}\n"


def record(way: str, answered: float | None, **more: Any) -> dict[str, Any]:
    parts = {"detected": 2.0, "fenced": 4.0, "started": 5.0, "answered": answered}
    return {"way": way, "kind": "vm", "error": None, **parts, **more}


def test_the_stock_configuration_has_nothing_of_drovers() -> None:
    text = stock(CIB, [DEVICE], "stockvm", "stockct", "/x.xml")
    root = ET.fromstring(text)
    assert {one.get("type") for one in root.iter("primitive")} == {"fence_ipmilan", "VirtualDomain", "lxc@stockct"}
    assert "placement-strategy" not in text and "pcmk_delay" not in text
    assert root.find("configuration/nodes/node") is not None
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))


def test_timing_is_changed_and_nothing_else() -> None:
    lines = retimed(CONF, DEFAULTS).splitlines()
    assert "    token: 3000" in lines and "    token_coefficient: 650" in lines
    assert "    keyfile: k" in lines and "    token: 1000" not in lines and "    consensus: 1200" not in lines
    assert lines.index("    token: 3000") < lines.index("}")


def test_table_has_medians_and_ratios() -> None:
    records = [record("drover", 4.0), record("drover", 6.0), record("stock", 20.0), record("stock", None)]
    told = "\n".join(table(records))
    assert "5.0" in told and "6.0" in told and "0.25" in told


@pytest.mark.parametrize(
    ("records", "profile", "missed"),
    [
        ([record("drover", 8.0), record("stock", 20.0)], "safe", []),
        ([record("drover", 8.0), record("stock", 20.0)], "fast", ["aimed at 7.0"]),
        ([record("drover", 8.0), record("stock", 12.0)], "safe", ["0.67 of what stock"]),
        ([record("drover", None), record("stock", 12.0)], "safe", ["never s"]),
        ([record("drover", 8.0, error="oops"), record("stock", 20.0)], "safe", ["oops"]),
    ],
)
def test_misses(records: list[dict[str, Any]], profile: str, missed: list[str]) -> None:
    found = misses(records, profile)
    assert len(found) == len(missed)
    assert all(said in line for said, line in zip(missed, found, strict=True))


def on_ceph(vm: float | None = 9.0, container: float = 12.0, rbd: float = 4.0, lost: int = 0) -> list[dict[str, Any]]:
    guests = [record("drover", vm), record("drover", container, kind="container")]
    return guests + [
        {"way": "drover", "kind": kind, "stall": stall, "lost": lost} for kind, stall in (("rbd", rbd), ("file", 9.0))
    ]


@pytest.mark.parametrize(
    ("records", "missed"),
    [
        (on_ceph(), []),
        (on_ceph(vm=None), ["vm: never s"]),
        (on_ceph(container=15.1), ["container: 15.1 s in the median, aimed at 15.0"]),
        (on_ceph(rbd=6.1), ["rbd: a write stalled for 6.1 s"]),
        ([*on_ceph(), *on_ceph(rbd=7.0)], ["rbd: a write stalled for 7.0 s"]),
        (on_ceph(lost=1), ["rbd: 1 acknowledged", "file: 1 acknowledged"]),
        (on_ceph()[:2], ["rbd: a write stalled for ?", "file: a write stalled for ?"]),
    ],
)
def test_misses_on_ceph(records: list[dict[str, Any]], missed: list[str]) -> None:
    found = ceph_misses(records)
    assert len(found) == len(missed)
    assert all(line.startswith(said) for said, line in zip(missed, found, strict=True))


def test_writers_have_a_table_of_their_own() -> None:
    assert [line.split() for line in stalls([*on_ceph(rbd=2.0), *on_ceph()])[1:]] == [
        ["rbd", "2", "3.0", "4.0", "0"],
        ["file", "2", "9.0", "9.0", "0"],
    ]
    assert not [line for line in table(on_ceph()) if "rbd" in line]
