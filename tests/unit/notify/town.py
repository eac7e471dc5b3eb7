# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster in which three notifiers live: what they see is set by hand, and time goes on when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus, FenceEvent
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.notify.spool import Event
from ansible_collections.cspp.drover.plugins.module_utils.notify.teller import Teller
from ansible_collections.cspp.drover.tests.unit.cluster_samples import NODES, guest, node, status
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB

__all__ = ["NOW", "Town", "cut", "failure", "moment"]

NOW = 1_795_946_400.0


def moment(when: float) -> str:
    """As Pacemaker writes it."""
    return datetime.fromtimestamp(when, UTC).isoformat(sep=" ").replace("+00:00", "Z")


def cut(target: str, when: float, **more: str) -> FenceEvent:
    return FenceEvent(
        **{"target": target, "action": "reboot", "status": "success", "by": "n2", "when": moment(when), **more}
    )


def failure(guest: str, node: str, when: float, operation: str = "asyncmon", rc: str = "1", interval: str = "0") -> str:
    """The CIB in which a guest has ended on a node."""
    said = f'id="{guest}_last_failure_0" operation="{operation}" interval="{interval}" rc-code="{rc}"'
    op = f'<lrm_rsc_op {said} last-rc-change="{int(when)}"/>'
    lrm = f'<lrm><lrm_resources><lrm_resource id="{guest}">{op}</lrm_resource></lrm_resources></lrm>'
    return CIB.replace("<status>", f'<status><node_state uname="{node}">{lrm}</node_state>')


class Town:
    """``up`` are the nodes that live, ``sent`` the messages that have come, by receiver; ``deaf`` reach no server."""

    def __init__(self, folder: Path, receivers: Mapping[str, str] | None = None) -> None:
        self.now, self.up, self.folder = NOW, list(NODES), folder
        self.receivers = {"ops": "json://sink"} if receivers is None else receivers
        self.cib = CIB
        self.seen = status(guest("mc", "n2"), guest("web", "n3"), fencing=True)
        self.sent: list[tuple[str, str]] = []
        self.deaf: set[str] = set()
        #: Who wrote what kind of entry, and who is not woken by alerts.
        self.written: list[tuple[str, str]] = []
        self.asleep: set[str] = set()
        self.refusing: set[str] = set()
        #: Who loses its power in the moment in which it would send.
        self.dies_sending = ""
        self.tellers = {name: self.born(name) for name in NODES}

    def born(self, name: str) -> Teller:
        """The notifier of a node that has just booted."""
        own = book.Book(self.folder / name)

        def send(receiver: str, _title: str, body: str, _severity: str) -> str:
            if self.dies_sending == name:
                self.up.remove(name)
                raise DroverError("its power is gone")
            if name in self.deaf or receiver in self.refusing:
                return "no answer"
            self.sent.append((receiver, body))
            return ""

        return Teller(
            name,
            cluster=lambda: self,  # type: ignore[arg-type, return-value]
            journal=own,
            record=lambda entry: self.write(name, dict(entry)),
            catch_up=lambda: self.spread(own.entries()),
            declared=lambda: self.receivers,
            send=send,
            now=lambda: self.now,
            say=lambda _text: None,
        )

    def write(self, name: str, entry: dict[str, Any]) -> None:
        self.written.append((name, entry["kind"]))
        self.spread([entry])

    def spread(self, entries: list[dict[str, Any]]) -> None:
        """What one that is up writes, all that are up have; and what they have, it has."""
        books = [book.Book(self.folder / name) for name in self.up]
        known = [entry for one in books for entry in one.entries()]
        for one in books:
            one.add([*known, *entries])

    def query(self) -> str:
        return self.cib

    def status(self) -> ClusterStatus:
        return self.seen

    def pass_by(self, seconds: float, *events: Event, every: float = 5.0) -> None:
        """Let time go by, in which each that is up looks as often as that."""
        until, told = self.now + seconds, list(events)
        while self.now <= until:
            # Whose turn it is, is not said by who looks first.
            for name in self.up[::-1]:
                try:
                    self.tellers[name].step([] if name in self.asleep else told)
                except DroverError:
                    continue
            told = []
            self.now += every

    def lose(self, *names: str) -> None:
        """These nodes are gone, and nobody knows yet that they are off."""
        self.up = [name for name in self.up if name not in names]
        self.become(**{name: {"online": False, "unclean": True} for name in names})

    def become(self, **nodes: dict[str, bool]) -> None:
        members = tuple(node(name, **nodes.get(name, {})) for name in NODES)
        self.seen = replace(self.seen, nodes=members)

    def runs(self, **places: str) -> None:
        """Where guests run from now on; "" for nowhere."""
        resources = tuple(
            guest(one.name, *filter(None, [places[one.name]])) if one.name in places else one
            for one in self.seen.resources
        )
        self.seen = replace(self.seen, resources=resources)

    def bodies(self) -> list[str]:
        return [body for _receiver, body in self.sent]
