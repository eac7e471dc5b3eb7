#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Declare guests to the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guests
short_description: Declare guests to the cluster
version_added: 0.1.0
description:
  - Brings the cluster's knowledge of its guests to what is wanted, by one atomic patch, and waits until they run.
  - Guests that are not mentioned are left alone. A guest to be removed is stopped first.
  - The change is predicted by the cluster's own scheduler, and refused when it would stop or restart a running
    guest without anybody having asked for that.
  - Run it on one member.
options:
  guests:
    description: The guests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the guest, and id of its resource.
        type: str
        required: true
      state:
        description: Whether it is to be. V(absent) stops and forgets it; its disks stay.
        type: str
        choices: [present, absent]
        default: present
      definition:
        description: What the agents make the guest from. Required when it is to be present.
        type: dict
      ha:
        description:
          - V(false) binds the guest to one node. Else a mapping with V(priority); the higher, the sooner it runs
            again when not all can.
        type: raw
        default: {}
      prefer:
        description: Nodes it had better run on, the best first. A wish that never moves a running guest.
        type: list
        elements: str
        default: []
      apart_from:
        description: Guests not to share a node with, where possible.
        type: list
        elements: str
        default: []
      together_with:
        description: Guests to share a node with, where possible.
        type: list
        elements: str
        default: []
      home:
        description:
          - The node that has made the volumes of a guest on local storage. What the cluster itself knows goes before.
        type: str
  restart_needed:
    description: Guests with changes that only a restart applies, as M(cspp.drover.guest_state_info) found.
    type: list
    elements: str
    default: []
  allow_restart:
    description: Guests that may be restarted for their changes; V(true) allows it for all.
    type: raw
    default: false
  wait_timeout:
    description: Seconds to wait until the guests run, or are gone.
    type: int
    default: 300
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Predicts what the cluster would do, and changes nothing.
"""

EXAMPLES = r"""
- name: Declare the guests
  cspp.drover.guests:
    guests:
      - name: minecraft
        definition: "{{ definitions.minecraft }}"
        ha: {priority: 100}
        prefer: [node1]
        apart_from: [proxy]
      - {name: old, state: absent}
    allow_restart: [minecraft]
  run_once: true
"""

RETURN = r"""
guests:
  description: Each guest with its node, state and predicted actions, and whether a change waits for its restart.
  type: dict
  returned: always
  sample: {minecraft: {node: node1, state: running, actions: [], pending_restart: false}}
objects:
  description: What differed, a phrase per object.
  type: list
  elements: str
  returned: always
actions:
  description: What the cluster does because of it, as predicted by its own scheduler.
  type: list
  elements: dict
  returned: always
plan:
  description: The same as sentences.
  type: list
  elements: str
  returned: always
kept:
  description: Settings made by hand that were left standing.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.cspp.drover.plugins.module_utils.cluster import guest_health
from ansible_collections.cspp.drover.plugins.module_utils.cluster import guests as resources
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.failed_migration import Recovery
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import (
    Applied,
    ClusterError,
    Pacemaker,
    Snapshot,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.planning import move

GUEST = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "definition": {"type": "dict"},
    "ha": {"type": "raw", "default": {}},
    "prefer": {"type": "list", "elements": "str", "default": []},
    "apart_from": {"type": "list", "elements": "str", "default": []},
    "together_with": {"type": "list", "elements": "str", "default": []},
    "home": {"type": "str"},
}


def specification(guest: dict[str, Any]) -> resources.GuestSpec:
    """One guest of the arguments. Raises InvalidValue for a priority that isn't a number."""
    ha = guest["ha"]
    if not isinstance(ha, dict):
        ha = {} if ha is None or truth(ha) else None
    return resources.GuestSpec(
        name=guest["name"],
        definition=None if guest["state"] == "absent" else guest["definition"],
        priority=None if ha is None else number(ha.get("priority") or 0),
        prefer=tuple(guest["prefer"]),
        apart_from=tuple(guest["apart_from"]),
        together_with=tuple(guest["together_with"]),
        home=guest["home"],
    )


def permitted(value: Any) -> frozenset[str] | bool:
    """The guests that may be restarted: names, or True for all of them."""
    if isinstance(value, list):
        return frozenset(str(name) for name in value)
    return truth(value)


def truth(value: Any) -> bool:
    """What YAML or a person takes for true or false. Raises InvalidValue for anything else."""
    try:
        return bool(boolean(value))
    except TypeError as error:
        raise InvalidValue(str(error)) from error


