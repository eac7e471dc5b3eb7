# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The adapter to Pacemaker: the only place that runs its command-line tools.

Every call has its own timeout, arguments as a list, and XML output. ``crmadmin -D`` is never used: it can hang.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from xml.etree import ElementTree as ET

from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError
from ..core.parallel import both
from ..core.wait import WaitTimeout, wait_for
from . import unconfirmed
from .difference import Difference
from .objects import PREFIX, Wanted
from .prediction import Prediction, parse
from .reconciliation import reconcile
from .status import NOTE, PENDING, ClusterStatus, Work, parse_status, parse_work

__all__ = ["Applied", "ClusterError", "Contended", "Pacemaker", "Plan", "Snapshot"]

#: Exit statuses of Pacemaker's tools (crm_exit_e).
_OLD, _NOT_CONNECTED, _MISSING = 103, 102, 105
#: Seconds for each run of a tool, on average, while somebody waits.
_EVERY = 1.0
#: Seconds that somebody who waits goes on without seeing anything.
_BLIND = 30.0
#: Seconds for which a node counts as fenced that somebody else has had fenced.
_FENCED_ALREADY = 30


class ClusterError(DroverError):
    """The cluster can't be asked, or said no. The message says what to do."""


class Contended(ClusterError):
    """Somebody else kept changing the configuration while ours was to go in."""


class Stale(DroverError):
    """The CIB moved on between the query and the patch."""


class Plan(Protocol):
    """Anything that says what it wants of the cluster's configuration."""

    @property
    def wanted(self) -> Wanted: ...


P = TypeVar("P", bound=Wanted | Plan)
T = TypeVar("T")


@dataclass(frozen=True)
class Snapshot:
    """One look at the cluster: its CIB, its status, and what it is still about to do."""

    cib: str
    status: ClusterStatus
    ahead: Prediction

    def busy(self, names: Collection[str]) -> set[str]:
        """Those of these resources with which the cluster is at work, or about to be."""
        return self._busy.intersection(names)

    @cached_property
    def _busy(self) -> set[str]:
        pending = {resource.name for resource in self.status.resources if resource.pending}
        return pending.union(self.ahead.busy, (work.resource for work in parse_work(self.cib)))

    def idle(self, names: Collection[str]) -> bool:
        """Whether nothing is under way or ahead for these resources."""
        return self.status.dc is not None and not self.busy(names)

    def __str__(self) -> str:
        ahead = "; ".join(self.ahead.sentences())
        under_way = "; ".join(f"{r.name}: {r.pending.lower()}" for r in self.status.resources if r.pending)
        return under_way or ahead or "nothing under way"


@dataclass(frozen=True)
class Applied(Generic[P]):
    """A change and its prediction, which check mode and the real run share, and the plan that it comes of."""

    difference: Difference
    prediction: Prediction
    plan: P


def _anything(_applied: Applied[Any]) -> None:
    """The guard that refuses nothing."""


