# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A thousand guests in the lab's live cluster: put in, disabled, and taken out again, while its scheduler answers."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ...verify.lab import Lab
from . import synthetic

#: Guests that are put in at a time: each of them is looked for on every node.
WAVE = 50
#: Seconds for the cluster to have looked for the guests of a wave on all nodes.
_PATIENCE = 300.0
_FOLDER = "/root/bench-scale"


def load(lab: Lab, guests: int) -> tuple[bool, str]:
    """Put them in, see that the cluster still decides, and take them out; whether it held, and in what words."""
    node = next(iter(lab.nodes))
    run = lab.ssh(node)
    begun = time.monotonic()
    before = lab.cib()
    source = ET.fromstring(synthetic.cluster_of(guests, list(lab.nodes), running=False))
    primitives = list(source.iterfind("configuration/resources/primitive"))
    try:
        for at in range(0, guests, WAVE):
            _change(lab, primitives[at : at + WAVE])
            _settle(lab, at + WAVE)
            print(f"{min(at + WAVE, guests)} guests in the live cluster, {time.monotonic() - begun:.0f} s", flush=True)
        full = lab.cib()
        seen = lab.status()
        known = sum(resource.agent.startswith("ocf:drover:") for resource in seen.resources)
        # What the scheduler says to a change tells that the configuration got through to it.
        run(["crm_attribute", "--name", "drover-bench", "--update", "1"], timeout=60)
        refused = run(["journalctl", "--unit", "pacemaker", "--grep", "Could not compress", "--quiet"], ok=None).stdout
        well = known >= guests and not refused.strip() and seen.dc is not None
        words = f"{guests} guests in the live cluster: {len(full) / 1e6:.1f} MB of CIB, {known} known to Pacemaker"
        words += f"; it says: {refused.strip().splitlines()[0]}" if refused.strip() else ""
    finally:
        _remove(lab)
        run(["crm_attribute", "--name", "drover-bench", "--delete"], ok=None, timeout=60)
    left = set(lab.configuration().primitives) - {e.get("id") for e in ET.fromstring(before).iter("primitive")}
    return well and not left, f"{words}; {len(left)} left afterwards, {time.monotonic() - begun:.0f} s"


def _change(lab: Lab, primitives: list[ET.Element]) -> None:
    """Put resources into the live configuration that are not to be started."""
    run = lab.ssh(next(iter(lab.nodes)))
    section = ET.Element("resources")
    for primitive in primitives:
        meta = primitive.find("meta_attributes")
        if meta is None:
            meta = ET.SubElement(primitive, "meta_attributes", {"id": f"{primitive.get('id')}-meta_attributes"})
        ET.SubElement(meta, "nvpair", {"id": f"{meta.get('id')}-role", "name": "target-role", "value": "Stopped"})
        section.append(primitive)
    run(["tee", f"{_FOLDER}/wave.xml"], stdin=ET.tostring(section, encoding="unicode"))
    argv = ["cibadmin", "--modify", "--allow-create", "--scope", "resources", "--xml-file", f"{_FOLDER}/wave.xml"]
    run(argv, timeout=120)


def _remove(lab: Lab) -> None:
    """Take all guests out at once: one by one the cluster would make a new plan for each of them."""
    guests = "/cib/configuration/resources/primitive[@provider='drover']"
    lab.ssh(next(iter(lab.nodes)))(["cibadmin", "--delete-all", "--force", "--xpath", guests], timeout=300)


def _settle(lab: Lab, guests: int) -> None:
    """Wait until the cluster has looked for all of them on every node."""

    def looked() -> int:
        return min(
            len(state.findall("lrm/lrm_resources/lrm_resource"))
            for state in ET.fromstring(lab.cib()).iterfind("status/node_state")
        )

    wait_for(looked, lambda count: count >= guests, what="looks for guests", timeout=_PATIENCE, interval=2)
