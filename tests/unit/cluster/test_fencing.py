# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing devices as Pacemaker's resources, and the delays of two nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import fencing, options
from ansible_collections.cspp.drover.plugins.module_utils.cluster.fencing import FenceDevice
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, Primitive
from ansible_collections.cspp.drover.tests.unit.cluster_samples import live


def test_fencing_devices() -> None:
    device = FenceDevice("n1", "192.0.2.1", "admin", "tiger", options={"power_wait": "1"})
    old = Primitive("drover-fence-n9", "stonith", None, "fence_ipmilan")
    primitives, places, gone = fencing.fencing([device], live(old))
    assert primitives[0].id == "drover-fence-n1"
    assert primitives[0].params["pcmk_host_list"] == "n1"
    assert primitives[0].params["power_wait"] == "1"
    assert primitives[0].params["pcmk_reboot_action"] == "off"
    assert primitives[0].meta == {"failure-timeout": "60s"}
    assert places == [Location("drover-fence-n1-elsewhere", "drover-fence-n1", "n1", "-INFINITY")]
    assert gone == {"drover-fence-n9"}
    assert fencing.fencing(None, live(old)) == ([], [], set())


@pytest.mark.parametrize(("names", "delayed"), [(("n1", "n2"), ["n1"]), (("n1", "n2", "n3"), [])])
def test_of_two_nodes_the_first_survives(names: tuple[str, ...], delayed: list[str]) -> None:
    config = live()
    config = replace(config, nodes={name: config.nodes[name] for name in names})
    primitives, _places, _gone = fencing.fencing([FenceDevice(name, "192.0.2.1") for name in names], config)
    held = {device.params["pcmk_host_list"]: device.params.get("pcmk_delay_base") for device in primitives}
    assert held == {name: "5s" if name in delayed else None for name in names}


@pytest.mark.parametrize(
    ("agent", "options", "expected"),
    [
        ("fence_idrac", {}, {"lanplus": "1", "method": "onoff", "power_wait": "0"}),
        ("fence_redfish", {"ssl_insecure": "1"}, {"ssl_insecure": "1", "power_wait": "0"}),
        ("fence_other", {"pcmk_off_action": "cut"}, {}),
    ],
)
def test_what_an_agent_is_told_of_its_own(agent: str, options: dict[str, str], expected: dict[str, str]) -> None:
    device = FenceDevice("n1", "192.0.2.1", agent=agent, options=options)
    told = {name: value for name, value in device.parameters.items() if name not in {"ip", "ipport"}}
    assert told == expected
    pacemaker = {name for name in options if name.startswith("pcmk_")}
    assert pacemaker <= device.resource(delayed=False).params.keys()


@pytest.mark.parametrize(("nodes", "delay"), [(2, "10s"), (3, "0s")])
def test_two_nodes_do_not_shoot_at_once(nodes: int, delay: str) -> None:
    assert options.cluster_properties(nodes, fenced=True)["priority-fencing-delay"] == delay


def test_a_second_device_is_asked_when_the_first_has_failed() -> None:
    devices = [FenceDevice("n1", "192.0.2.1"), FenceDevice("n1", "192.0.2.9", level=2), FenceDevice("n2", "192.0.2.2")]
    primitives, _places, _gone = fencing.fencing(devices, live())
    assert [one.id for one in primitives] == ["drover-fence-n1", "drover-fallback-n1", "drover-fence-n2"]
    levels, gone = fencing.levels(devices, live())
    assert [(level.node, level.level, level.device) for level in levels] == [
        ("n1", 1, "drover-fence-n1"),
        ("n1", 2, "drover-fallback-n1"),
    ]
    # Nodes with one device need no order, and keep none that was.
    assert gone == {f"drover-level-{node}-{level}" for node in ("n2", "n3") for level in (1, 2)} | {
        f"drover-level-{node}-3" for node in ("n1", "n2", "n3")
    }
    assert fencing.levels(None, live()) == ([], set())
    assert fencing.levels(devices, live(), kept=["n3"])[1] == {
        *(f"drover-level-n2-{level}" for level in (1, 2, 3)),
        "drover-level-n1-3",
    }
    assert [fencing.node_of(one.id) for one in primitives] == [("n1", 1), ("n1", 2), ("n2", 1)]
    assert not fencing.is_device("fence-n1")