class Tools:
    """Pacemaker's tools as a member has them: each method runs one of them, once."""

    def __init__(self, runner: Runner = run) -> None:
        self._run = runner

    def query(self) -> str:
        """The whole CIB as XML."""
        return self._ask(["cibadmin", "--query"])

    def extract(self, xpath: str, timeout: float = 5) -> str:
        """Some elements of the CIB; empty where it has none of them."""
        return self._ask(["cibadmin", "--query", "--xpath", xpath], timeout=timeout, ok=(0, _MISSING)).strip()

    def fail(self, resource: str, node: str) -> None:
        """Have a resource that runs on the node taken for failed, as if its monitor had just said so."""
        self._ask(["crm_resource", "--fail", "--resource", resource, "--node", node], timeout=5)

    def at_work(self) -> tuple[Work, ...]:
        """What the nodes are at work with. The answer is as short as that, however large the cluster is."""
        found = self.extract(f"//lrm_rsc_op[@rc-code='{PENDING}']", timeout=30)
        return parse_work(found) if found else ()

    def status(self) -> ClusterStatus:
        return parse_status(self._ask(["crm_mon", "--one-shot", "--output-as=xml", "--inactive", "--fence-history=2"]))

    def simulate(self, cib: str) -> Prediction:
        """What the cluster would do if this were its CIB."""
        with tempfile.TemporaryDirectory(prefix="drover-cib-") as folder:
            graph = Path(folder, "graph.xml")
            argv = ["crm_simulate", "--run", "--output-as=xml", f"--save-graph={graph}", "--xml-pipe"]
            return parse(self._ask(argv, stdin=cib, timeout=120), graph.read_text(encoding="utf-8"))

    def refresh(self, resource: str) -> None:
        """Forget all that is known of a resource, failures too, and look at it anew on every node."""
        self._ask(["crm_resource", "--refresh", "--resource", resource], timeout=60)

    def retry(self, resource: str) -> None:
        """Forget a resource's failures, so that Pacemaker tries again."""
        self._ask(["crm_resource", "--cleanup", "--resource", resource], timeout=60)

    def note(self, guest: str, text: str | None) -> None:
        """Say something of a guest that runs on this node, for all to see; None takes it back. A reboot does too."""
        said = ["--delete"] if text is None else ["--update", text]
        self._ask(["attrd_updater", "--name", f"{NOTE}{guest}", *said], timeout=5)

    def attribute(self, node: str, name: str) -> str | None:
        """The value of a node's permanent attribute; None without one."""
        asked = f"//nodes/node[@uname='{node}']/instance_attributes/nvpair[@name='{name}']"
        found = self.extract(asked, timeout=30)
        return ET.fromstring(found).get("value") if found else None

    def goes_down(self, node: str) -> bool:
        """Whether the node's Pacemaker is stopping, which first has its guests leave."""
        asked = f"//node_state[@uname='{node}']/transient_attributes//nvpair[@name='shutdown' and @value!='0']"
        return bool(self.extract(asked))

    def data_of(self, guest: str) -> str | None:
        """The node that has the data of a guest on local storage; None when nobody has said."""
        found = self.extract(_data_of(guest), timeout=30)
        return ET.fromstring(found).get("node") if found else None

    def hand_over(self, guest: str, source: str, target: str) -> None:
        """Say that the data of a guest is now on ``target``, provided that it was on ``source``."""
        argv = ["cibadmin", "--modify", "--xpath", f"{_data_of(guest)[:-1]} and @node='{source}']"]
        argv += ["--xml-text", f'<rsc_location id="{PREFIX}data-{guest}" node="{target}"/>']
        try:
            self._ask(argv)
        except ClusterError as error:
            raise ClusterError(f"{target} could not take {guest} over from {source}: {error}") from error

    def coordinator(self) -> str:
        """The id of the node that decides what the cluster does; empty while there is none."""
        return ET.fromstring(self._ask(["cibadmin", "--query", "--no-children"])).get("dc-uuid", "")

    def has_quorum(self) -> bool:
        """Whether this node has it, by its own word: what the CIB says of it, the coordinator wrote some time ago."""
        return self._ask(["crm_node", "--quorum"]).strip() == "1"

    def fence(self, node: str, seconds: float, *, anew: bool = False) -> None:
        """Have the power of a node cut, now; it is switched on again later. Raises ClusterError unless it was in that
        time. Unless ``anew``, whoever was quicker with the same wish has fulfilled it."""
        limits = ["--timeout", f"{max(1, int(seconds))}", *([] if anew else ["--tolerance", f"{_FENCED_ALREADY}s"])]
        self._ask(["stonith_admin", "--reboot", node, *limits], timeout=seconds + 5)

    def power_on(self, node: str, seconds: float) -> None:
        """Have the power of a node switched on. Raises ClusterError unless its power controller says that it is on."""
        self._ask(["stonith_admin", "--unfence", node, "--timeout", f"{int(seconds)}"], timeout=seconds + 5)

    def power_off(self, node: str, seconds: float) -> None:
        """Have the power of a node cut, now, so that it stays off. Raises ClusterError unless it was in that time."""
        self._ask(["stonith_admin", "--fence", node, "--timeout", f"{int(seconds)}"], timeout=seconds + 5)

    def confirm_off(self, node: str) -> None:
        """Tell the cluster that a lost node is off, on the word of somebody who has seen it."""
        self._ask(["stonith_admin", "--confirm", node], timeout=60)

    def forget(self, node: str) -> None:
        """Remove a node that is no member any more from the configuration and from what the daemons remember."""
        self._ask(["crm_node", "--force", "--remove", node], timeout=60)

    def patch(self, difference: Difference) -> None:
        """Change the configuration. Raises Stale when it is not any more what the difference was computed from."""
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
                raise Stale from error
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


