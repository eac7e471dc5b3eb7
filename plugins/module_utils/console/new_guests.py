# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New guests by the API: what a declaration may name, and the judgement of one. Nothing is made here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import Field
from starlette.responses import JSONResponse

from .access import Known
from .documents import Asked, Declaration, Failure, PlanRead, Told
from .operations import Key, Operations
from .steward import Steward

__all__ = ["new_guests"]


class NewGuest(Asked):
    """The declaration of a new guest, to be judged; nothing is made. With the file that declares guests as ``yaml``,
    the answer has a patch of that."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    declaration: Declaration
    yaml: Annotated[str, Field(max_length=64 << 10)] | None = None


class Room(Told):
    """Whether a new guest could be on a node."""

    node: str
    ok: bool
    why: str


class PlanOfGuest(PlanRead):
    """What would come of a new guest."""

    rooms: list[Room]


class GuestProposal(Told):
    """A new guest as YAML to commit, as a ``patch`` of the file if that was given, what would come of it, and what the
    play guests.yml alone judges."""

    yaml: str
    patch: str
    plan: PlanOfGuest
    unjudged: list[str]


class Fault(Told):
    """What is wrong at a place in a declaration."""

    path: str
    message: str


class BadGuest(Failure):
    """The refusal of a declaration; all that is wrong with it, if that is the reason."""

    faults: list[Fault] | None = None


class Image(Told):
    """An image for one kind of guest, and what boots from it: a disk, a kernel, a root file system."""

    name: str
    kind: Literal["vm", "container"]
    boots: str


class PoolOffered(Told):
    """A pool, the kinds of guests whose volumes can be in it, and those whose are unless they say otherwise."""

    name: str
    type: str
    shared: bool
    kinds: list[str]
    default_of: list[str]


class BridgeOffered(Told):
    """A bridge, as far as more than its name is known."""

    name: str
    networks: list[str]
    gateway: str | None
    dns: list[str]
    vlan_aware: bool | None
    mtu: int | None


class Offered(Told):
    """What a declaration may name, as of the last run of site.yml, and the keys that it may have, by kind of guest."""

    images: list[Image]
    pools: list[PoolOffered]
    bridges: list[BridgeOffered]
    firewall_sets: list[str]
    firewall_groups: list[str]
    keys: dict[str, list[str]]


class Offers(Told):
    offers: Offered


_FAULTS: dict[int | str, Any] = {
    422: {"model": BadGuest, "description": "The declaration is wrong: all its faults, each with its place"}
}


def new_guests(api: Operations, steward: Steward) -> None:
    """Add the operations."""

    @api.operation("GET", "/offers", "viewer", Offers)
    async def offers(caller: Known) -> Response:
        return JSONResponse(await steward.ask("offers", caller))

    # It makes nothing, and yet takes a key: clients send one with every request that is no GET.
    @api.operation("POST", "/guests", "operator", GuestProposal, also=_FAULTS)
    async def propose_new(new: NewGuest, caller: Known, key: Key) -> Response:
        given = {"called": new.name, "declaration": new.declaration, "yaml": new.yaml}
        return JSONResponse(await steward.ask("propose_new", caller, idempotency_key=key, **given))
