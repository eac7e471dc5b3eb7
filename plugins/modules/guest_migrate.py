#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Move a guest to another node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_migrate
short_description: Move a guest to another node
version_added: 0.1.0
description:
  - Brings a guest to a node and waits until it is there. A VM migrates live; a container stops and starts, and what
    it has on local storage is copied before, while it runs.
  - Before anything is touched, the nodes are asked what speaks against it, and a move that would fail is refused.
  - A move that fails leaves the guest running where it was, and the cluster in order.
  - Run it on one member. Interrupted, it can be run again, and finishes what it began.
  - Tells how it went, from the cluster's journal of moves and, with O(probe), as a client saw it.
options:
  guest:
    description: Name of the guest.
    type: str
    required: true
  to:
    description: The node to move it to. By default the best of the other nodes.
    type: str
  ignore:
    description:
      - Reason codes of what the nodes have against the move that is not to stand in its way.
      - With V(apart) or V(together) the guests that are to be apart from this one, or together with it, may be moved
        by the cluster because of it.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  timeout:
    description: Seconds to wait for it. By default as long as the guest's operations may take.
    type: int
  probe:
    description:
      - What a client asks the guest from before the move until a second after it, to tell what clients notice.
      - V(ping) or V(ping://ADDRESS) sends ICMP echo requests, V(udp://ADDRESS:PORT) datagrams to an echo service.
      - V(tcp://ADDRESS:PORT) holds a session to an echo service. At a service that does not echo it opens new
        connections instead, at most 20 a second, and closes them at once; some services lock out a client that does
        that.
      - Without an address, as in V(tcp://:7), it is the guest's first declared one. Sends 100 packets a second, or as
        many as V(?rate=N) at the end says, up to 1000.
      - A guest that does not answer beforehand is not moved.
    type: str
    version_added: 0.2.0
  probe_from:
    description: The node to probe from. By default the controller does it.
    type: str
    version_added: 0.2.0
  slo:
    description:
      - What the move must not exceed. When it did, or nobody could measure it, the task fails, with the guest moved.
      - Of V(client_silence) and V(downtime), durations such as V(50ms), and V(packets_lost), a number.
        V(client_silence) and V(packets_lost) need a O(probe).
    type: dict
    version_added: 0.2.0
extends_documentation_fragment:
  - cspp.drover.job_log
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Tells where the guest would go and what the cluster would do, and changes nothing.
  diff_mode:
    description: One difference per object of the cluster's configuration.
"""

EXAMPLES = r"""
- name: Move a guest
  cspp.drover.guest_migrate:
    guest: minecraft
    to: node2
  run_once: true

- name: Move a guest, and fail if a client that pings it notices more than a moment
  cspp.drover.guest_migrate:
    guest: minecraft
    probe: ping
    slo: {client_silence: 100ms, packets_lost: 0}
  run_once: true
"""

RETURN = r"""
guest:
  description: Name of the guest.
  type: str
  returned: always
from:
  description: The node on which it was. In check mode none for one that is yet to be put in order, as the next two.
  type: str
  returned: success
to:
  description: The node on which it is, or would be.
  type: str
  returned: success
method:
  description: Whether it moves V(live), or by a V(restart).
  type: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: success
plan:
  description: What the cluster does because of it, as predicted by its own scheduler; or that there is nothing to do.
  type: list
  elements: str
  returned: success
outcome:
  description: How it went, on one line.
  type: str
  returned: when it was moved
journal:
  description: The move's record in the cluster's journal; none when the guest was not moved, or nobody recorded it.
  type: dict
  returned: always
downtime_ms:
  description: How long the guest stood still, or was down, in milliseconds; from the journal, as are the next four.
  type: float
  returned: always
rounds:
  description: Passes over the guest's memory, or its files.
  type: int
  returned: always
bytes:
  description: What was sent from node to node.
  type: int
  returned: always
path:
  description: What the migration went through, in words.
  type: list
  elements: str
  returned: always
forecast:
  description:
    - What was expected of it, by the VM's use of memory (C(in_use), C(dirties)), the C(disks) to copy, the C(bandwidth)
      and its policy. C(rounds), C(bytes), C(seconds), C(pause_ms), C(worst_ms), C(converges), C(path) and C(why).
    - None for a container, for a VM that need not move, and where its use of memory could not be measured.
  type: dict
  returned: always
preflight:
  description:
    - What speaks against the move, for each node that it might have gone to. See C(checks) of
      M(cspp.drover.migration_check_info).
  type: list
  elements: dict
  returned: always
notes:
  description: Forecast and warnings, as lines for a terminal.
  type: list
  elements: str
  returned: success
client_silence_ms:
  description: The longest time without an answer to the probe, in milliseconds. None without one, as the next three.
  type: float
  returned: always
packets_lost:
  description: Packets of the probe that were never answered. They, or their answers, were lost.
  type: int
  returned: always
packets_duplicated:
  description: Answers that came more than once.
  type: int
  returned: always
probe:
  description:
    - What the probe saw. C(target), C(from) where, what was C(measured), at which C(rate), over C(seconds), C(sent),
      C(received), C(lost), C(duplicated), C(reordered), C(silence_ms), how a session is C(broken).
    - C(delay_ms) is how long the prober itself was held up at most. A silence not far above it says nothing of the
      guest.
    - C(tcp) tells the two directions of a session apart, as far as the kernel knows. Packets C(retransmitted) beyond
      those that the guest C(received_twice) were lost on the way to it; C(gaps_back) are packets missed for a while on
      the way back. Of pings and datagrams nobody knows which way was the lossy one.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.measure import probe
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.verbs.migrate import Migration, Observer


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "guest": {"type": "str", "required": True},
            "to": {"type": "str"},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int"},
            "probe": {"type": "str"},
            "probe_from": {"type": "str"},
            "slo": {"type": "dict"},
            "log": {"type": "str"},
        },
        required_by={"probe_from": "probe"},
        supports_check_mode=True,
    )
    wish = module.params
    log = JobLog(wish["log"])
    with fail_on_error(module, known=lambda: {"guest": wish["guest"]}):
        target = probe.parse(wish["probe"]) if wish["probe_from"] else None
    migration = Migration(
        Pacemaker(saw=log.saw),
        wish["guest"],
        wish["to"] or None,
        ignore=wish["ignore"],
        timeout=wish["timeout"],
        check=module.check_mode,
        log=log,
        observer=Observer(wish["guest"], target, wish["probe_from"]),
    )
    with fail_on_error(module, known=lambda: {"guest": wish["guest"], **migration.known()}):
        result = migration.run()
    if migration.trouble:
        module.warn(migration.trouble)
    module.exit_json(**result, **migration.known())


if __name__ == "__main__":
    main()