def number(value: Any) -> int:
    """A whole number. Raises InvalidValue for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise InvalidValue(str(error)) from error


class Run:
    """One run of the module: what was asked, and the cluster it is asked of."""

    def __init__(self, cluster: Pacemaker, params: dict[str, Any]) -> None:
        self.cluster = cluster
        self.specs = [specification(guest) for guest in params["guests"]]
        self.restart_needed = frozenset(params["restart_needed"])
        self.may_restart = permitted(params["allow_restart"])
        self.timeout = params["wait_timeout"]
        self.present = [spec.name for spec in self.specs if not spec.absent]
        self.absent = frozenset(spec.name for spec in self.specs if spec.absent)
        self.status = cluster.status()
        if not self.status.quorum:
            raise ClusterError(
                "the cluster has no quorum: more than half of its nodes must be up before guests can be changed"
            )

    def plan(self, cib: str) -> resources.GuestsPlan:
        return resources.plan_guests(
            self.specs,
            read(cib),
            self.status,
            restart_needed=self.restart_needed,
            may_restart=self.may_restart,
        )

    def guard(self, applied: Applied[Wanted]) -> None:
        unasked = guest_health.unasked(
            applied.prediction, self.status, may_stop=self.absent, may_restart=self.may_restart
        )
        if unasked:
            raise ClusterError(
                "refused, for it would take running guests down that nobody asked to: " + "; ".join(unasked)
            )

    def go(self, check: bool) -> dict[str, Any]:
        def whole(cib: str) -> Wanted:
            return self.plan(cib).wanted

        applied = self.cluster.apply(whole, check=True, guard=self.guard)
        planned = self.plan(applied.difference.live)
        pending = planned.pending_restart
        # To try a guest again that waits for its node would only fail again.
        held = guest_health.held_back(self.present, read(applied.difference.live), self.status)
        repairs = guest_health.repairs([name for name in self.present if name not in held], self.status)
        changed = applied.difference.changed or bool(repairs)
        if changed and not check:
            self.remove(applied.difference.live)
            self.cluster.apply(whole, check=False, guard=self.guard)
            for name, way in repairs.items():
                if way == "recover":
                    self.recover(name)
                else:
                    self.cluster.retry(name)
        seen = self.cluster.look() if check else self.settled()
        helped = [f"{name}: {guest_health.REPAIRS[way]}" for name, way in repairs.items()]
        difference, prediction = applied.difference, applied.prediction
        return {
            "changed": changed,
            "diff": difference.diff(),
            "objects": difference.names(),
            "actions": [action.as_dict() for action in prediction.actions],
            "plan": prediction.sentences() + helped,
            "kept": list(difference.kept),
            "guests": {name: self.report(name, seen, prediction, pending) for name in self.present},
            "doubts": [
                *self.doubts(seen, prediction if check and difference.changed else None),
                *(
                    f"{name} may come to use its max_memory, for which its node has no room: it is counted with less "
                    "until it moves or the node has room"
                    for name in planned.undercounted
                ),
            ],
        }

    def remove(self, cib: str) -> None:
        """Stop the guests that are to go. Their resources may only go once they are down everywhere."""
        plan = self.plan(cib)
        if not plan.stopping:
            return
        unmanaged = [name for name in plan.stopping if (seen := self.status.resource(name)) and not seen.managed]
        if unmanaged:
            raise ClusterError(
                f"the cluster was told to leave {', '.join(unmanaged)} alone (maintenance or a failure), so it "
                "will not stop it: end that first, see playbooks/status.yml"
            )
        self.cluster.apply(lambda cib: self.plan(cib).first, check=False, guard=self.guard)

        def down(status: ClusterStatus) -> bool:
            guests = (status.resource(name) for name in plan.stopping)
            return not any(guest is not None and (guest.active or guest.pending) for guest in guests)

        self.status = self.cluster.wait(down, what=f"the stop of {', '.join(plan.stopping)}", timeout=self.timeout)

    def settled(self) -> Snapshot:
        """Wait until nothing is left to be done for the guests. Raises ClusterError for those that don't run."""
        try:
            seen = self.cluster.settle(self.present, what="the start of the guests", timeout=self.timeout)
        except WaitTimeout as late:
            seen = late.last
        troubles = guest_health.troubles(self.present, read(seen.cib), seen)
        if troubles:
            raise ClusterError("not all guests run. " + " ".join(f"{name}: {why}." for name, why in troubles.items()))
        return seen

    def doubts(self, seen: Snapshot, predicted: Prediction | None) -> list[str]:
        """What the user should know of guests that don't run, or would not."""
        held = guest_health.held_back(self.present, read(seen.cib), seen.status)
        doubts = [f"{name} does not run: {why}" for name, why in held.items()]
        doubts += [f"{name} is {seen.status.notes[name]}" for name in self.present if name in seen.status.notes]
        if predicted is not None:
            nowhere = [name for name in self.present if name not in held and predicted.place(name) is None]
            doubts += [f"{name} would run nowhere: no node that is up has room for it" for name in nowhere]
        return doubts

    def recover(self, name: str) -> None:
        """Put a guest in order whose move failed, and forget the move."""
        Recovery(self.cluster, name, also=lambda _cib: move.finished(name)).run()

    def report(self, name: str, seen: Snapshot, prediction: Prediction, pending: tuple[str, ...]) -> dict[str, Any]:
        guest = seen.status.resource(name)
        return {
            "node": guest.node if guest else None,
            "state": guest.word if guest else "absent",
            "actions": [action.as_dict() for action in prediction.of(name)],
            "pending_restart": name in pending,
        }


def main() -> None:
    module = QuietModule(
        argument_spec={
            "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
            "restart_needed": {"type": "list", "elements": "str", "default": []},
            "allow_restart": {"type": "raw", "default": False},
            "wait_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    for guest in module.params["guests"]:
        if guest["state"] == "present" and not guest["definition"]:
            module.fail_json(msg=f"guest {guest['name']} has no definition")
    with fail_on_error(module):
        result = Run(Pacemaker(), module.params).go(module.check_mode)
    for doubt in result.pop("doubts"):
        module.warn(doubt)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
