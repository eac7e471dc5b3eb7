# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Pacemaker would do: the XML that crm_simulate prints, as a typed prediction.

The prediction comes from Pacemaker's own scheduler, so it holds for check mode as well: also for resources
that do not exist yet, and for nodes that are still to be put in standby.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from xml.etree import ElementTree as ET

from .objects import PROVIDER

__all__ = ["Action", "Prediction", "parse"]

#: What the scheduler calls an action, as a phrase; {source} and {target} are nodes.
_PHRASES = {
    "start": "start on {target}",
    "stop": "stop on {source}",
    "restart": "restart on {source}",
    # The agent carries out what can be, and leaves the rest for a restart.
    "reload": "change live what can be on {source}",
    "migrate": "migrate live {source} -> {target}",
    "move": "stop on {source}, start on {target}",
    "recover": "recover {source} -> {target}",
    "fence": "fence (cut its power)",
}
#: A container is copied while it runs, but then it stops and starts.
_RESTARTED = frozenset({f"ocf:{PROVIDER}:container"})
_BY_RESTART = "move by a restart {source} -> {target}"
#: The scheduler's reasons that people would not understand.
_REASONS = {"node availability": "no node that is up can take it"}
#: What ends a guest's run, on whichever node it goes on.
_ENDING = frozenset({"start", "stop", "restart", "move", "recover"})
#: What is done to a resource that runs and goes on running elsewhere, or not at all.
_DISTURBING = frozenset({"stop", "restart", "migrate", "move", "recover"})

#: The resource of an operation in the graph. A graph of a thousand guests has megabytes, most of it their definitions.
_OPERATION = re.compile(r'<rsc_op [^>]*>\s*<primitive id="([^"]*)"')


@dataclass(frozen=True)
class Action:
    """One predicted action.

    ``kind`` is one of start, stop, restart, reload, migrate, move, recover, fence, or whatever else the
    scheduler names; ``name`` is a resource, or a node when fenced; ``reason`` is the scheduler's own, ``agent`` the
    resource's.
    """

    kind: str
    name: str
    source: str | None = None
    target: str | None = None
    reason: str | None = None
    agent: str = ""

    @property
    def live(self) -> bool:
        """Whether the resource runs on meanwhile."""
        return self.kind == "reload" or (self.kind == "migrate" and self.agent not in _RESTARTED)

    def __str__(self) -> str:
        phrase = _PHRASES.get(self.kind, self.kind)
        if self.kind == "migrate" and not self.live:
            phrase = _BY_RESTART
        if self.kind == "recover" and self.target in {None, self.source}:
            phrase = "recover on {source}"
        text = f"{self.name}: {phrase.format(source=self.source, target=self.target)}"
        return f"{text} ({self.why})" if self.why and self.kind in {"stop", "fence"} else text

    @property
    def why(self) -> str:
        """The reason in words that people understand."""
        return _REASONS.get(self.reason or "", self.reason or "")

    def as_dict(self) -> dict[str, str | None]:
        return {
            "action": self.kind,
            "name": self.name,
            "from": self.source,
            "to": self.target,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Prediction:
    """All predicted actions, and where each resource would be when they are done (None: nowhere).

    ``busy`` are the resources for which anything at all is to be done, even a mere look at their state.
    """

    actions: tuple[Action, ...] = ()
    places: tuple[tuple[str, str | None], ...] = ()
    busy: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        return not self.actions

    @property
    def fences(self) -> bool:
        """Whether a node is about to be fenced, which goes before what else concerns its guests."""
        return any(action.kind == "fence" for action in self.actions)

    def of(self, name: str) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.name == name)

    def restarts(self, name: str) -> bool:
        """Whether a resource begins anew, wherever."""
        return any(action.kind in _ENDING or not action.live for action in self.of(name))

    def place(self, name: str) -> str | None:
        return self._places.get(name)

    @cached_property
    def _places(self) -> dict[str, str | None]:
        return dict(self.places)

    def disturbs(self, resources: Collection[str], ahead: Prediction) -> list[Action]:
        """What would be done to these running ``resources``, unless it is ``ahead`` in any case."""
        known = {(action.kind, action.name, action.target) for action in ahead.actions}
        return [
            action
            for action in self.actions
            if action.kind in _DISTURBING
            and action.name in resources
            and (action.kind, action.name, action.target) not in known
        ]

    def sentences(self) -> list[str]:
        return [str(action) for action in self.actions]

    def because(self, reason: str, names: Collection[str]) -> Prediction:
        """The same, where these resources stop for a reason that the scheduler does not know: somebody wants it so."""
        return replace(
            self,
            actions=tuple(
                replace(action, reason=reason) if action.kind == "stop" and action.name in names else action
                for action in self.actions
            ),
        )


def parse(output: str, graph: str) -> Prediction:
    """Parse what ``crm_simulate --run --output-as=xml --save-graph=FILE`` prints, and the graph that it saves.

    The output names the scheduler's decisions, the graph every operation that it takes to carry them out. What comes of
    them is worked out here: ``--simulate``, which plays every operation through, takes minutes for a thousand guests.
    Raises xml.etree.ElementTree.ParseError on text that isn't XML.
    """
    root = ET.fromstring(output)
    actions = []
    agents = {
        resource.get("id", ""): resource.get("resource_agent", "")
        for resource in root.iterfind("cluster_status/resources//resource")
    }
    places = {
        resource.get("id", ""): node.get("name")
        if (node := resource.find("node")) is not None and resource.get("active") == "true"
        else None
        for resource in root.iterfind("cluster_status/resources//resource")
    }
    for element in root.iterfind("actions/*"):
        action = _action(element, agents)
        actions.append(action)
        if action.name in places and element.get("blocked") != "true":
            places[action.name] = _place_after(action, places[action.name])
    return Prediction(tuple(actions), tuple(places.items()), frozenset(_OPERATION.findall(graph)))


def _place_after(action: Action, before: str | None) -> str | None:
    """Where a resource is when ``action`` has been carried out."""
    if action.kind == "stop":
        return None
    return action.target or before


def _action(element: ET.Element, agents: Mapping[str, str]) -> Action:
    reason = element.get("reason")
    if element.tag == "node_action":
        task = element.get("task", "")
        kind = "fence" if task.startswith("Fence") else task.lower()
        return Action(kind, element.get("node", ""), reason=reason)
    kind = element.get("action", "")
    node = element.get("node")
    source, target = element.get("source"), element.get("dest")
    if node is not None:
        source, target = (None, node) if kind == "start" else (node, None)
    name = element.get("resource", "")
    return Action(kind, name, source, target, reason, agents.get(name, ""))
