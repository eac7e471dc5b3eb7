# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The adapter to Pacemaker: the only place that runs its command-line tools.

Every call has its own timeout, arguments as a list, and XML output. ``crmadmin -D`` is never used: it can hang.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from .cib import read
from .cib_difference import Difference
from .cib_objects import PREFIX, RECOVERY, Wanted
from .cib_reconcile import reconcile
from .command import CommandError, Runner, run
from .simulate import Prediction, parse
from .wait import WaitTimeout, wait_for

__all__ = [
    "Applied",
    "ClusterError",
    "ClusterStatus",
    "Contended",
    "FailedAction",
    "FenceEvent",
    "NodeStatus",
    "Pacemaker",
    "ResourceStatus",
    "Snapshot",
    "parse_status",
    "pending",
    "probed",
]

#: Exit statuses of Pacemaker's tools (crm_exit_e).
_OLD, _NOT_CONNECTED, _MISSING = 103, 102, 105
#: Result of an operation that has begun and not ended (OCF status "unknown" in Pacemaker's own numbering).
_PENDING = "193"
#: Seconds that somebody who waits goes on without seeing anything.
_BLIND = 30.0
#: Seconds for which a node counts as fenced that somebody else has had fenced.
_FENCED_ALREADY = 30
#: Seconds for which a guest is not taken up that the cluster would disturb, and between two tries.
_DISTURBED_FOR, _AGAIN = 60.0, 2.0


class ClusterError(Exception):
    """The cluster can't be asked, or said no. The message says what to do."""


class Contended(ClusterError):
    """Somebody else kept changing the configuration while ours was to go in."""


class _Disturbing(ClusterError):
    """What is to be done now would disturb a guest that runs."""


class _Stale(Exception):
    """The CIB moved on between the query and the patch."""


@dataclass(frozen=True)
class NodeStatus:
    name: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool
    unclean: bool
    shutdown: bool

    @property
    def usable(self) -> bool:
        """Whether guests may be started here."""
        return self.online and not (self.standby or self.maintenance or self.pending or self.unclean or self.shutdown)

    @property
    def word(self) -> str:
        """Its condition in one word of the field."""
        if self.unclean:
            return "unclean"
        if not self.online:
            return "offline"
        for condition in ("pending", "shutdown", "standby", "maintenance"):
            if getattr(self, condition):
                return "maintenance" if condition == "standby" else condition
        return "online"


@dataclass(frozen=True)
class ResourceStatus:
    """``nodes`` are all nodes on which it is active; more than one while a migration hangs between two."""

    name: str
    agent: str
    role: str
    nodes: tuple[str, ...]
    active: bool
    failed: bool
    blocked: bool
    managed: bool
    maintenance: bool
    orphaned: bool
    pending: str | None

    @property
    def node(self) -> str | None:
        return self.nodes[0] if len(self.nodes) == 1 else None

    @property
    def running(self) -> bool:
        """Up on exactly one node, with nothing wrong and nothing under way."""
        return self.active and self.role == "Started" and len(self.nodes) == 1 and not self.failed and not self.pending

    @property
    def word(self) -> str:
        if self.pending:
            return self.pending.lower()
        if self.failed:
            return "failed, blocked" if self.blocked else "failed"
        if not self.managed:
            return "running, unmanaged" if self.active else "unmanaged, not seen"
        return "running" if self.active else "stopped"


@dataclass(frozen=True)
class FailedAction:
    """An operation that failed and is still on record. ``reason`` is the agent's own, may be empty."""

    resource: str
    operation: str
    node: str
    status: str
    reason: str
    when: str

    def __str__(self) -> str:
        # Pacemaker keeps no reason for a failed migrate_to. Its agent tells the journal of moves, unless it was killed.
        why = self.reason or (
            f"{self.status}, and its agent left no word of why, as one that was killed "
            "('journalctl -u pacemaker' there tells more)"
        )
        return f"{self.operation} of {self.resource} failed on {self.node}: {why}"


@dataclass(frozen=True)
class FenceEvent:
    target: str
    action: str
    status: str
    by: str
    when: str


@dataclass(frozen=True)
class ClusterStatus:
    dc: str | None
    quorum: bool
    fencing: bool
    maintenance: bool
    nodes: tuple[NodeStatus, ...] = ()
    resources: tuple[ResourceStatus, ...] = ()
    failures: tuple[FailedAction, ...] = ()
    fence_events: tuple[FenceEvent, ...] = ()

    def node(self, name: str) -> NodeStatus | None:
        return next((node for node in self.nodes if node.name == name), None)

    def resource(self, name: str) -> ResourceStatus | None:
        return next((resource for resource in self.resources if resource.name == name), None)

    def failures_of(self, name: str) -> tuple[FailedAction, ...]:
        return tuple(failure for failure in self.failures if failure.resource == name)


