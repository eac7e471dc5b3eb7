#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on this node, and how it differs from its definition."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_state_info
short_description: Compare the guests that run on a node with their definitions
version_added: 0.1.0
description:
  - Looks at the running guests themselves, under libvirt and LXC, not at what the cluster believes of them.
  - Tells what changes a guest's definition asks for, and which of them need a restart.
options:
  guests:
    description:
      - The guests to look for, each with C(name) and C(definition) (see module_utils/guest/definition.py). Other keys
        are ignored, so that the list for M(cspp.drover.guests) can be given. Guests without a definition are not
        looked for.
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Compare running guests with their definitions
  cspp.drover.guest_state_info:
    guests: "{{ wanted_guests }}"
  register: node_guests
"""

RETURN = r"""
guests:
  description:
    - The guests that run on this node, by name. C(state) is libvirt's or LXC's in small letters. C(changes) is
      what differs, each with C(path), C(before), C(after) and C(how) (C(live) or C(restart)).
  type: dict
  returned: always
  sample:
    minecraft:
      kind: vm
      state: running
      changes:
        - {path: memory, before: 1GiB, after: 2GiB, how: live}
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import Change, Definition, read
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml, lxc_config
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import VmGone
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_host import LibvirtHost
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.lxc_host import LxcHost
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import State

_NOT_HERE = (State.ABSENT, State.OFF, State.INCOMING)


def vm(host: LibvirtHost, definition: Definition) -> dict[str, Any] | None:
    """The VM as it runs on this node, or None."""
    name = definition["name"]
    seen = host.seen(name)
    if seen.state in _NOT_HERE:
        return None
    try:
        sizes = host.disk_sizes(name, [disk["target"] for disk in definition["disks"]])
        changes = domain_xml.difference(host.live_xml(name), definition, sizes)
    except VmGone:  # it has just left
        return None
    return _found("vm", seen.state.value, changes)


def lxc(host: LxcHost, definition: Definition) -> dict[str, Any] | None:
    """The container as it runs on this node, or None."""
    name = definition["name"]
    state = host.state(name)
    if state == "STOPPED":
        return None
    return _found("container", state.lower(), lxc_config.difference(host.config(name), definition))


def _found(kind: str, state: str, changes: Iterable[Change]) -> dict[str, Any]:
    told = [{"path": c.path, "before": c.before, "after": c.after, "how": c.how} for c in changes]
    return {"kind": kind, "state": state, "changes": told}


def guests(wanted: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Those of the wanted guests that run here."""
    definitions = [read(guest["definition"]).definition for guest in wanted if guest.get("definition")]
    vms = [definition for definition in definitions if definition["kind"] == "vm"]
    containers = [definition for definition in definitions if definition["kind"] == "container"]
    found = {}
    if vms:
        libvirt_host = LibvirtHost()
        found.update({definition["name"]: vm(libvirt_host, definition) for definition in vms})
    if containers:
        lxc_host = LxcHost()
        found.update({definition["name"]: lxc(lxc_host, definition) for definition in containers})
    return {name: guest for name, guest in found.items() if guest}


def main() -> None:
    module = QuietModule(
        argument_spec={"guests": {"type": "list", "elements": "dict", "required": True}}, supports_check_mode=True
    )
    what, remedy = "Cannot look at this node's guests", "Run site.yml for this node."
    with fail_on_error(module, ImportError, what=what, remedy=remedy):
        module.exit_json(changed=False, guests=guests(module.params["guests"]))


if __name__ == "__main__":
    main()
