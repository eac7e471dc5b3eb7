# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests that run on a node, and what makes each other than its definition says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..guest.definition import Change, Definition
from . import domain_xml, lxc_config
from .emulator import emulator_pid
from .libvirt_connection import VmGone
from .libvirt_host import LibvirtHost
from .lxc_host import LxcHost
from .vcpus import in_use
from .vm_state import State

__all__ = ["running"]

_NOT_HERE = (State.ABSENT, State.OFF, State.INCOMING)


def running(definitions: Iterable[Definition]) -> dict[str, Any]:
    """Those of the guests that run here, by name, each with its ``kind``, ``state`` and ``changes``.

    Raises ImportError where libvirt's binding is missing, HostError and LxcError when libvirt and LXC fail.
    """
    definitions = list(definitions)
    vms = [definition for definition in definitions if definition["kind"] == "vm"]
    containers = [definition for definition in definitions if definition["kind"] == "container"]
    found = {}
    if vms:
        libvirt_host = LibvirtHost()
        found.update({definition["name"]: _vm(libvirt_host, definition) for definition in vms})
    if containers:
        lxc_host = LxcHost()
        found.update({definition["name"]: _container(lxc_host, definition) for definition in containers})
    return {name: guest for name, guest in found.items() if guest}


def _vm(host: LibvirtHost, definition: Definition) -> dict[str, Any] | None:
    """The VM as it runs on this node, or None."""
    name = definition["name"]
    seen = host.seen(name)
    if seen.state in _NOT_HERE:
        return None
    try:
        sizes = host.disk_sizes(name, [disk["target"] for disk in definition["disks"]])
        pid = emulator_pid(name)
        changes = domain_xml.difference(host.live_xml(name), definition, sizes, in_use(pid) if pid else None)
    except VmGone:  # it has just left
        return None
    return _found("vm", seen.state.value, changes)


def _container(host: LxcHost, definition: Definition) -> dict[str, Any] | None:
    """The container as it runs on this node, or None."""
    name = definition["name"]
    state = host.state(name)
    if state == "STOPPED":
        return None
    return _found("container", state.lower(), lxc_config.difference(host.config(name), definition))


def _found(kind: str, state: str, changes: Iterable[Change]) -> dict[str, Any]:
    told = [{"path": c.path, "before": c.before, "after": c.after, "how": c.how} for c in changes]
    return {"kind": kind, "state": state, "changes": told}
