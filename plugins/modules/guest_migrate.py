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
  - Brings a guest to a node and waits until it is there. A VM migrates live; a container stops and starts, and what
    it has on local storage is copied before, while it runs.
  - Before anything is touched, the nodes are asked what speaks against it, and a move that would fail is refused.
  - A move that fails leaves the guest running where it was, and the cluster in order.
  - Run it on one member. Interrupted, it can be run again, and finishes what it began.
  - Tells how it went, from the cluster's journal of moves and, with O(probe), as a client saw it.
options:
  guest:
    description: Name of the guest.
    type: str
    required: true
  to:
    description: The node to move it to. By default the best of the other nodes.
    type: str
  ignore:
    description: Reason codes of what the nodes have against the move that is not to stand in its way.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  timeout:
    description: Seconds to wait for it. By default as long as the guest's operations may take.
    type: int
  probe:
    description:
      - What a client asks the guest from before the move until a second after it, to tell what clients notice.
      - V(ping) or V(ping://ADDRESS) sends ICMP echo requests, V(udp://ADDRESS:PORT) datagrams to an echo service.
      - V(tcp://ADDRESS:PORT) holds a session to an echo service. At a service that does not echo it opens new
        connections instead, at most 20 a second, and closes them at once; some services lock out a client that does
        that.
      - Without an address, as in V(tcp://:7), it is the guest's first declared one. Sends 100 packets a second, or as
        many as V(?rate=N) at the end says, up to 1000.
      - A guest that does not answer beforehand is not moved.
    type: str
    version_added: 0.2.0
  probe_from:
    description: The node to probe from. By default the controller does it.
    type: str
    version_added: 0.2.0
  slo:
    description:
      - What the move must not exceed. When it did, or nobody could measure it, the task fails, with the guest moved.
      - Of V(client_silence) and V(downtime), durations such as V(50ms), and V(packets_lost), a number.
        V(client_silence) and V(packets_lost) need a O(probe).
    type: dict
    version_added: 0.2.0
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Tells where the guest would go and what the cluster would do, and changes nothing.
  diff_mode:
    description: One difference per object of the cluster's configuration.
"""

EXAMPLES = r"""
- name: Move a guest
  cspp.drover.guest_migrate:
    guest: minecraft
    to: node2
  run_once: true

- name: Move a guest, and fail if a client that pings it notices more than a moment
  cspp.drover.guest_migrate:
    guest: minecraft
    probe: ping
    slo: {client_silence: 100ms, packets_lost: 0}
  run_once: true
"""

RETURN = r"""
guest:
  description: Name of the guest.
  type: str
  returned: always
from:
  description: The node on which it was. In check mode none for one that is yet to be put in order, as the next two.
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
outcome:
  description: How it went, on one line.
  type: str
  returned: when it was moved
journal:
  description: The move's record in the cluster's journal; none when the guest was not moved, or nobody recorded it.
  type: dict
  returned: always
downtime_ms:
  description: How long the guest stood still, or was down, in milliseconds; from the journal, as are the next four.
  type: float
  returned: always
rounds:
  description: Passes over the guest's memory, or its files.
  type: int
  returned: always
bytes:
  description: What was sent from node to node.
  type: int
  returned: always
path:
  description: What the migration went through, in words.
  type: list
  elements: str
  returned: always
forecast:
  description:
    - What was expected of it, by the VM's use of memory (C(in_use), C(dirties)), the C(disks) to copy, the C(bandwidth)
      and its policy. C(rounds), C(bytes), C(seconds), C(pause_ms), C(worst_ms), C(converges), C(path) and C(why).
    - None for a container, for a VM that need not move, and where its use of memory could not be measured.
  type: dict
  returned: always
preflight:
  description:
    - What speaks against the move, for each node that it might have gone to. See C(checks) of
      M(cspp.drover.migration_check_info).
  type: list
  elements: dict
  returned: always
notes:
  description: Forecast and warnings, as lines for a terminal.
  type: list
  elements: str
  returned: success
client_silence_ms:
  description: The longest time without an answer to the probe, in milliseconds. None without one, as the next three.
  type: float
  returned: always
packets_lost:
  description: Packets of the probe that were never answered. They, or their answers, were lost.
  type: int
  returned: always
packets_duplicated:
  description: Answers that came more than once.
  type: int
  returned: always
probe:
  description:
    - What the probe saw. C(target), C(from) where, what was C(measured), at which C(rate), over C(seconds), C(sent),
      C(received), C(lost), C(duplicated), C(reordered), C(silence_ms), how a session is C(broken).
    - C(delay_ms) is how long the prober itself was held up at most. A silence not far above it says nothing of the
      guest.
    - C(tcp) tells the two directions of a session apart, as far as the kernel knows. Packets C(retransmitted) beyond
      those that the guest C(received_twice) were lost on the way to it; C(gaps_back) are packets missed for a while on
      the way back. Of pings and datagrams nobody knows which way was the lossy one.
  type: dict
  returned: always
"""

import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils import journal, move, moves, probe, readiness, slo
from ansible_collections.cspp.drover.plugins.module_utils.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cib_difference import Difference
from ansible_collections.cspp.drover.plugins.module_utils.cib_objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster_status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.controller import Policy
from ansible_collections.cspp.drover.plugins.module_utils.forecast import Forecast, achieved, forecast
from ansible_collections.cspp.drover.plugins.module_utils.guest_health import REPAIRS, repairs
from ansible_collections.cspp.drover.plugins.module_utils.move import Move, Refused, UnderWay
from ansible_collections.cspp.drover.plugins.module_utils.pacemaker import Applied, ClusterError, Pacemaker, Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.readiness import Check
from ansible_collections.cspp.drover.plugins.module_utils.resources import addresses_of, guest_of
from ansible_collections.cspp.drover.plugins.module_utils.simulate import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.survey import survey, volumes
from ansible_collections.cspp.drover.plugins.module_utils.wait import WaitTimeout

#: Seconds for waiting until nobody else moves the guest: at least these, and as many as its own move may take.
_OTHERS = 600.0


class Observer:
    """What becomes known of one move: what was found before it, its record in the journal and, if asked for, what a
    node's probe sees."""

    def __init__(self, guest: str, target: probe.Target | None = None, node: str | None = None) -> None:
        self.guest = guest
        self.checks: list[Check] = []
        self.foreseen: dict[str, Forecast] = {}
        self.going_to: str | None = None
        self.trouble = ""
        self._target, self._node = target, node
        self._since: journal.Since | None = None
        self._probe: probe.RemoteProbe | None = None

    def begin(self, addresses: list[str]) -> None:
        """The move is about to be made. Raises Refused when the probe gets no answer."""
        if self._target is not None and self._node is not None:
            try:
                self._probe = probe.RemoteProbe(self._node, self._target.at(addresses))
                self._probe.start()
            except probe.ProbeError as error:
                raise Refused(f"{error}, so nothing was moved") from error
        self._since = journal.Since()

    def forget(self) -> None:
        """The move is not made yet: what was seen since the beginning is somebody else's."""
        if self._probe is not None:
            with suppress(probe.ProbeError):
                self._probe.stop()
        self._probe = self._since = None

    def record(self) -> dict[str, Any]:
        """The move's record as far as there is one."""
        found = self._since.entries([self.guest]) if self._since else []
        return found[-1] if found else {}

    def notes(self) -> list[str]:
        """Forecast and warnings, as lines for a terminal."""
        expected = self.foreseen.get(self.going_to or "")
        found = [finding for one in self.checks if one.target == self.going_to for finding in one.findings]
        return [*([f"forecast: {expected}"] if expected else []), *readiness.told(found)]

    def end(self) -> dict[str, Any]:
        """All of it, as part of the module's result."""
        reading = None
        if self._probe is not None:
            time.sleep(probe.AFTERWARDS)
            try:
                reading = self._probe.stop()
            except probe.ProbeError:  # the node that probed may have been lost
                reading = None
        record = self.record()
        expected = self.foreseen.get(self.going_to or "")
        return {
            "preflight": [one.as_dict() for one in self.checks],
            "forecast": expected.as_dict() if expected else None,
            "journal": record or None,
            **{key: record.get(key) for key in ("downtime_ms", "rounds", "bytes", "path")},
            **probe.told(reading, self._node or ""),
        }


def migrate(
    cluster: Pacemaker,
    guest: str,
    to: str | None,
    timeout: float | None,
    ignore: Collection[str],
    check: bool,
    observer: Observer,
) -> dict[str, Any]:
    """Move a guest. Raises Refused for a move that can't be made, ClusterError for one that failed."""
    started = time.monotonic()
    while True:
        seen = _at_rest(cluster, guest)
        if check and _out_of_order(seen, guest):
            return {
                "changed": True,
                "diff": [],
                "guest": guest,
                "from": None,
                "to": to,
                "method": None,
                "seconds": 0.0,
                "plan": [f"{guest}: {REPAIRS['recover']}, and then moved if it can be"],
                "notes": [],
            }
        status = seen.status if check else _in_order(cluster, guest, seen)
        _ahead(cluster, guest, to, status, observer)
        try:
            applied, plan = _order(cluster, guest, to, status, ignore, check, observer)
            break
        except UnderWay:
            observer.forget()
            if time.monotonic() - started > _OTHERS:
                raise Refused(f"{guest} is moved again and again by somebody else; see playbooks/journal.yml") from None
    observer.going_to = plan.target if plan.needed else None
    if plan.needed and not check:
        _carry_out(cluster, plan, plan.timeout if timeout is None else timeout, observer)
    return {
        "changed": applied.difference.changed,
        "diff": applied.difference.diff(),
        "guest": guest,
        "from": plan.source,
        "to": plan.target,
        "method": "live" if plan.live else "restart",
        "seconds": round(time.monotonic() - started, 1),
        "plan": applied.prediction.sentences(),
        "notes": observer.notes(),
    }


def _order(
    cluster: Pacemaker,
    guest: str,
    to: str | None,
    status: ClusterStatus,
    ignore: Collection[str],
    check: bool,
    observer: Observer,
) -> tuple[Applied, Move]:
    """Tell the cluster to move a guest that it has nothing else to do with. Raises UnderWay if by now it has."""
    seen = {one.target: [found for found in one.seen if found.code not in ignore] for one in observer.checks}

    def planned(cib: str) -> Move:
        return move.plan(guest, to, read(cib), status, seen)

    def wanted(cib: str) -> Wanted:
        plan = planned(cib)
        return plan.wanted if plan.needed else move.finished(guest)

    def guard(difference: Difference, prediction: Prediction) -> None:
        if not check and move.under_way(guest, difference.live, cluster.simulate(difference.live)):
            raise UnderWay([guest])
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

    if not check:
        live = cluster.query()
        if planned(live).needed:
            observer.begin(addresses_of(read(live).primitives[guest]))
    applied = cluster.apply(wanted, check=check, guard=guard)
    return applied, planned(applied.difference.live)


def _ahead(cluster: Pacemaker, guest: str, to: str | None, status: ClusterStatus, observer: Observer) -> None:
    """Find out what speaks against the move to each of the nodes that it may go to, and what it will take."""
    live = read(cluster.query())
    nodes = [to] if to else [node.name for node in status.nodes]
    views = survey(readiness.going([guest], nodes, live, status), measure=[guest])
    here = seen.node if (seen := status.resource(guest)) else None
    moving = moves.under_way(status)
    observer.checks = [readiness.check(guest, node, live, status, views, moving) for node in nodes if node != here]
    measured = views[here].suits.get("measure", {}).get(guest) if here in views else None
    if here is None or not measured or "error" in measured:
        return
    definition = guest_of(live.primitives[guest]) or {}
    memory = int(definition.get("max_memory") or definition["memory"])
    earlier, paths = journal.Book().entries(), views[here].suits["paths"]
    disks = sum(paths[path]["used"] or 0 for path, alone in volumes(definition) if alone)
    for one in observer.checks:
        wire = views[here].suits["reach"].get(one.target, {}).get("speed")
        policy, before = Policy.of(definition), achieved(earlier, here, one.target, measured["in_use"])
        observer.foreseen[one.target] = forecast(
            measured["in_use"], measured["dirties"], policy, memory=memory, disks=disks, wire=wire, before=before
        )


def _at_rest(cluster: Pacemaker, guest: str) -> Snapshot:
    """Wait for what is under way."""
    seen = cluster.look()

    def at_rest(now: Snapshot) -> bool:
        return now.idle([guest]) and not move.under_way(guest, now.cib, now.ahead)

    known = read(seen.cib).guests().get(guest)
    if known is not None and not at_rest(seen):
        patience = max(_OTHERS, move.longest(known))
        seen = cluster.wait(at_rest, what=f"the end of what is under way for {guest}", timeout=patience)
    return seen


def _in_order(cluster: Pacemaker, guest: str, seen: Snapshot) -> ClusterStatus:
    """Put right what an earlier move left behind."""
    if _out_of_order(seen, guest):
        cluster.recover(guest, also=lambda _cib: move.finished(guest))
    elif any(failure.operation.startswith("migrate") for failure in seen.status.failures_of(guest)):
        cluster.retry(guest)  # it runs all the same
    return cluster.status()


def _out_of_order(seen: Snapshot, guest: str) -> bool:
    """Whether an earlier move has failed, and nobody has seen to that, or not to its end."""
    return guest in read(seen.cib).recovering() or repairs([guest], seen.status).get(guest) == "recover"


def _carry_out(cluster: Pacemaker, plan: Move, timeout: float, observer: Observer) -> None:
    """Wait until the guest is there, and remove what brought it there."""
    seen: Snapshot = cluster.wait(
        lambda now: move.outcome(plan, now) != "under way",
        what=f"the arrival of {plan.guest} on {plan.target}",
        timeout=timeout,
    )
    # The journal has the agent's own words, of which Pacemaker keeps none for a migration.
    causes = str(observer.record().get("reason") or "") or "; ".join(move.causes(plan, seen.status))
    if move.outcome(plan, seen) == "arrived":
        cluster.apply(lambda cib: move.arrived(plan, read(cib)), check=False)
        if move.causes(plan, seen.status):
            cluster.retry(plan.guest)
        if causes:
            observer.trouble = f"{plan.guest} is on {plan.target}, but not without trouble: {causes}"
        return
    causes = causes or f"the cluster left it where it was ({seen})"
    failed = f"{plan.guest} did not get from {plan.source} to {plan.target}: {causes}"
    guest = seen.status.resource(plan.guest)

    def settled(cib: str) -> Wanted:
        now = cluster.status().resource(plan.guest)
        there = now is not None and now.node == plan.target
        return move.arrived(plan, read(cib)) if there else move.undone(plan, read(cib))

    try:
        if guest is not None and guest.failed:
            cluster.recover(plan.guest, also=settled)
        else:
            cluster.apply(settled, check=False)
            if move.causes(plan, seen.status):
                cluster.retry(plan.guest)
        after = cluster.wait(
            lambda now: now.idle([plan.guest]), what=f"order for {plan.guest} after its failed move", timeout=60
        )
    except (ClusterError, WaitTimeout) as error:
        raise ClusterError(f"{failed}. And it could not be put in order: {error}") from error
    now = after.status.resource(plan.guest)
    if now is not None and now.running and now.node == plan.target:
        observer.trouble = f"{plan.guest} is on {plan.target}, and the cluster was put in order again: {causes}"
        return
    place = f"It is {now.word} on {now.node}" if now is not None and now.node else "It is not running"
    raise ClusterError(
        f"{failed}. {place}, and the cluster is in order. Cure the cause and run this again, or name another node "
        "(-e to=NODE)"
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "guest": {"type": "str", "required": True},
            "to": {"type": "str"},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int"},
            "probe": {"type": "str"},
            "probe_from": {"type": "str"},
            "slo": {"type": "dict"},
        },
        required_by={"probe_from": "probe"},
        supports_check_mode=True,
    )
    wish = module.params
    observer = Observer(wish["guest"])
    try:
        target = probe.parse(wish["probe"]) if wish["probe"] else None
        slo.read(wish["slo"], probed=target is not None)
        observer = Observer(wish["guest"], target, wish["probe_from"] or None)
        how = (wish["timeout"], wish["ignore"], module.check_mode, observer)
        result = migrate(Pacemaker(), wish["guest"], wish["to"] or None, *how)
    except (ClusterError, Refused, WaitTimeout, ValueError) as error:
        module.fail_json(msg=str(error), guest=wish["guest"], **observer.end())
    if observer.trouble:
        module.warn(observer.trouble)
    module.exit_json(**result, **observer.end())


if __name__ == "__main__":
    main()
