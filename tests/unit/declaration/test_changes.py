# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every change of every key is carried out live, waits for a restart and says so, or is refused: none is ignored.

The table of keys says which, and people read that; here it is tried, on the definitions, the cluster's configuration,
the volumes, libvirt's XML and LXC's configuration that come of it (see changes.py for the rows).
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read as read_cib
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import GuestSpec, plan_guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.recovery import Recovery
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration
from ansible_collections.cspp.drover.plugins.module_utils.declaration.key import Key
from ansible_collections.cspp.drover.plugins.module_utils.declaration.keys import KEYS
from ansible_collections.cspp.drover.plugins.module_utils.declaration.known_guests import identity
from ansible_collections.cspp.drover.plugins.module_utils.declaration.known_volumes import places
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import read
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml, lxc_config
from ansible_collections.cspp.drover.plugins.module_utils.storage.volumes import Found, Volume, plan
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest as resource
from ansible_collections.cspp.drover.tests.unit.cluster_samples import node, status
from ansible_collections.cspp.drover.tests.unit.declaration.changes import (
    BASE,
    CHANGES,
    CLUSTER,
    IMAGES,
    MISSING,
    Row,
)

NODES = tuple(CLUSTER["nodes"])
CONTROLLERS = {"memory", "cpu"}
EMPTY = (
    '<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/><nodes>'
    + "".join(f'<node id="{number}" uname="{name}"/>' for number, name in enumerate(NODES, 1))
    + "</nodes><resources/><constraints/></configuration><status/></cib>"
)
KNOWN = {(key.path, kind): key for key in KEYS for kind in key.kinds}
EACH = pytest.mark.parametrize(
    ("key", "kind", "row"),
    [(KNOWN[where], where[1], row) for where, row in CHANGES.items() if where in KNOWN],
    ids=[f"{path}-{kind}" for path, kind in CHANGES if (path, kind) in KNOWN],
)


def test_every_key_has_its_row() -> None:
    lacking = sorted(set(KNOWN) - set(CHANGES))
    assert lacking == [], "add a row to tests/unit/declaration/changes.py for each"
    assert sorted(set(CHANGES) - set(KNOWN)) == [], "rows of keys that are no more"