@dataclass(frozen=True)
class Snapshot:
    """One look at the cluster: its CIB, its status, and what it is still about to do."""

    cib: str
    status: ClusterStatus
    ahead: Prediction

    def idle(self, names: Collection[str]) -> bool:
        """Whether nothing is under way or ahead for these resources."""
        pending = {resource.name for resource in self.status.resources if resource.pending}
        return self.status.dc is not None and not (self.ahead.busy | pending).intersection(names)

    def __str__(self) -> str:
        ahead = "; ".join(self.ahead.sentences())
        under_way = "; ".join(f"{r.name}: {r.pending.lower()}" for r in self.status.resources if r.pending)
        return under_way or ahead or "nothing under way"


@dataclass(frozen=True)
class Applied:
    """A change and its prediction, which check mode and the real run share."""

    difference: Difference
    prediction: Prediction


class Pacemaker:
    """One member's view of its cluster, through the tools installed there."""

    def __init__(self, runner: Runner = run, tries: int = 20) -> None:
        self._run = runner
        self._tries = tries

    def query(self) -> str:
        """The whole CIB as XML."""
        return self._ask(["cibadmin", "--query"])

    def status(self) -> ClusterStatus:
        return parse_status(self._ask(["crm_mon", "--one-shot", "--output-as=xml", "--inactive", "--fence-history=2"]))

    def simulate(self, cib: str) -> Prediction:
        """What the cluster would do if this were its CIB."""
        with tempfile.TemporaryDirectory(prefix="drover-cib-") as folder:
            graph = Path(folder, "graph.xml")
            argv = ["crm_simulate", "--run", "--output-as=xml", f"--save-graph={graph}", "--xml-pipe"]
            return parse(self._ask(argv, stdin=cib, timeout=120), graph.read_text(encoding="utf-8"))

    def look(self) -> Snapshot:
        cib = self.query()
        return Snapshot(cib, self.status(), self.simulate(cib))

    def apply(
        self,
        plan: Callable[[str], Wanted],
        *,
        check: bool,
        guard: Callable[[Difference, Prediction], None] = lambda _difference, _prediction: None,
    ) -> Applied:
        """Bring the configuration to what ``plan`` wants of the live CIB, by one atomic patch.

        ``guard`` sees the difference and its prediction first, and raises to refuse. In check mode
        all of this happens save the patch. The patch only goes onto the very version it was computed from:
        when another change came in between, the whole cycle starts again.
        Raises Contended when that happens too often.
        """
        predicted: tuple[str, Prediction] | None = None
        for _attempt in range(self._tries):
            live = self.query()
            difference = reconcile(live, plan(live))
            if not difference.changed:
                return Applied(difference, Prediction())
            # Only a change of the configuration makes another prediction; statuses come and go all the time.
            key = repr((difference.version.configuration, difference.names()))
            if predicted is None or predicted[0] != key:
                predicted = (key, self.simulate(difference.xml))
            guard(difference, predicted[1])
            if check:
                return Applied(difference, predicted[1])
            try:
                self._patch(difference)
            except _Stale:
                continue
            return Applied(difference, predicted[1])
        raise Contended(
            f"somebody else kept changing the cluster's configuration: {self._tries} attempts to apply ours "
            "found a newer one each time; find out who does (journalctl -u pacemaker | grep cib), and run again"
        )

    def wait(
        self,
        done: Callable[[Snapshot], bool],
        *,
        what: str,
        timeout: float,
        interval: float = 0.5,
    ) -> Snapshot:
        """Look until ``done``. Raises WaitTimeout, which carries the last snapshot.

        Looks may fail for a while, as they do while a member is lost.
        """
        seen: list[Snapshot] = []
        blind_since: float | None = None

        def look() -> Snapshot:
            nonlocal blind_since
            try:
                seen[:] = [self.look()]
                blind_since = None
            except ClusterError:
                blind_since = blind_since or time.monotonic()
                if not seen or time.monotonic() - blind_since > _BLIND:
                    raise
            return seen[0]

        def finished(last: Snapshot) -> bool:
            return blind_since is None and done(last)

        return wait_for(look, finished, what=what, timeout=timeout, interval=interval)

    def refresh(self, resource: str) -> None:
        """Forget all that is known of a resource, failures too, and look at it anew on every node."""
        self._ask(["crm_resource", "--refresh", "--resource", resource], timeout=60)

    def retry(self, resource: str) -> None:
        """Forget a resource's failures, so that Pacemaker tries again."""
        self._ask(["crm_resource", "--cleanup", "--resource", resource], timeout=60)

    def data_of(self, guest: str) -> str | None:
        """The node that has the data of a guest on local storage; None when nobody has said."""
        found = self._ask(["cibadmin", "--query", "--xpath", _data_of(guest)], ok=(0, _MISSING))
        return ET.fromstring(found).get("node") if found.strip() else None

    def hand_over(self, guest: str, source: str, target: str) -> None:
        """Say that the data of a guest is now on ``target``, provided that it was on ``source``."""
        argv = ["cibadmin", "--modify", "--xpath", f"{_data_of(guest)[:-1]} and @node='{source}']"]
        argv += ["--xml-text", f'<rsc_location id="{PREFIX}data-{guest}" node="{target}"/>']
        try:
            self._ask(argv)
        except ClusterError as error:
            raise ClusterError(f"{target} could not take {guest} over from {source}: {error}") from error

    def recover(
        self, resource: str, *, also: Callable[[str], Wanted] = lambda _cib: Wanted(), timeout: float = 60
    ) -> None:
        """Put a guest in order that failed to migrate and runs where it was, without disturbing it.

        Pacemaker is told to keep its hands off, to look at the guest anew everywhere, and, when it knows where
        it runs, to take it up again, in one patch with whatever ``also`` wants of the CIB. The mark ``drover-recovery``
        tells our hands off from an administrator's, should this be interrupted.
        """

        def hands_off(cib: str) -> Wanted:
            meta = read(cib).primitives[resource].meta
            ours = "maintenance" not in meta or RECOVERY in meta
            return Wanted(meta={resource: {"maintenance": "true", RECOVERY: "true"} if ours else {}})

        def take_up(cib: str) -> Wanted:
            ours = RECOVERY in read(cib).primitives[resource].meta
            meta: dict[str, str | None] = {"maintenance": None, RECOVERY: None} if ours else {}
            return replace(also(cib), meta={resource: meta})

        def undisturbed(_difference: Difference, prediction: Prediction) -> None:
            harm = [a for a in prediction.of(resource) if a.kind in {"stop", "restart", "recover", "move"}]
            if harm:
                said = [f"{action} ({action.reason or 'no reason given'})" for action in harm]
                raise _Disturbing(
                    f"{resource} runs, but is left unmanaged (meta attribute maintenance), because the cluster "
                    f"would otherwise disturb it: {'; '.join(said)}. Run this again: it tries anew"
                )

        def known(seen: Snapshot) -> bool:
            online = {node.name for node in seen.status.nodes if node.online}
            guest = seen.status.resource(resource)
            return (
                guest is not None
                and not guest.failed
                and online <= probed(seen.cib, resource)
                and seen.idle([resource])
            )

        until = time.monotonic() + _DISTURBED_FOR
        self.apply(hands_off, check=False)
        while True:
            self.refresh(resource)
            try:
                self.wait(known, what=f"a fresh look at {resource} on every node", timeout=timeout)
            except WaitTimeout as error:
                raise ClusterError(f"{resource} is left unmanaged (meta attribute maintenance): {error}") from error
            try:
                self.apply(take_up, check=False, guard=undisturbed)
                return
            except _Disturbing:
                # A look can fall into the moment in which a migration that lost its agent comes to its end.
                if time.monotonic() > until:
                    raise
            time.sleep(_AGAIN)

    def has_quorum(self) -> bool:
        """Whether this node has it, by its own word: what the CIB says of it, the coordinator wrote some time ago."""
        return self._ask(["crm_node", "--quorum"]).strip() == "1"

    def fence(self, node: str, seconds: float) -> None:
        """Have the power of a node cut and switched on again, now. Raises ClusterError unless it was in that time."""
        # Whoever was quicker with the same wish, has fulfilled it.
        limits = ["--timeout", f"{max(1, int(seconds))}", "--tolerance", f"{_FENCED_ALREADY}s"]
        self._ask(["stonith_admin", "--reboot", node, *limits], timeout=seconds + 5)

    def _patch(self, difference: Difference) -> None:
        # Files, because arguments show in the process list and a CIB holds secrets.
        with tempfile.TemporaryDirectory(prefix="drover-cib-") as folder:
            old, new = Path(folder, "live.xml"), Path(folder, "wanted.xml")
            old.write_text(difference.live, encoding="utf-8")
            new.write_text(difference.xml, encoding="utf-8")
            argv = ["crm_diff", "--original", str(old), "--new", str(new)]
            patch = self._ask(argv, ok=(0, 1))
        try:
            self._run(["cibadmin", "--patch", "--xml-pipe"], stdin=patch, timeout=60)
        except CommandError as error:
            if error.result is not None and error.result.rc == _OLD:
                raise _Stale from error
            raise ClusterError(f"the cluster refused the change to its configuration: {error}") from error

    def _ask(
        self, argv: list[str], *, stdin: str | None = None, timeout: float = 30, ok: tuple[int, ...] = (0,)
    ) -> str:
        try:
            return str(self._run(argv, stdin=stdin, timeout=timeout, ok=ok).stdout)
        except CommandError as error:
            if error.result is not None and error.result.rc == _NOT_CONNECTED:
                raise ClusterError(
                    "this node is not a running member of a cluster; see "
                    "'systemctl status corosync pacemaker' on it, or run playbooks/site.yml"
                ) from error
            raise ClusterError(str(error)) from error


