# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New guests, for clusters that are played: the real judge, before a cluster in memory. What the real steward makes of
it is in tests/unit/steward/test_new_guests.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.declaration import offers
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration
from ansible_collections.cspp.drover.plugins.module_utils.declaration.keys import ordered
from ansible_collections.cspp.drover.plugins.module_utils.declaration.yaml_patch import fragment, patch_adding
from ansible_collections.cspp.drover.plugins.module_utils.steward.actions import proposed
from ansible_collections.cspp.drover.plugins.module_utils.steward.plans import UNJUDGED
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble

__all__ = ["OFFERS", "WithOffers"]

NODES = ("node1", "node2", "node3")
OFFERS = offers.offers(
    {
        "images": {"debian-13": {"vm": "disk", "container": "rootfs"}, "tiny": {"vm": "kernel"}},
        "pools": {
            "shared": {"type": "directory", "path": "/srv/pool"},
            "fast": {"type": "directory", "path": "/srv/fast", "shared": False},
        },
        "default_pool": "shared",
        "bridges": {
            "br0": {"addresses": ["10.0.0.1/24"], "gateway": "10.0.0.254", "dns": ["10.0.0.53"]},
            "br1": {"vlan_aware": True},
        },
    },
    [{"inventory_hostname": name, "ansible_host": f"192.0.2.{name[-1]}"} for name in NODES],
)


class WithOffers:
    """The steward's verbs of them. ``forge`` and ``guests`` are the cluster's."""

    forge: dict[str, Any] | None
    guests: list[dict[str, Any]]

    def _document(self, action: str, subject: str) -> dict[str, Any]:
        raise NotImplementedError

    def _offers(self, _given: dict[str, Any], _role: object) -> dict[str, Any]:
        return {"offers": {**offers.document(OFFERS), "forge": self.forge}}

    def _propose_new(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        name, declaration = given["called"], ordered(given["declaration"])
        action = proposed(given)
        around = offers.surroundings(OFFERS, {node: {"memory": 20 << 30, "vcpus": 16} for node in NODES})
        known = {guest["name"]: _declared(guest) for guest in self.guests}
        found = Declaration.read({**known, name: declaration}, around).reading
        faults = [{"path": one.path, "message": one.message} for one in found.problems]
        if name in known:
            faults.append({"path": f"guests.{name}", "message": "is the name of a guest that there is"})
        if faults:
            cause = "; ".join(f"{one['path']}: {one['message']}" for one in faults)
            raise Trouble("refused", 422, cause, beside={"faults": faults})
        wanted = found.guests[name].memory
        left = {node: (20 << 30) - sum(one["memory"] for one in self.guests if one["node"] == node) for node in NODES}
        rooms = [{"node": node, "ok": wanted <= has, "why": _why(name, wanted, has)} for node, has in left.items()]
        plan = {key: value for key, value in self._document("create", name).items() if key not in ("id", "role")}
        starts = [{"guest": name, "to": room["node"]} for room in rooms if room["ok"]][:1]
        plan |= {"starts": starts, "rooms": rooms, "play": action.play()}
        plan |= {"curl": action.curl(), "yaml": fragment(name, declaration), "notes": list(found.warnings)}
        file = given.get("yaml")
        patch = patch_adding(file, name, declaration) if file else ""
        return {"yaml": plan["yaml"], "patch": patch, "plan": plan, "unjudged": list(UNJUDGED)}


def _why(name: str, wanted: int, left: int) -> str:
    needs = f"it has no room: {name} needs {wanted >> 20} MiB of memory, and {left >> 20} are left"
    return "it has room" if wanted <= left else needs


def _declared(guest: dict[str, Any]) -> dict[str, Any]:
    """A guest of the cluster, as little of it as others are judged by."""
    nics = [{"bridge": "br0", "addresses": [f"{address}/24" for address in guest["addresses"]]}]
    volume = {"size": "8GiB", "image": "debian-13"}
    return {
        "kind": guest["kind"],
        "memory": f"{guest['memory'] >> 20}MiB",
        "nics": nics,
        **({"disks": [volume]} if guest["kind"] == "vm" else {"rootfs": volume}),
    }
