# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configurations of one cluster between which a bench of failover changes: Drover's, and one of stock parts.

The stock one is what somebody writes by the book: the agents that come with Pacemaker and systemd, fence_ipmilan, and
no timing but the defaults, of corosync neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

__all__ = ["DEFAULTS", "retimed", "stock"]

#: Corosync's own token and coefficient, in milliseconds (corosync.conf(5)).
DEFAULTS = {"token": 3000, "token_coefficient": 650}


def stock(cib: str, devices: Sequence[Mapping[str, Any]], domain: str, container: str, config: str) -> str:
    """A CIB with nothing of Drover's in it: ``domain`` is the VM's name, ``config`` the file that describes it.

    ``devices`` are the nodes' power controllers, each with ``name``, ``bmc_address``, ``bmc_port``, ``bmc_user`` and
    ``bmc_password``.
    """
    root = ET.fromstring(cib)
    root.remove(_child(root, "status"))
    configuration = _child(root, "configuration")
    for section in (
        "crm_config",
        "resources",
        "constraints",
        "rsc_defaults",
        "op_defaults",
        "fencing-topology",
        "alerts",
    ):
        for found in configuration.findall(section):
            configuration.remove(found)
    _set(ET.SubElement(configuration, "crm_config"), "cluster_property_set", "stock", {"stonith-enabled": "true"})
    resources, constraints = ET.SubElement(configuration, "resources"), ET.SubElement(configuration, "constraints")
    for device in devices:
        _device(resources, constraints, device)
    agent = {"class": "ocf", "provider": "heartbeat", "type": "VirtualDomain"}
    vm = ET.SubElement(resources, "primitive", {"id": domain, **agent})
    # What it would tell of its size is not what Drover's nodes tell of theirs: it would have no place.
    sizes = dict.fromkeys((f"autoset_utilization_{what}" for what in ("cpu", "host_memory", "hv_memory")), "false")
    _set(vm, "instance_attributes", domain, {"config": config, "hypervisor": "qemu:///system", **sizes})
    _operations(vm, domain, start="90s", stop="90s", monitor="30s")
    unit = ET.SubElement(resources, "primitive", {"id": container, "class": "systemd", "type": f"lxc@{container}"})
    _operations(unit, container, start="100s", stop="100s", monitor="100s")
    # Where one of them goes, the other goes, so that a cut strikes both.
    together = {"id": "stock-together", "rsc": container, "with-rsc": domain, "score": "INFINITY"}
    ET.SubElement(constraints, "rsc_colocation", together)
    # What pcs sets in every new cluster.
    _set(ET.SubElement(configuration, "rsc_defaults"), "meta_attributes", "stock-rsc", {"resource-stickiness": "1"})
    return ET.tostring(root, encoding="unicode")


def retimed(conf: str, timing: Mapping[str, int]) -> str:
    """A corosync.conf with other timing in its section totem."""
    lines = [line for line in conf.splitlines() if line.split(":")[0].strip() not in {*timing, "consensus"}]
    at = lines.index("totem {") + 1
    return "\n".join([*lines[:at], *(f"    {key}: {value}" for key, value in timing.items()), *lines[at:], ""])


def _device(resources: ET.Element, constraints: ET.Element, device: Mapping[str, Any]) -> None:
    name = f"stock-fence-{device['name']}"
    primitive = ET.SubElement(resources, "primitive", {"id": name, "class": "stonith", "type": "fence_ipmilan"})
    params = {
        "ip": device["bmc_address"],
        "ipport": str(device["bmc_port"]),
        "username": device["bmc_user"],
        "password": device["bmc_password"],
        "lanplus": "1",
        "pcmk_host_list": device["name"],
    }
    _set(primitive, "instance_attributes", name, params)
    _operations(primitive, name, monitor="60s", every="60s")
    place = {"id": f"{name}-elsewhere", "rsc": name, "node": device["name"], "score": "-INFINITY"}
    ET.SubElement(constraints, "rsc_location", place)


def _operations(primitive: ET.Element, name: str, every: str = "10s", **timeouts: str) -> None:
    operations = ET.SubElement(primitive, "operations")
    for what, timeout in timeouts.items():
        interval = every if what == "monitor" else "0s"
        ET.SubElement(operations, "op", id=f"{name}-{what}", name=what, interval=interval, timeout=timeout)


def _set(parent: ET.Element, tag: str, name: str, values: Mapping[str, str]) -> None:
    element = ET.SubElement(parent, tag, id=f"{name}-{tag}")
    for key, value in values.items():
        ET.SubElement(element, "nvpair", id=f"{name}-{key}", name=key, value=value)


def _child(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    assert found is not None, f"the CIB has no {tag}"
    return found
