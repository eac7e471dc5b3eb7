# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes join, leave, die and are replaced: three become five and three again, while guests run and a session is open.

Plays are killed on the way, and the next run finishes what they began. The order counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.host.corosync import from_cmap, members

from ..lab import Lab, boot, init_of
from ..plays import Outcome, inventory_of, killed_at, play, succeed
from ..sessions import session_to
from ..stages import sample

pytestmark = pytest.mark.stage("nodes")

Declared = dict[str, dict[str, Any]]

FOUR, FIVE = "node4", "node5"
SERVICES = ("pacemaker", "corosync", "drover-peer", "libvirtd-tls.socket")


@pytest.fixture(scope="module")
def grown(lab: Lab) -> Iterator[None]:
    """Two bare nodes more than there are."""
    succeed("lab", lab_nodes=5)
    yield
    succeed("lab", lab_nodes=3)


@pytest.fixture
def undisturbed(lab: Lab, declared: Declared) -> Iterator[None]:
    """A VM does not restart, wherever it is taken, and an open session to it goes on."""
    before = boot(declared["game"])
    with session_to(declared["game"]):
        yield
    assert boot(declared["game"]) == before
    assert lab.status().failures == ()


def listed(lab: Lab, node: str) -> dict[str, int]:
    """The nodes that corosync lists on a node, with their numbers."""
    found = members(from_cmap(lab.ssh(node)(["corosync-cmapctl"]).stdout))
    return {member["name"]: member["id"] for member in found}


def states(lab: Lab) -> dict[str, str]:
    return {node.name: node.word for node in lab.status().nodes}


def mentions(lab: Lab, node: str, other: str) -> str:
    """Where a node has another on record."""
    files = ["/etc/hosts", "/etc/ssh/ssh_known_hosts2", "/etc/corosync/corosync.conf"]
    return lab.ssh(node)(["grep", "-l", f"{other}\\b", *files], ok=None).stdout


def refused(outcome: Outcome) -> str:
    """Why a play was refused."""
    assert outcome.rc != 0, outcome.output
    return " ".join(outcome.failures)


def test_nobody_becomes_a_member_who_could_not_be_fenced(lab: Lab, grown: None) -> None:
    before = lab.version()
    assert "HA is not switched on" in refused(play("site", bmc_password="not-the-password"))
    assert listed(lab, "node1").keys() == {"node1", "node2", "node3"}
    assert lab.version() == before


def test_new_nodes_join_wherever_they_stand(lab: Lab, undisturbed: None, tmp_path: Path) -> None:
    places = {guest: lab.where(guest) for guest in ("game", "web")}
    init = init_of(lab, "web")
    before = listed(lab, "node1")
    names = [FIVE, "node1", FOUR, "node2", "node3"]
    inventory = inventory_of(tmp_path, dict(zip(names, names, strict=True)))
    killed_at("site", "Let corosync read its configuration again", inventory=inventory)
    succeed("site", inventory=inventory)
    assert states(lab) == dict.fromkeys(names, "online")
    assert {guest: lab.where(guest) for guest in places} == places
    assert init_of(lab, "web") == init
    for node in names:
        assert listed(lab, node).items() >= before.items()
    # The order of the inventory means nothing.
    assert succeed("site", "--check").changed == set()


def test_a_node_keeps_its_name_and_its_address(lab: Lab, grown: None, tmp_path: Path) -> None:
    same = {name: name for name in lab.nodes if name != FOUR}
    before = lab.version()
    renamed = refused(play("site", inventory=inventory_of(tmp_path, {**same, FOUR: "db"})))
    assert "db has the address of node4" in renamed and "node_remove.yml -e node=node4" in renamed
    assert lab.ssh(FOUR)(["hostname"]).stdout.strip() == FOUR
    swapped = refused(play("site", inventory=inventory_of(tmp_path, {**same, "node3": FOUR, FOUR: "node3"})))
    assert "A member keeps its address" in swapped
    assert lab.version() == before


def test_a_member_that_the_inventory_lacks_is_named_and_stays(
    lab: Lab, declared: Declared, grown: None, undisturbed: None, tmp_path: Path
) -> None:
    succeed("migrate", guest="game", to=FOUR)
    rest = inventory_of(tmp_path, {name: name for name in lab.nodes if name != FOUR})
    for name, options in (("site", ["--check"]), ("site", []), ("guests", []), ("status", [])):
        said = succeed(name, *options, inventory=rest).told
        assert "node node4 is in the cluster and not in the inventory" in said, name
    assert states(lab)[FOUR] == "online" and lab.where("game") == FOUR
    assert "drover-fence-node4" in lab.configuration().primitives
    assert "would be left with them" in refused(play("certificates", inventory=rest))


