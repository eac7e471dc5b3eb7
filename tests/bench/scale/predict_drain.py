# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The prediction of a drain alone, on a node: from a look at the cluster to what it would do.

Module node_maintenance does this after it has looked, and after the nodes were asked what they have against it, which
are figures of their own. Prints JSON as a module does, with the seconds that the prediction ``measured``.
"""

from __future__ import annotations

import json
import sys
import time

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.planning import drain
from ansible_collections.cspp.drover.plugins.module_utils.preflight.reasons import Seen


def main() -> None:
    node = json.load(sys.stdin)["ANSIBLE_MODULE_ARGS"]["node"]
    cluster = Pacemaker()
    cib, status = cluster.query(), cluster.status()
    guests = drain.on_node(node, read(cib), status)
    unopposed: dict[str, Seen] = {guest: {} for guest in guests}
    begun = time.monotonic()
    applied = cluster.apply(
        lambda now: drain.leave(node, read(now), status, unopposed, force=True), check=True, live=cib
    )
    measured = time.monotonic() - begun
    if len(applied.prediction.sentences()) < len(guests) > 0:
        sys.exit(f"{len(guests)} guests are on {node}, and the cluster would move fewer")
    json.dump({"measured": measured, "plan": applied.prediction.sentences()}, sys.stdout)


if __name__ == "__main__":
    main()