class Pacemaker(Tools):
    """One member's view of its cluster: looking at it, changing it, waiting for it.

    ``saw`` is told what the nodes are at work with whenever somebody who waits has looked.
    """

    def __init__(
        self,
        runner: Runner = run,
        tries: int = 20,
        *,
        saw: Callable[[Sequence[Work]], None] = lambda _work: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(runner)
        self._tries = tries
        self._saw = saw
        self.clock, self.sleep = clock, sleep

    def look(self) -> Snapshot:
        cib = self.query()
        # In a cluster of a thousand guests each of the two computes for most of a second.
        status, ahead = both(self.status, lambda: self.simulate(cib))
        return Snapshot(cib, status, ahead)

    def renew(self, seen: Snapshot, live: str) -> Snapshot:
        """The look at a cluster whose CIB is ``live`` by now."""
        return seen if live is seen.cib else replace(seen, cib=live, ahead=self.simulate(live))

    def apply(
        self,
        plan: Callable[[str], P],
        *,
        check: bool,
        guard: Callable[[Applied[P]], None] = _anything,
        live: str | None = None,
        predict: bool = True,
    ) -> Applied[P]:
        """Bring the configuration to what ``plan`` wants of the live CIB, by one atomic patch.

        ``guard`` sees the change and its prediction first, and raises to refuse. In check mode
        all of this happens save the patch. The patch only goes onto the very version it was computed from:
        when another change came in between, the whole cycle starts again, with a plan for the CIB as it is then.
        ``live`` is the CIB if the caller has just looked at it. Without ``predict`` nobody asks what comes of it.
        Raises Contended when others change it too often.
        """
        predicted: tuple[str, Prediction] = ("", Prediction())
        for _attempt in range(self._tries):
            cib, live = live if live is not None else self.query(), None
            wish = plan(cib)
            difference = reconcile(cib, wish if isinstance(wish, Wanted) else wish.wanted)
            if not difference.changed:
                return Applied(difference, Prediction(), wish)
            # Only a change of the configuration makes another prediction; statuses come and go all the time.
            key = repr((difference.version.configuration, difference.names()))
            if predict and predicted[0] != key:
                predicted = (key, self.simulate(difference.xml))
            applied = Applied(difference, predicted[1], wish)
            guard(applied)
            if check:
                return applied
            try:
                self.patch(difference)
            except Stale:
                continue
            return applied
        raise Contended(
            f"somebody else kept changing the cluster's configuration: {self._tries} attempts to apply ours "
            "found a newer one each time; find out who does (journalctl -u pacemaker | grep cib), and run again"
        )

    def settle(
        self,
        names: Collection[str],
        *,
        what: str,
        timeout: float,
        after: float = 0.0,
        done: Callable[[Snapshot], bool] = lambda _seen: True,
    ) -> Snapshot:
        """Wait until the cluster has nothing to do with these resources, and ``done``. The first look is ``after`` so
        many seconds.

        While a node is at work with one of them, that is all that is asked; only of a cluster that is quiet the
        scheduler is asked what it is about to do. Runs one tool a second on average. Looks may fail for a while, as
        they do while a member is lost. Raises WaitTimeout, which carries a Snapshot, and UnconfirmedError when all of
        it waits for a node that nobody can confirm to be off.
        """
        runs = 0

        def look() -> Snapshot | None:
            nonlocal runs
            runs = 1
            working = self.at_work()
            self._saw(working)
            if not {work.resource for work in working}.isdisjoint(names):
                return None
            runs = 4
            # The status last: a cluster that was quiet before it was asked for it has come to its end.
            cib = self.query()
            ahead = self.simulate(cib)
            if not ahead.busy.isdisjoint(names):
                runs = 3
                if ahead.fences:
                    unconfirmed.refuse(self.status(), what)
                return None
            return Snapshot(cib, self.status(), ahead)

        self.sleep(after)
        try:
            seen = self._wait(
                look,
                lambda last: last is not None and last.idle(names) and done(last),
                what=what,
                timeout=timeout,
                interval=lambda: runs * _EVERY,
            )
        except WaitTimeout as late:
            raise WaitTimeout(late.what, self.look(), late.waited) from late
        assert seen is not None
        return seen

    def wait(self, done: Callable[[ClusterStatus], bool], *, what: str, timeout: float) -> ClusterStatus:
        """Look at the status until ``done``, once a second. Bears what ``settle`` does. Raises WaitTimeout."""
        found = self._wait(
            self.status,
            lambda last: last is not None and done(last),
            what=what,
            timeout=timeout,
            interval=lambda: _EVERY,
        )
        assert found is not None
        return found

    def _wait(
        self,
        look: Callable[[], T],
        done: Callable[[T | None], bool],
        *,
        what: str,
        timeout: float,
        interval: Callable[[], float],
    ) -> T | None:
        blind_since = self.clock()
        seen = False

        def dare() -> T | None:
            nonlocal seen, blind_since
            try:
                found = look()
            except ClusterError:
                if not seen or self.clock() - blind_since > _BLIND:
                    raise
                return None
            seen, blind_since = True, self.clock()
            return found

        return wait_for(dare, done, what=what, timeout=timeout, interval=interval, clock=self.clock, sleep=self.sleep)


def _data_of(guest: str) -> str:
    """Where the CIB says it, see cluster/guests.data_id."""
    return f"//rsc_location[@id='{PREFIX}data-{guest}']"
