#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Move a guest to another node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_migrate
short_description: Move a guest to another node
version_added: 0.1.0
description:
  - Brings a guest to a node and waits until it is there. A VM migrates live; a container stops and starts.
  - A move that fails leaves the guest running where it was, and the cluster in order.
  - Run it on one member. Interrupted, it can be run again, and finishes what it began.
options:
  guest:
    description: Name of the guest.
    type: str
    required: true
  to:
    description: The node to move it to. By default the best of the other nodes.
    type: str
  timeout:
    description: Seconds to wait for it. By default as long as the guest's operations may take.
    type: int
attributes:
  check_mode:
    support: full
    description: Tells where the guest would go and what the cluster would do, and changes nothing.
  diff_mode:
    support: full
    description: One difference per object of the cluster's configuration.
author: The Drover maintainers (@cspp)
"""

EXAMPLES = r"""
- name: Move a guest
  cspp.drover.guest_migrate:
    guest: minecraft
    to: node2
  run_once: true
"""

RETURN = r"""
guest:
  description: Name of the guest.
  type: str
  returned: always
from:
  description: The node on which it was.
  type: str
  returned: success
to:
  description: The node on which it is, or would be.
  type: str
  returned: success
method:
  description: Whether it moves V(live), or by a V(restart).
  type: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: success
plan:
  description: What the cluster does because of it, as predicted by its own scheduler.
  type: list
  elements: str
  returned: success
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils import move
from ansible_collections.cspp.drover.plugins.module_utils.cib import Difference, Wanted, read
from ansible_collections.cspp.drover.plugins.module_utils.move import Move, Refused
from ansible_collections.cspp.drover.plugins.module_utils.pacemaker import (
    ClusterError,
    ClusterStatus,
    Pacemaker,
    Snapshot,
)
from ansible_collections.cspp.drover.plugins.module_utils.resources import repairs
from ansible_collections.cspp.drover.plugins.module_utils.simulate import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.wait import WaitTimeout


def migrate(cluster: Pacemaker, guest: str, to: str | None, timeout: float | None, check: bool) -> dict[str, Any]:
    """Move a guest. Raises Refused for a move that can't be made, ClusterError for one that failed."""
    started = time.monotonic()
    status = _in_order(cluster, guest, check)

    def planned(cib: str) -> Move:
        return move.plan(guest, to, read(cib), status)

    def wanted(cib: str) -> Wanted:
        plan = planned(cib)
        return plan.wanted if plan.needed else move.finished(guest)

    def guard(difference: Difference, prediction: Prediction) -> None:
        plan, place = planned(difference.live), prediction.place(guest)
        if plan.needed and place != plan.target:
            raise Refused(
                f"the cluster would not take {guest} to {plan.target} but leave it on {place or 'no node'}: a failure "
                f"there is on record (crm_resource --cleanup --resource {guest} forgets it), or somebody banned it "
                f"from there (crm_resource --constraints --resource {guest} shows that)"
            )
        harm = prediction.refusals({resource.name for resource in status.resources if resource.active})
        if harm:
            raise Refused(f"to make room for {guest} the cluster would act thus: {'; '.join(map(str, harm))}")

    applied = cluster.apply(wanted, check=check, guard=guard)
    plan = planned(applied.difference.live)
    if plan.needed and not check:
        _carry_out(cluster, plan, plan.timeout if timeout is None else timeout)
    return {
        "changed": applied.difference.changed,
        "diff": applied.difference.diff(),
        "guest": guest,
        "from": plan.source,
        "to": plan.target,
        "method": "live" if plan.live else "restart",
        "seconds": round(time.monotonic() - started, 1),
        "plan": applied.prediction.sentences(),
    }


def _in_order(cluster: Pacemaker, guest: str, check: bool) -> ClusterStatus:
    """Put right what an earlier move left behind, and wait for what is under way."""
    seen = cluster.look()
    if check:
        return seen.status
    if guest in read(seen.cib).guests() and not seen.idle([guest]):
        seen = cluster.wait(
            lambda now: now.idle([guest]), what=f"the end of what is under way for {guest}", timeout=300
        )
    interrupted = guest in read(seen.cib).recovering()
    if interrupted or repairs([guest], seen.status).get(guest) == "recover":
        cluster.recover(guest, also=move.finished(guest))
    return cluster.status()


def _carry_out(cluster: Pacemaker, plan: Move, timeout: float) -> None:
    """Wait until the guest is there, and remove what brought it there."""
    seen: Snapshot = cluster.wait(
        lambda now: move.outcome(plan, now) != "under way",
        what=f"the arrival of {plan.guest} on {plan.target}",
        timeout=timeout,
    )
    if move.outcome(plan, seen) == "arrived":
        cluster.apply(lambda _cib: move.finished(plan.guest), check=False)
        return
    causes = "; ".join(move.causes(plan, seen.status)) or f"the cluster left it where it was ({seen})"
    guest = seen.status.resource(plan.guest)
    undone = move.undone(plan, read(seen.cib))
    if guest is not None and guest.failed:
        cluster.recover(plan.guest, also=undone)
    else:
        cluster.apply(lambda _cib: undone, check=False)
        if move.causes(plan, seen.status):
            cluster.retry(plan.guest)
    after = cluster.wait(
        lambda now: now.idle([plan.guest]), what=f"order for {plan.guest} after its failed move", timeout=60
    )
    now = after.status.resource(plan.guest)
    place = f"It is {now.word} on {now.node}" if now is not None and now.node else "It is not running"
    raise ClusterError(
        f"{plan.guest} did not get from {plan.source} to {plan.target}: {causes}. {place}, and the cluster is in "
        "order. Cure the cause and run this again, or name another node (-e to=NODE)"
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "guest": {"type": "str", "required": True},
            "to": {"type": "str"},
            "timeout": {"type": "int"},
        },
        supports_check_mode=True,
    )
    wish = module.params
    try:
        result = migrate(Pacemaker(), wish["guest"], wish["to"] or None, wish["timeout"], module.check_mode)
    except (ClusterError, Refused, WaitTimeout, ValueError) as error:
        module.fail_json(msg=str(error), guest=wish["guest"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
