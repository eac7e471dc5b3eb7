# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every declared guest runs once, answers, and is to the cluster what its YAML says."""

from __future__ import annotations

from typing import Any

import pytest

from ..lab import Lab, address, wait_until_answering

pytestmark = pytest.mark.stage("built")

Declared = dict[str, dict[str, Any]]


def test_every_guest_runs_exactly_once(lab: Lab, declared: Declared) -> None:
    assert lab.instances(*declared) == dict.fromkeys(declared, 1)
    assert {lab.where(name) for name in declared} <= set(lab.nodes)


def test_every_guest_answers_at_its_address(declared: Declared) -> None:
    for guest in declared.values():
        wait_until_answering(guest, timeout=60)


def test_the_cluster_knows_what_a_guest_takes(lab: Lab, declared: Declared) -> None:
    found = {name: dict(guest.utilization) for name, guest in lab.configuration().guests().items()}
    assert found == {
        name: {"memory": guest["memory"].removesuffix("MiB"), "vcpus": str(guest.get("vcpus", 1))}
        for name, guest in declared.items()
    }


def test_the_cluster_knows_a_guests_wishes_and_priority(lab: Lab, declared: Declared) -> None:
    configuration = lab.configuration()
    wishes = {
        (constraint.resource, constraint.node): constraint.score  # type: ignore[union-attr]
        for name, constraint in configuration.constraints.items()
        if name.startswith("drover-prefer-")
    }
    assert wishes == {
        (name, node): str(100 - 10 * rank)
        for name, guest in declared.items()
        for rank, node in enumerate(guest.get("placement", {}).get("prefer", []))
    }
    for name, guest in declared.items():
        priority = guest.get("ha", {}).get("priority")
        assert configuration.guests()[name].meta.get("priority") == (str(priority) if priority else None)


def test_the_cluster_relies_on_fencing_and_every_node_has_a_device(lab: Lab) -> None:
    status, properties = lab.status(), lab.configuration().properties
    assert properties["stonith-enabled"] == "true"
    assert properties["stonith-watchdog-timeout"] == "0"
    for node in lab.nodes:
        device = status.resource(f"drover-fence-{node}")
        assert device is not None
        assert device.running, f"{device.name} is {device.word}"
        # No node is the judge in its own cause.
        assert node not in device.nodes


def test_addresses_are_those_declared(lab: Lab, declared: Declared) -> None:
    definitions = {name: guest.params["definition"] for name, guest in lab.configuration().guests().items()}
    for name, guest in declared.items():
        assert f'"{address(guest)}/' in definitions[name]
