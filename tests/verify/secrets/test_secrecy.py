# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No secret of the cluster is seen where it should not: in output, journals, arguments of processes, open files.

A run that writes secrets anew is looked at with ``-vvv --diff``, and then the nodes for a while, as long as fencing
devices take to be looked at. How long: DROVER_SECRECY, in seconds.
"""

from __future__ import annotations

import json
import secrets
import time

import pytest

from ..lab import Lab
from ..plays import succeed
from ..stages import sample
from .search import looking_at_processes, needle, places, within

pytestmark = pytest.mark.stage("changed")

#: Seconds of life that are searched.
LIFE = sample(30.0, 300.0)
SECRETS, PKI, QEMU = "/etc/drover/secrets", "/etc/drover/pki", "/etc/pki/qemu"
NODES_OWN = (f"{PKI}/node.key", f"{QEMU}/server-key.pem")
#: Where secrets may lie, for root and the service that needs them.
HOMES = (SECRETS, PKI, QEMU, "/etc/pacemaker/authkey", "/var/lib/pacemaker/")


@pytest.fixture(scope="module")
def known(lab: Lab) -> dict[str, str]:
    """All secrets of the lab's cluster, by name."""
    first = next(iter(lab.nodes))
    names = [
        f"{SECRETS}/{name}"
        for name in ("corosync.key", "pacemaker.key", "console.key", "ca.key", "qemu-ca.key", "console-ca.key")
    ]
    found = {name: lab.ssh(first)(["cat", name]).stdout for name in names}
    for node in lab.nodes:
        for name in NODES_OWN:
            found[f"{node} {name}"] = lab.ssh(node)(["cat", name]).stdout
    return {name: needle(text) for name, text in found.items()} | {
        f"the BMC's password of {node.name}": node.bmc_password for node in lab.nodes.values()
    }


def test_what_is_exposed_is_found(lab: Lab) -> None:
    node = next(iter(lab.nodes))
    planted = {"planted": secrets.token_hex(16)}
    on_node = lab.ssh(node)
    script = 'logger "it is $1"; umask 022; echo "$1" >/var/tmp/planted; exec -a "tool -P $1" sleep 2'
    with looking_at_processes(lab, [node], planted) as processes:
        on_node(["bash", "-c", script, "-", planted["planted"]])
    try:
        found = places(lab, node, planted)
    finally:
        on_node(["rm", "-f", "/var/tmp/planted"])
    assert found["exposed"] == [["planted", "/var/tmp/planted"]]
    assert found["journal"]
    assert ["planted", f"tool -P {planted['planted']}"] in processes[node]["found"]
    assert within(f'"content": "{planted["planted"]}\\n"', planted) == ["planted"]


def test_nothing_tells_a_secret(lab: Lab, known: dict[str, str]) -> None:
    last = list(lab.nodes)[-1]
    on_node = lab.ssh(last)
    # There is something to write and to show: a shared key, a node's own keys, a file's rights, a fencing device.
    on_node(["rm", f"{SECRETS}/corosync.key", f"{PKI}/node.key", f"{QEMU}/client-key.pem"])
    on_node(["chmod", "0600", "/etc/pacemaker/authkey"])
    setting = ["--set-parameter", "power_timeout", "--parameter-value", "21"]
    on_node(["crm_resource", "--resource", f"drover-fence-{last}", *setting])
    with looking_at_processes(lab, lab.nodes, known) as processes:
        done = succeed("site", "-vvv", "--diff")
        time.sleep(LIFE)
    assert (last, "Issue the certificates that are due") in done.changed
    assert within(on_node(["cat", f"{SECRETS}/corosync.key"]).stdout, known) == [f"{SECRETS}/corosync.key"]
    assert "power_timeout" in done.output, "the fencing device's difference is not shown"
    told = known | {f"{last} {name}": needle(on_node(["cat", name]).stdout) for name in NODES_OWN}
    assert within(done.output, told) == []
    assert within(json.dumps(list(done.results.values()), default=str), told) == []
    for node in lab.nodes:
        assert processes[node]["looks"] > 100
        assert processes[node]["found"] == [], f"arguments of processes on {node}"
        found = places(lab, node, told)
        assert {f"{SECRETS}/ca.key", f"{node} {PKI}/node.key"} <= {secret for secret, _path in found["files"]}
        assert found["journal"] == [], f"the journal of {node}"
        assert found["exposed"] == [], f"open files on {node}"
        strange = [path for _secret, path in found["files"] if not path.startswith(HOMES)]
        assert strange == [], f"other places on {node}"