@pytest.mark.parametrize(
    "task",
    sample(
        ["Forget the cluster"],
        ["Empty the node", "Forget the cluster", "Let corosync read its configuration again", "Forget the node"],
    ),
)
def test_a_removal_may_be_killed_anywhere(lab: Lab, grown: None, undisturbed: None, task: str) -> None:
    killed_at("node_remove", task, node=FOUR)
    assert lab.status().quorum


def test_a_node_leaves_with_nothing_of_the_cluster(lab: Lab, grown: None, undisturbed: None) -> None:
    succeed("node_remove", node=FOUR)
    assert states(lab).keys() == {"node1", "node2", "node3", FIVE}
    for node in ("node1", "node2", "node3", FIVE):
        assert FOUR not in listed(lab, node)
        assert mentions(lab, node, FOUR) == ""
    assert not [one for one in lab.configuration().constraints.values() if getattr(one, "node", None) == FOUR]
    assert "drover-fence-node4" not in lab.configuration().primitives
    on = lab.ssh(FOUR)
    for asked in ("is-active", "is-enabled"):
        said = on(["systemctl", asked, *SERVICES], ok=None).stdout.split()
        assert not {"active", "enabled"}.intersection(said), said
    assert on(["find", "/etc/drover/secrets", "/etc/drover/pki", "/var/lib/pacemaker/cib", "-type", "f"]).stdout == ""
    assert "(and was none before)" in succeed("node_remove", node=FOUR).told


def test_a_dead_node_is_proven_off_and_taken_out(lab: Lab, grown: None, undisturbed: None) -> None:
    # When the cluster has cycled its power, it is up and does not answer.
    lab.ssh(FIVE)(["systemctl", "mask", "ssh.service", "ssh.socket"], ok=None)
    lab.ssh(FIVE)(["systemctl", "disable", "corosync.service", "pacemaker.service"])
    lab.power(FIVE, "off")
    wait_for(lambda: states(lab).get(FIVE), lambda word: word == "offline", what="the fencing of node5", timeout=90)
    assert "wipe that disk" in succeed("node_remove", node=FIVE).told
    assert "is off" in lab.power(FIVE, "status")
    assert states(lab).keys() == {"node1", "node2", "node3"}
    assert listed(lab, "node1").keys() == {"node1", "node2", "node3"}


def test_quorum_is_not_given_away(lab: Lab) -> None:
    lab.ssh("node3")(["systemctl", "stop", "pacemaker", "corosync"], timeout=180)
    try:
        wait_for(lambda: states(lab)["node3"], lambda word: word == "offline", what="node3's departure", timeout=30)
        before = lab.version()
        said = refused(play("node_remove", node="node2"))
        assert "of 3 votes 2 are needed, and without node2 there would be 1 (node1). Bring back node3 first" in said
        assert lab.version() == before
    finally:
        lab.ssh("node3")(["systemctl", "start", "corosync", "pacemaker"])
    wait_for(lambda: states(lab)["node3"], lambda word: word == "online", what="node3's return", timeout=60)


@pytest.mark.whole
def test_the_first_node_is_replaced_by_an_empty_machine(lab: Lab, undisturbed: None) -> None:
    before = listed(lab, "node2")
    succeed("maintenance", node="node1", state="on")
    lab.ssh("node1")(["systemctl", "stop", "pacemaker", "corosync"], timeout=180)
    # Without this, the lab takes it for one that was never finished, and makes it anew.
    (lab.folder / "nodes" / "node1" / "chassis.json").unlink()
    succeed("lab", lab_nodes=3)
    # Connections to the machine that was there before end with this.
    succeed("status")
    killed_at("node_replace", "Run corosync and Pacemaker", node="node1")
    assert "in maintenance as before" in succeed("node_replace", node="node1").told
    assert listed(lab, "node2") == listed(lab, "node1") == before
    succeed("maintenance", node="node1", state="off")
    assert states(lab) == dict.fromkeys(("node1", "node2", "node3"), "online")
    assert succeed("site", "--check").changed == set()
