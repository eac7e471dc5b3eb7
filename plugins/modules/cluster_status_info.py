#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell the state of the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_status_info
short_description: Tell the state of the cluster
version_added: 0.1.0
description:
  - Tells nodes, guests, where they are and how they do, as one member sees it.
  - Does not fail on a node that is not a running member; it says so in C(member).
options:
  inventory:
    description: The names of the inventory's nodes. A member beside them is among the C(problems). None when nobody
      says.
    type: list
    elements: str
    default: []
  proof_days:
    description:
      - Days after which a proof of a node's fencing (M(cspp.drover.fence_proof)) is too old, and is reminded of in
        RV(unproven). 0 reminds of none.
    type: int
    default: 0
    version_added: 0.4.0
  changes:
    description: Whether to look at the guests that run on this node, for changes that wait, and for what has drifted.
    type: bool
    default: false
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Look at the cluster
  cspp.drover.cluster_status_info:
  register: status
"""

RETURN = r"""
member:
  description: Whether this node is a running member of a cluster that has quorum, and can manage it.
  type: bool
  returned: always
reason:
  description: Why it is not.
  type: str
  returned: always
cluster:
  description: Leader, and whether there are quorum, fencing and cluster-wide maintenance.
  type: dict
  returned: on a member
nodes:
  description: Each node with its state, guests, memory in MiB and vcpus.
  type: list
  elements: dict
  returned: on a member
guests:
  description: Each guest with its kind, state, nodes, availability and addresses.
  type: list
  elements: dict
  returned: on a member
paused:
  description: Since when high availability is paused and what ends that, a sentence; empty when it is active.
  type: str
  returned: on a member
fence_events:
  description: Nodes that were fenced.
  type: list
  elements: dict
  returned: on a member
moves:
  description: How far the guests are that are being moved, with C(phase), C(percent), C(rate) and more.
  type: list
  elements: dict
  returned: on a member
unproven:
  description: What to say of nodes whose fencing was not proven within O(proof_days), a sentence, or none.
  type: list
  elements: str
  returned: on a member
declaration:
  description:
    - The C(commit) that the guests were declared from last and whether that was C(dirty), C(at) its time, and C(drift),
      what guests.yml would change now, as phrases by guest. None when this node cannot tell, C(unknown) being why.
  type: dict
  returned: on a member, with O(changes)
drifted:
  description: What to say of guests that are not as declared, a sentence, or none.
  type: list
  elements: str
  returned: on a member, with O(changes)
strays:
  description: The nodes of the cluster that are not among O(inventory), and what to do about each, by name.
  type: dict
  returned: on a member
waiting:
  description: What guests that run on this node have not taken over of their definitions, a sentence each.
  type: list
  elements: str
  returned: always
problems:
  description: What is wrong, a sentence each.
  type: list
  elements: str
  returned: on a member
node_problems:
  description: What is wrong on this node itself, a sentence each.
  type: list
  elements: str
  returned: always
filtered:
  description: What this node's packet filter has dropped, a sentence for each guest that runs here.
  type: list
  elements: str
  returned: always
table:
  description: All of it as lines for a terminal.
  type: list
  elements: str
  returned: on a member
"""

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import guest_of
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.paused import described
from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.node_name import node_name
from ansible_collections.cspp.drover.plugins.module_utils.core.parallel import both
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import read as read_definition
from ansible_collections.cspp.drover.plugins.module_utils.host.sbd import SbdNode
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.packet_filter import PacketFilter
from ansible_collections.cspp.drover.plugins.module_utils.journal import book, power
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress
from ansible_collections.cspp.drover.plugins.module_utils.notify import receivers
from ansible_collections.cspp.drover.plugins.module_utils.notify.marks import overdue
from ansible_collections.cspp.drover.plugins.module_utils.reporting import changes, drift, moves, reasons
from ansible_collections.cspp.drover.plugins.module_utils.reporting import status as overview
from ansible_collections.cspp.drover.plugins.module_utils.reporting.fencing import reminder, unwatched
from ansible_collections.cspp.drover.plugins.module_utils.reporting.filtered import lines


def filtered() -> list[str]:
    """What was dropped here; nothing where there is no filter, or it does not tell."""
    packets = PacketFilter()
    try:
        return lines(node_name(), packets.dropped(), packets.strays())
    except DroverError:
        return []


def known() -> list[book.Entry]:
    """This node's copy of the journal; nothing where it cannot be read."""
    try:
        return book.Book().entries()
    except OSError:
        return []