def having(guest: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The guest with the key at ``path`` changed: in the first entry of a list."""
    changed = copy.deepcopy(guest)
    place: Any = changed
    *parents, name = path.split(".")
    for parent in parents:
        bare = parent.removesuffix("[]")
        place = place.setdefault(bare, [{}] if parent != bare else {})
        place = place[0] if parent != bare else place
    if value is MISSING:
        place.pop(name, None)
    else:
        place[name] = value
    return changed


def declared(kind: str, key: Key, row: Row, value: Any) -> dict[str, Any]:
    guest = BASE[kind]
    for path, other in row.beside.items():
        guest = having(guest, path, other)
    if key.spelling_of or any(other.spelling_of == key.path for other in KEYS):
        # Of two spellings of one key a guest has one.
        for other in KEYS:
            if key.path in (other.spelling_of, other.path) or other.path == key.spelling_of:
                guest = having(guest, other.path, MISSING)
    guest = having(guest, key.path, value)
    if key.path == "kind" and value != kind:
        guest = {**BASE[value]}
    return guest


class World:
    """What there is of the guest ``it`` once it has been declared so, and runs."""

    def __init__(self, guest: dict[str, Any]) -> None:
        self.plan = planned(guest, {})
        self.definition = its(self.plan)
        self.cib = reconcile(EMPTY, wanted(self.plan, EMPTY)).xml

    @property
    def seen(self) -> dict[str, Any]:
        known = {"known": {"it": places(self.definition)}, "guests": {"it": identity(self.definition)}}
        return {"node1": {"held": ["it"], "kept": {"it": "node1"}, **known}}

    def volumes(self) -> dict[str, Found]:
        return {
            volume["path"]: Found(size=volume.get("size", 0), in_use=True, files=volume.get("files") or {})
            for volume in self.plan["nodes"]["node1"]["volumes"]
        }


def planned(guest: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    proxy = {**BASE["container"], "nics": []}
    declaration = Declaration.read({"it": guest, "proxy": proxy}, CLUSTER)
    if problems := declaration.outline()["problems"]:
        raise InvalidValue("; ".join(problems))
    nowhere: dict[str, Any] = {name: {"held": [], "kept": {}} for name in NODES}
    return declaration.plan(IMAGES, NODES, "node1", {**nowhere, **seen})


def its(plan: dict[str, Any]) -> dict[str, Any]:
    return read(next(entry for entry in plan["resources"] if entry["name"] == "it")["definition"]).definition


def wanted(plan: dict[str, Any], cib: str) -> Any:
    """What the cluster is told, as module guests makes it of its arguments."""
    specs = [
        GuestSpec(
            entry["name"],
            entry["definition"],
            priority=entry["ha"]["priority"] if entry["ha"] else None,
            recovery=Recovery(**{key: value for key, value in (entry["ha"] or {}).items() if key != "priority"}),
            prefer=tuple(entry["prefer"]),
            apart_from=tuple(entry["apart_from"]),
            together_with=tuple(entry["together_with"]),
            home=entry["home"],
            stopped=entry["state"] == "stopped",
        )
        for entry in plan["resources"]
    ]
    members = tuple(node(name) for name in NODES)
    return plan_guests(specs, read_cib(cib), status(resource("it", "node1"), nodes=members)).wanted


def refusals(world: World, plan: dict[str, Any]) -> list[str]:
    volumes = [Volume(**entry) for part in plan["nodes"].values() for entry in part["volumes"]]
    found = world.volumes()
    return [text for text in plan_of(volumes, found).refusals if "guests.it" in text]


def plan_of(volumes: list[Volume], found: dict[str, Found]) -> Any:
    images = {volume.image: Found(size=1) for volume in volumes if volume.image}
    return plan(volumes, {**images, **found})


def differences(world: World, definition: dict[str, Any]) -> list[str]:
    """How each difference to the running guest is made."""
    if definition["kind"] == "vm":
        sizes = {disk["target"]: disk["size"] for disk in world.definition["disks"] if "size" in disk}
        changes = domain_xml.difference(domain_xml.render(world.definition, "kvm"), definition, sizes)
    else:
        changes = lxc_config.difference(lxc_config.render(world.definition, CONTROLLERS), definition)
    assert all(change.before != change.after for change in changes), "a change that shows no difference"
    return [change.how for change in changes]


def outcome(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What comes of the change for the guest that runs."""
    world = World(before)
    try:
        plan = planned(after, world.seen)
    except InvalidValue as refusal:
        assert re.search(r"guests\.it\b", str(refusal))
        return "refused"
    if refusals(world, plan):
        return "refused"
    how = differences(world, its(plan))
    if "restart" in how:
        return "restart"
    told = reconcile(world.cib, wanted(plan, world.cib))
    return "live" if how or told.changed else "ignored"


@EACH
def test_a_running_guest(key: Key, kind: str, row: Row) -> None:
    before, after = (declared(kind, key, row, value) for value in (row.before, row.after))
    said = key.how(kind)  # type: ignore[arg-type]
    if row.before is not MISSING or row.there != "refused":
        assert outcome(before, after) == (row.there or said)
    if row.back != "refused" or row.there != "refused":
        assert outcome(after, before) == (row.back or said)
    if {row.there or said, row.back or said} != {said} and key.path != "remove_disks":
        assert key.change_words, "what differs from the rule has to be said"


@EACH
def test_a_stopped_guest_has_the_change_with_its_next_start(key: Key, kind: str, row: Row) -> None:
    if key.path in ("state", "remove_disks"):
        pytest.skip("says itself whether it is stopped")
    before, after = ({**declared(kind, key, row, value), "state": "stopped"} for value in (row.before, row.after))
    world = World(before)
    try:
        plan = planned(after, world.seen)
    except InvalidValue:
        assert "refused" in (row.there, key.how(kind))  # type: ignore[arg-type]
        return
    assert refusals(world, plan) or reconcile(world.cib, wanted(plan, world.cib)).changed


@EACH
def test_a_new_guest_is_made_so(key: Key, kind: str, row: Row) -> None:
    if key.path == "remove_disks":
        pytest.skip("is for absent guests")
    one, other = (planned(declared(kind, key, row, value), {}) for value in (row.before, row.after))
    assert one != other


@EACH
def test_the_same_declared_again_is_no_change(key: Key, kind: str, row: Row) -> None:
    for value in (row.before, row.after):
        if key.path == "remove_disks" and value is not MISSING:
            continue
        guest = declared(kind, key, row, value)
        world = World(guest)
        plan = planned(guest, world.seen)
        assert refusals(world, plan) == []
        assert differences(world, its(plan)) == []
        assert not reconcile(world.cib, wanted(plan, world.cib)).changed


MAC = {"nics": [{"bridge": "br0", "mac": "52:54:00:00:00:01"}]}
SAME_UUID = {"nics": [], "uuid": "c0ffee00-0000-4000-8000-000000000001"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({}, {}, "192.0.2.20 is also that of old"),
        (MAC, MAC, "52:54:00:00:00:01 is also that of old"),
        (SAME_UUID, SAME_UUID, "c0ffee00-0000-4000-8000-000000000001 is also that of old"),
        ({"nics": []}, {}, ""),
        ({"nics": [{"bridge": "br0", "address": "192.0.2.20/32"}]}, {}, "192.0.2.20 is also that of old"),
    ],
)
def test_a_guest_under_a_new_name_does_not_run_beside_itself(
    old: dict[str, Any], new: dict[str, Any], words: str
) -> None:
    there = Declaration.read({"old": {**BASE["vm"], **old}}, CLUSTER).plan(IMAGES, NODES, "node1", {})
    known = {"node1": {"held": [], "kept": {}, "guests": {"old": identity(there["resources"][0]["definition"])}}}

    def plan(**more: Any) -> dict[str, Any]:
        return Declaration.read({"it": {**BASE["vm"], **new}, **more}, CLUSTER).plan(IMAGES, NODES, "node1", known)

    if not words:
        plan()
        return
    with pytest.raises(InvalidValue, match=r"guests\.it: ") as refusal:
        plan()
    assert words in str(refusal.value)
    assert "declare old with state: absent" in str(refusal.value)
    # The remedy is one.
    plan(old={"state": "absent"})
