# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The labs of this repository: each name can be one, and no two of them share a name or a network."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from ansible_collections.cspp.drover.plugins.module_utils.lab.layout import parameter_problems

ROOT = Path(__file__).resolve().parents[3]
#: As the Makefile, Molecule and Python have it.
_NAMED = re.compile(r"""\bDROVER_LAB(?P<subnet>_SUBNET)?["']?\s*(?::=|:|,)\s*["']?(?P<value>[\w./]+)""")
#: Of several commands on purpose: the lab to play with.
SHARED = {"drover"}


def named() -> tuple[list[str], list[str]]:
    """The names and the subnets."""
    files = [ROOT / "Makefile", *(ROOT / "molecule").glob("*/molecule.yml"), *(ROOT / "tests").rglob("__main__.py")]
    files += (ROOT / "tests" / "bench").glob("*.py")
    found = [match for file in files for match in _NAMED.finditer(file.read_text())]
    return ([it["value"] for it in found if not it["subnet"]], [it["value"] for it in found if it["subnet"]])


def test_every_lab_can_be_made_and_is_its_own() -> None:
    names, subnets = named()
    assert {"molecule", "failceph", "faults", "drover"} <= set(names)
    assert "10.217.0.0/24" in subnets
    assert [problem for name in names for problem in parameter_problems(name, "10.9.0.0/24", 3)] == []
    assert [problem for subnet in subnets for problem in parameter_problems("lab", subnet, 3)] == []
    assert [name for name, count in Counter(names).items() if count > 1 and name not in SHARED] == []
    assert [subnet for subnet, count in Counter(subnets).items() if count > 1] == []
