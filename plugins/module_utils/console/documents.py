# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documents of the API as its description shows them. What the steward answers is handed on as it is.

Times are ISO 8601 in UTC, sizes bytes, durations seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Asked",
    "Begin",
    "Begun",
    "Carried",
    "Change",
    "Declaration",
    "End",
    "Failure",
    "Guest",
    "GuestLoad",
    "Hardware",
    "Health",
    "History",
    "Login",
    "Look",
    "MergeRequested",
    "Move",
    "Name",
    "NodeLoad",
    "Nothing",
    "Operations",
    "Plan",
    "PlanRead",
    "Planned",
    "Proposal",
    "Propose",
    "Session",
    "Shown",
    "StalePlan",
    "Told",
    "Ways",
]

#: Of a guest or a node.
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
Short = Annotated[str, Field(max_length=256)]


class Asked(BaseModel):
    """What a client sends: what it does not know is refused, not overlooked."""

    model_config = ConfigDict(extra="forbid")


class Login(Asked):
    """A log-in of a user whom the nodes or the inventory know."""

    user: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class Begin(Asked):
    """The beginning of a log-in by the provider; ``url`` is where the page is, without a path."""

    url: Short


class End(Asked):
    """The end of it, with what the provider has given the page."""

    code: Annotated[str, Field(min_length=1, max_length=2048)]
    state: Short
    iss: Short | None = None


class Move(Asked):
    """Where a guest is to go; without a node, the cluster chooses."""

    to: Name | None = None


#: A guest's declaration, with keys as the YAML has them.
Declaration = Annotated[dict[Short, Any], Field(min_length=1, max_length=64)]


#: Keys of a guest's declaration, as the YAML has them, with their new values; null takes one out.
Changes = Annotated[dict[Short, Any], Field(min_length=1, max_length=16)]


class Plan(Asked):
    """An action to be planned, on a guest or a node. An edit has ``changes``."""

    action: Literal["drain", "return", "migrate", "start", "stop", "edit", "release"]
    subject: Name
    target: Name | None = None
    changes: Changes | None = None


class Change(Asked):
    """A change of a guest's declaration. With the file that declares it as ``yaml``, the answer has a patch of that."""

    changes: Changes
    yaml: Annotated[str, Field(max_length=64 << 10)] | None = None


class Propose(Asked):
    """A change of a guest's declaration, or the declaration of a new one, to be a merge request at the forge that has
    the YAML."""

    changes: Changes | None = None
    declaration: Declaration | None = None


class Nothing(Asked):
    """A request that says all by its address."""


class Told(BaseModel):
    """What the console answers; a later version may tell more."""

    model_config = ConfigDict(extra="allow")


class Error(Told):
    """What went wrong, and what to do about it."""

    code: str
    message: str
    remedy: str
    status: int


class Failure(Told):
    """An answer that is an error."""

    error: Error


class Session(Told):
    """Who is logged in, until when."""

    user: str
    role: Literal["viewer", "operator", "admin"]
    expires: str | None


class Way(Told):
    """A provider, by what its button says after "Log in with"."""

    name: str


class Ways(Told):
    """How people log in beside by a password."""

    oidc: Way | None


class Begun(Told):
    """Where the browser has to go: the provider's page."""

    location: str


class Step(Told):
    text: str
    state: str


class Operation(Told):
    """What somebody had done: it goes on, and every node shows it, also after the node that was asked has died."""

    id: str
    verb: str
    subject: str
    by: str
    since: str
    state: Literal["running", "done", "failed"]
    ended: str | None
    steps: list[Step]
    message: str | None
    remedy: str | None


class Carried(Told):
    operation: Operation


class Operations(Told):
    operations: list[Operation]


class PlannedMove(Told):
    guest: str
    order: int
    how: Literal["live", "restart"]


class Because(Told):
    guest: str
    why: str


class PlanRead(Told):
    """What an action would do, as of one state (epoch) of the cluster."""

    epoch: str
    action: str
    subject: str
    moves: list[PlannedMove]
    stops: list[Because]
    stays: list[Because]


class PlanShown(PlanRead):
    """A plan that can be carried out."""

    id: str


class Planned(Told):
    plan: PlanShown


class StalePlan(Failure):
    """The refusal of a plan that the cluster has moved on from, and the plan as it would be now."""

    plan: PlanShown | None = None


class Load(Told):
    """How loaded a node or guest is: processors that are busy, and memory in use."""

    cpu: float | None = None
    memory: int | None = None


class Node(Told):
    name: str
    state: str
    address: str | None
    guests: int
    load: Load | None = None


class Guest(Told):
    name: str
    kind: Literal["vm", "container"]
    state: str
    node: str | None
    wanted: Literal["started", "stopped"]
    declared: bool
    problem: str | None
    load: Load | None = None


class Shown(Told):
    guest: Guest


class Past(Told):
    """The last hour as columns of the same length: when, processors busy, memory in use; bytes a second that were read
    from disks, written to them, received and sent. What nobody knows is null, or not there."""

    at: list[str]
    cpu: list[float | None] | None = None
    memory: list[int | None] | None = None
    read: list[int | None] | None = None
    written: list[int | None] | None = None
    received: list[int | None] | None = None
    sent: list[int | None] | None = None


class PastOfNode(Past):
    """A node's last hour, with its load average, and how much of processors and memory it has."""

    node: str
    cpus: list[int | None] | None = None
    load: list[float | None] | None = None
    memory_total: list[int | None] | None = None


class PastOfGuest(Past):
    """A guest's last hour, with the node that it was on at each moment; ``missing`` are nodes that did not answer."""

    guest: str
    node: list[str]
    missing: list[str]


class NodeLoad(Told):
    load: PastOfNode


class GuestLoad(Told):
    load: PastOfGuest


class Facts(Told):
    """What a node is made of, as far as it is known there."""

    node: str
    system: dict[str, str]
    processor: dict[str, Any]
    memory: int | None
    disks: list[dict[str, Any]]
    cards: list[dict[str, Any]]
    software: dict[str, Any]


class Hardware(Told):
    hardware: Facts


class Cluster(Told):
    name: str
    quorum: bool
    epoch: str
    served_by: str


class Look(Told):
    """The cluster as it is at one moment."""

    cluster: Cluster
    nodes: list[Node]
    guests: list[Guest]


class History(Told):
    """Entries of the journal, the newest first."""

    entries: list[dict[str, Any]]


class Proposal(Told):
    """The change of a declaration as YAML to commit, as a ``patch`` of the file if that was given, and what would come
    of it."""

    yaml: str
    patch: str
    plan: PlanRead


class MergeRequest(Told):
    """Where people read it and merge it, and the branch it is of. ``found``: it was opened before."""

    url: str
    branch: str
    state: Literal["opened", "found"]


class MergeRequested(Told):
    merge_request: MergeRequest


class Health(Told):
    """Whether this node's console can serve."""

    healthy: bool