def parse_status(output: str) -> ClusterStatus:
    """Parse the output of ``crm_mon --output-as=xml``. Raises ParseError on text that isn't XML."""
    root = ET.fromstring(output)
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    present = dc is not None and dc.get("present") == "true"
    return ClusterStatus(
        dc=dc.get("name") if dc is not None and present else None,
        quorum=dc is not None and _true(dc, "with_quorum"),
        fencing=options is not None and _true(options, "stonith-enabled"),
        maintenance=options is not None and _true(options, "maintenance-mode"),
        nodes=tuple(
            NodeStatus(
                name=node.get("name", ""),
                online=_true(node, "online"),
                standby=_true(node, "standby"),
                maintenance=_true(node, "maintenance"),
                pending=_true(node, "pending"),
                unclean=_true(node, "unclean"),
                shutdown=_true(node, "shutdown"),
            )
            for node in sorted(root.iterfind("nodes/node"), key=lambda n: n.get("name", ""))
        ),
        resources=tuple(
            ResourceStatus(
                name=resource.get("id", ""),
                agent=resource.get("resource_agent", ""),
                role=resource.get("role", ""),
                nodes=tuple(sorted(node.get("name", "") for node in resource.iterfind("node"))),
                active=_true(resource, "active"),
                failed=_true(resource, "failed"),
                blocked=_true(resource, "blocked"),
                managed=_true(resource, "managed"),
                maintenance=_true(resource, "maintenance"),
                orphaned=_true(resource, "orphaned"),
                pending=resource.get("pending") or _under_way(resource.get("role", "")),
            )
            for resource in root.iterfind("resources//resource")
        ),
        failures=tuple(
            FailedAction(
                resource=failure.get("op_key", "").removesuffix(f"_{failure.get('task')}_{failure.get('interval')}"),
                operation=failure.get("task", ""),
                node=failure.get("node", ""),
                status=failure.get("exitstatus", ""),
                reason=failure.get("exitreason", ""),
                when=failure.get("last-rc-change", ""),
            )
            for failure in root.iterfind("failures/failure")
        ),
        fence_events=tuple(
            FenceEvent(
                target=event.get("target", ""),
                action=event.get("action", ""),
                status=event.get("status", ""),
                by=event.get("delegate", "") or event.get("origin", ""),
                when=event.get("completed", ""),
            )
            for event in root.iterfind("fence_history/fence_event")
        ),
    )


def probed(cib: str, resource: str) -> set[str]:
    """The nodes on which the state of a resource is known, from a whole CIB."""
    known = set()
    for state in ET.fromstring(cib).iterfind("status/node_state"):
        operations = [
            op
            for history in state.iterfind("lrm/lrm_resources/lrm_resource")
            if history.get("id") == resource
            for op in history.iterfind("lrm_rsc_op")
        ]
        if any(op.get("rc-code") != _PENDING for op in operations):
            known.add(state.get("uname", ""))
    return known


def pending(cib: str) -> set[str]:
    """The resources with which a node is at work, from a whole CIB."""
    return {
        history.get("id", "")
        for history in ET.fromstring(cib).iterfind("status/node_state/lrm/lrm_resources/lrm_resource")
        if any(op.get("rc-code") == _PENDING for op in history.iterfind("lrm_rsc_op"))
    }


def _data_of(guest: str) -> str:
    """Where the CIB says it, see resources.data_id."""
    return f"//rsc_location[@id='{PREFIX}data-{guest}']"


def _under_way(role: str) -> str | None:
    return role if role in {"Migrating", "Starting", "Stopping"} else None


def _true(element: ET.Element, name: str) -> bool:
    return element.get(name) == "true"
