# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recovery of a guest that failed to migrate and runs where it was: put in order, without disturbing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.wait import WaitTimeout
from .cib import read
from .objects import RECOVERY, Wanted
from .pacemaker import Applied, ClusterError, Pacemaker, Snapshot
from .status import probed

__all__ = ["Recovery"]

#: Seconds for which a guest is not taken up that the cluster would disturb, and between two tries.
_DISTURBED_FOR, _AGAIN = 60.0, 2.0


class _Disturbing(ClusterError):
    """What is to be done now would disturb a guest that runs."""


class Recovery:
    """The way back for one guest.

    Pacemaker is told to keep its hands off, to look at the guest anew everywhere, and, when it knows where
    it runs, to take it up again, in one patch with whatever ``also`` wants of the CIB. The mark ``drover-recovery``
    tells our hands off from an administrator's, should this be interrupted.
    """

    def __init__(
        self,
        cluster: Pacemaker,
        guest: str,
        also: Callable[[str], Wanted] = lambda _cib: Wanted(),
        timeout: float = 60,
    ) -> None:
        self._cluster, self._guest, self._also, self._timeout = cluster, guest, also, timeout

    def run(self) -> None:
        """Raises ClusterError for a guest that has to be left unmanaged."""
        until = self._cluster.clock() + _DISTURBED_FOR
        self._cluster.apply(self._hands_off, check=False, predict=False)
        while not self._taken_up(last=self._cluster.clock() > until):
            self._cluster.sleep(_AGAIN)

    def _taken_up(self, *, last: bool) -> bool:
        """One try. The ``last`` one raises."""
        self._cluster.refresh(self._guest)
        what = f"a fresh look at {self._guest} on every node"
        try:
            seen = self._cluster.settle([self._guest], what=what, timeout=self._timeout, after=1.0, done=self._known)
        except WaitTimeout as error:
            raise ClusterError(f"{self._guest} is left unmanaged (meta attribute maintenance): {error}") from error
        try:
            self._cluster.apply(self._take_up, check=False, guard=self._undisturbed, live=seen.cib)
        except _Disturbing:
            # A look can fall into the moment in which a migration that lost its agent comes to its end.
            if last:
                raise
            return False
        return True

    def _hands_off(self, cib: str) -> Wanted:
        meta = read(cib).primitives[self._guest].meta
        ours = "maintenance" not in meta or RECOVERY in meta
        return Wanted(meta={self._guest: {"maintenance": "true", RECOVERY: "true"} if ours else {}})

    def _take_up(self, cib: str) -> Wanted:
        ours = RECOVERY in read(cib).primitives[self._guest].meta
        meta: dict[str, str | None] = {"maintenance": None, RECOVERY: None} if ours else {}
        return replace(self._also(cib), meta={self._guest: meta})

    def _known(self, seen: Snapshot) -> bool:
        online = {node.name for node in seen.status.nodes if node.online}
        guest = seen.status.resource(self._guest)
        return guest is not None and not guest.failed and online <= probed(seen.cib, self._guest)

    def _undisturbed(self, applied: Applied[Wanted]) -> None:
        harm = [a for a in applied.prediction.of(self._guest) if a.kind in {"stop", "restart", "recover", "move"}]
        if harm:
            said = [f"{action} ({action.reason or 'no reason given'})" for action in harm]
            raise _Disturbing(
                f"{self._guest} runs, but is left unmanaged (meta attribute maintenance), because the cluster "
                f"would otherwise disturb it: {'; '.join(said)}. Run this again: it tries anew"
            )
