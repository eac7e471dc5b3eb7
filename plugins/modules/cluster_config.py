#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configure the cluster itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_config
short_description: Configure the cluster's options, nodes and fencing
version_added: 0.1.0
description:
  - Brings the cluster's options, defaults, node settings and fencing devices to what is wanted, by one atomic patch.
  - What is not mentioned is left alone, and so is everything in the configuration that is not Drover's.
  - Run it on one member; it waits until that member has seen all nodes and a leader.
options:
  properties:
    description:
      - Cluster options, on top of the ones that Drover sets itself. An empty value removes an option.
    type: dict
    default: {}
  resource_defaults:
    description: Defaults of resources' meta attributes, on top of the ones that Drover sets itself.
    type: dict
    default: {}
  op_defaults:
    description: Defaults of operations.
    type: dict
    default: {}
  nodes:
    description: Settings of nodes by name; each a mapping with V(utilization) and V(attributes).
    type: dict
    default: {}
  fencing:
    description:
      - One device per node. Devices of nodes that are not in the list are removed, see O(fencing_kept).
      - Without this option devices are left alone, and so is the option C(stonith-enabled).
      - An empty list removes all devices and switches fencing off.
  fencing_kept:
    description: Nodes that are not in the list of O(fencing), and whose devices stay as they are all the same.
    type: list
    elements: str
    default: []
  fencing_unseen:
    description:
      - Nodes that were not asked whether SBD runs there. Their devices of C(fence_sbd) in O(fencing) are not made, and
        stay where they are.
    type: list
    elements: str
    default: []
    version_added: 0.4.0
  fenced:
    description:
      - Whether the cluster relies on fencing (C(stonith-enabled)). Devices can be there before it does.
      - By default it does as soon as O(fencing) has a device.
    type: bool
  console_address:
    description:
      - The address, with its prefix, at which a node whose console is healthy answers. Empty for none.
      - Without this option it is left as it is.
    type: str
  notify:
    description:
      - Whether Pacemaker wakes the notifiers of the nodes (role notify) at what happens.
      - Without this option it is left as it is.
    type: bool
    version_added: 0.4.0
  wait_timeout:
    description: Seconds to wait for the cluster, before and after the change.
    type: int
    default: 90
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
  - cspp.drover.fencing
attributes:
  check_mode:
    description: Predicts what the cluster would do, and changes nothing.
  diff_mode:
    description: One difference per object, secrets hidden.
"""

EXAMPLES = r"""
- name: Configure the cluster
  cspp.drover.cluster_config:
    properties: {cluster-recheck-interval: 2min}
    nodes:
      node1: {utilization: {memory: 30000, vcpus: 16}}
    fencing:
      - {node: node1, address: 192.0.2.11, username: drover, password: "{{ bmc_password }}"}
  run_once: true
"""

RETURN = r"""
objects:
  description: What differed, a phrase per object.
  type: list
  elements: str
  returned: always
  sample: [update property stonith-enabled, create resource drover-fence-node1]
actions:
  description: What the cluster does because of it, as predicted by its own scheduler.
  type: list
  elements: dict
  returned: always
kept:
  description: Settings made by hand that were left standing.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster import console_address as console
from ansible_collections.cspp.drover.plugins.module_utils.cluster import (
    fence_arguments,
    fencing,
    notify_alert,
    options,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration, read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import NodeSettings, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule


def wanted(params: dict[str, Any], live: Configuration) -> Wanted:
    properties = options.cluster_properties(len(live.nodes), fenced=False)
    del properties["stonith-enabled"]
    fenced = params["fenced"]
    described = None
    if params["fencing"] is not None:
        described = [fence_arguments.device(device) for device in params["fencing"]]
        described = fencing.trusted(described, live, params["fencing_unseen"])
        fenced = bool(described) if fenced is None else fenced
    devices, places, gone = fencing.fencing(described, live, params["fencing_kept"])
    levels, levels_gone = fencing.levels(described, live, params["fencing_kept"])
    if fenced is not None:
        properties["stonith-enabled"] = str(fenced).lower()
    address = params["console_address"]
    placed = [console.console_address(address)] if address else []
    alerts = [(fencing.ALERT, bool(devices), described is not None and not devices)]
    alerts += [(notify_alert.ALERT, params["notify"] is True, params["notify"] is False)]
    return Wanted(
        primitives=(*devices, *(resource for resource, _where in placed)),
        constraints=(*places, *(where for _resource, where in placed)),
        properties={**properties, **fence_arguments.settings(params["properties"])},
        resource_defaults={
            **options.RESOURCE_DEFAULTS,
            **fence_arguments.settings(params["resource_defaults"]),
        },
        operation_defaults=fence_arguments.settings(params["op_defaults"]),
        nodes=tuple(
            NodeSettings(
                name,
                fence_arguments.settings(node.get("attributes") or {}),
                fence_arguments.settings(node.get("utilization") or {}),
            )
            for name, node in sorted(params["nodes"].items())
        ),
        alerts=tuple(alert for alert, there, _gone in alerts if there),
        levels=tuple(levels),
        absent=frozenset(
            {
                *gone,
                *levels_gone,
                *(alert.id for alert, _there, gone in alerts if gone),
                *(console.IDS if address == "" else []),
            }
        ),
    )


def configure(cluster: Pacemaker, params: dict[str, Any], check: bool) -> dict[str, Any]:
    names = set(params["nodes"]) | {device["node"] for device in params["fencing"] or []}

    def ready(status: ClusterStatus) -> bool:
        members = {node.name for node in status.nodes if not node.pending}
        return status.dc is not None and names <= members

    cluster.wait(ready, what="a cluster with a leader and all its nodes", timeout=params["wait_timeout"])
    applied = cluster.apply(lambda cib: wanted(params, read(cib)), check=check)
    difference = applied.difference
    if difference.changed and not check:
        devices = [fencing.device_id(device["node"], device["level"]) for device in params["fencing"] or []]
        seen = cluster.settle(devices, what="the start of the fencing devices", timeout=params["wait_timeout"])
        failed = [str(failure) for name in devices for failure in seen.status.failures_of(name)]
        if failed:
            raise ClusterError(
                f"{'; '.join(failed)}. Check the device's address, port, user and password, and that the nodes "
                "reach it; then run this again"
            )
    return {
        "changed": difference.changed,
        "diff": difference.diff(),
        "objects": difference.names(),
        "actions": [action.as_dict() for action in applied.prediction.actions],
        "kept": list(difference.kept),
    }


def main() -> None:
    module = QuietModule(
        argument_spec={
            "properties": {"type": "dict", "default": {}},
            "resource_defaults": {"type": "dict", "default": {}},
            "op_defaults": {"type": "dict", "default": {}},
            "nodes": {"type": "dict", "default": {}},
            "fencing": {"type": "list", "elements": "dict", "options": fence_arguments.FENCING},
            "fencing_kept": {"type": "list", "elements": "str", "default": []},
            "fencing_unseen": {"type": "list", "elements": "str", "default": []},
            "fenced": {"type": "bool"},
            "console_address": {"type": "str"},
            "notify": {"type": "bool"},
            "wait_timeout": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    module.no_log_values.update(fence_arguments.secrets(module.params["fencing"] or []))
    with fail_on_error(module):
        module.exit_json(**configure(Pacemaker(), module.params, module.check_mode))


if __name__ == "__main__":
    main()