def untold(entries: Sequence[book.Entry]) -> list[str]:
    """Who could not be told of what happened."""
    try:
        return overdue(entries, receivers.receivers(), time.time())
    except (DroverError, OSError) as error:
        return [f"{node_name()} cannot read whom to tell of what happens: {error}"]


def unproven(entries: Sequence[book.Entry], nodes: Collection[str], days: int) -> list[str]:
    """What to say of nodes whose fencing was not proven of late."""
    return reminder(power.unproven(entries, nodes, days, datetime.now(UTC)), days) if days else []


def look(cluster: Pacemaker, inventory: Sequence[str], *, tell_changes: bool, days: int = 0) -> dict[str, Any]:
    try:
        cib, status = both(cluster.query, cluster.status)
    except ClusterError as error:
        return {"member": False, "reason": str(error), "waiting": []}
    status = reasons.explained(status)
    live = read(cib)
    entries = known()
    seen = overview.overview(live, status, inventory)
    seen["problems"] += untold(entries)
    under_way = progress.under_way(status)
    lines = [*overview.table(seen), *(f"> {moves.progress(move)}" for move in under_way)]
    able = status.quorum and status.dc is not None
    reason = "" if able else "it has no quorum, or no leader"
    found = {
        "member": able,
        "reason": reason,
        "paused": described(live.properties),
        **seen,
        "moves": under_way,
        "table": lines,
        "waiting": [],
    }
    found["unproven"] = unproven(entries, [node["name"] for node in seen["nodes"]], days if status.fencing else 0)
    if tell_changes:
        found["declaration"] = drift.drift(cib, status, entries)
        found["drifted"] = drift.reminder(found["declaration"])
        # A node that cannot look at its guests tells of the cluster all the same.
        with suppress(DroverError, ImportError):
            found["waiting"] = waiting(
                cib, [guest["name"] for guest in seen["guests"] if node_name() in guest["nodes"]]
            )
    return found


def of_node(now: float) -> list[str]:
    """What is wrong on this node itself."""
    return [*certificates(now), *unwatched(node_name(), SbdNode(run).unwatched())]


def certificates(now: float) -> list[str]:
    """What is wrong with this node's certificates."""
    try:
        from ansible_collections.cspp.drover.plugins.module_utils.trust import renewal

        identities = [one for path in renewal.files() for one in renewal.declared(path)[0]]
        return [f"{node_name()}: {line}" for line in renewal.overdue(identities, now)]
    except (ImportError, OSError):  # no node yet, or one of a Drover that had nothing renewed by itself
        return []
    except (DroverError, ValueError, KeyError, TypeError) as error:
        return [f"{node_name()}: its certificates cannot be read: {error}; run site.yml"]


def waiting(cib: str, here: Collection[str]) -> list[str]:
    """What the guests that run here have not taken over of their definitions."""
    from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.guest_state import running

    definitions = []
    for name, resource in read(cib).guests().items():
        with suppress(ValueError):
            if name not in here:
                continue
            its = read_definition(guest_of(resource) or {})
            definitions += [] if its.missing else [its.definition]
    return changes.waiting([running(definitions)])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "changes": {"type": "bool", "default": False},
            "inventory": {"type": "list", "elements": "str", "default": []},
            "proof_days": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    wish = module.params
    found = look(Pacemaker(), wish["inventory"], tell_changes=wish["changes"], days=wish["proof_days"])
    module.exit_json(changed=False, node_problems=of_node(time.time()), filtered=filtered(), **found)


if __name__ == "__main__":
    main()
