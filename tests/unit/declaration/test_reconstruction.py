# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's YAML made out from what the cluster knows of it: read again, it says the same, whatever is declared."""

from __future__ import annotations

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read as read_cib
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guest_specs import specified, wishes
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration
from ansible_collections.cspp.drover.plugins.module_utils.declaration.definitions import definition
from ansible_collections.cspp.drover.plugins.module_utils.declaration.key import Key
from ansible_collections.cspp.drover.plugins.module_utils.declaration.reconstruction import (
    boot_image,
    declared,
    surroundings,
)
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import alike
from ansible_collections.cspp.drover.tests.unit.declaration import test_changes
from ansible_collections.cspp.drover.tests.unit.declaration.changes import CLUSTER, Row
from ansible_collections.cspp.drover.tests.unit.declaration.test_changes import EACH, World


@EACH
def test_what_is_made_out_says_what_was_declared(key: Key, kind: str, row: Row) -> None:
    guest = test_changes.declared(kind, key, row, row.after)
    if key.change == "refused" or guest.get("state") == "absent" or row.there == "refused":
        return
    world = World(guest)
    live = read_cib(world.cib)
    told = wishes("it", live)
    found = declared(world.definition, told)
    around = surroundings({"it": world.definition}, CLUSTER["nodes"])
    again = Declaration.read({"it": found, "proxy": {**found, "nics": [], "uuid": None}}, around)
    assert [str(problem) for problem in again.reading.problems if problem.path.startswith("guests.it")] == []
    its: dict[str, Any] = world.definition
    kernels = {boot_image("it"): its["kernel"]} if its.get("kernel") else {}
    guest_again = again.reading.guests["it"]
    assert alike(definition(guest_again, again.pools, kernels, its.get("idmap")), its)
    # And the cluster would be told the same.
    ha = None if guest_again.ha is None else vars(guest_again.ha)
    wish = {"name": "it", "definition": its, "home": None, **told}
    assert specified(wish) == specified({**wish, "ha": ha, **vars(guest_again.placement)})
