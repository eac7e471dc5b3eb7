# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused, and that a refusal touches nothing; and that what is not ours stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ..lab import Lab
from ..plays import play, succeed

Declared = dict[str, dict[str, Any]]
FOREIGN = {
    "resources": '<primitive id="foreign" class="ocf" provider="pacemaker" type="Dummy"/>',
    "constraints": '<rsc_location id="foreign-place" rsc="foreign" node="node2" score="50"/>',
}


def test_bad_guests_are_refused_in_one_message_that_names_every_place(lab: Lab, declared: Declared) -> None:
    before = lab.version()
    guests = copy.deepcopy(declared)
    guests["game"]["memroy"] = "1GiB"
    guests["web"]["nics"][0]["address"] = guests["game"]["nics"][0]["address"]
    guests["big"] = {"kind": "vm", "image": "tiny", "memory": "900GiB", "vcpus": 1}
    guests["Bad_Name"] = {"kind": "vm", "image": "no-such-image", "memory": "much"}
    outcome = play("guests", guests=guests)
    assert outcome.rc != 0
    [message] = outcome.failures
    assert "No guest was touched" in message
    for place in (
        "guests.game.memroy",
        "guests.web.nics[0].address",
        "guests.big.memory",
        "guests.Bad_Name",
        "guests.Bad_Name.image",
        "guests.Bad_Name.memory",
    ):
        assert place in message
    assert outcome.changed == set()
    assert lab.version() == before
    assert not (lab.folder / "shared" / "vms" / "big").exists()


def test_ha_is_refused_when_a_power_controller_does_not_obey(lab: Lab) -> None:
    before = lab.version()
    outcome = play("site", bmc_password="not-the-password")
    assert outcome.rc != 0
    [message] = outcome.failures
    assert "HA is not switched on" in message
    for node in lab.nodes:
        others = ", ".join(sorted(set(lab.nodes) - {node}))
        assert f"{node} cannot be fenced by {others}" in message
    assert "not-the-password" not in outcome.output
    assert lab.version() == before


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
