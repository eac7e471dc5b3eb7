# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects in the CIB that somebody else has put there stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from ..lab import Lab
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")

FOREIGN = {
    "resources": '<primitive id="foreign" class="ocf" provider="pacemaker" type="Dummy"/>',
    "constraints": '<rsc_location id="foreign-place" rsc="foreign" node="node2" score="50"/>',
}


@pytest.fixture
def foreign(lab: Lab) -> Iterator[dict[str, str]]:
    """Objects that somebody else has put into the CIB."""
    ssh = lab.ssh("node1")
    for scope, xml in FOREIGN.items():
        ssh(["cibadmin", "--create", "--scope", scope, "--xml-text", xml])
    ssh(["crm_attribute", "--name", "foreign-property", "--update", "kept"])
    yield FOREIGN
    ssh(["crm_attribute", "--name", "foreign-property", "--delete"])
    for scope, xml in reversed(FOREIGN.items()):
        ssh(["cibadmin", "--delete", "--scope", scope, "--xml-text", xml])
    ssh(["crm_resource", "--refresh", "--resource", "foreign"], ok=None)


def test_what_is_not_ours_is_left_alone(lab: Lab, foreign: dict[str, str]) -> None:
    before = lab.version(), mine(lab)
    assert len(before[1]) == len(foreign) + 1
    assert succeed("site").changed == set()
    assert (lab.version(), mine(lab)) == before


def mine(lab: Lab) -> list[str]:
    """The foreign objects as they stand."""
    configuration = ET.fromstring(lab.cib()).find("configuration")
    assert configuration is not None
    found = [element for element in configuration.iter() if element.get("id", "").startswith("foreign")]
    found += [element for element in configuration.iter("nvpair") if element.get("name") == "foreign-property"]
    return sorted(ET.tostring(element, encoding="unicode").strip() for element in found)
