# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "remove a node" on transcripts of a real cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.modules import node_removal
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import ARRIVED, CIB, STATUS, FakeCluster

CMAP = "".join(
    f"nodelist.node.{place}.name (str) = {name}\nnodelist.node.{place}.nodeid (u32) = {place + 1}\n"
    for place, name in enumerate(("n1", "n2", "n3"))
)
ALL = ["n1", "n2", "n3"]
EMPTY = {"node": "n2", "state": "empty", "answering": ALL}
FORGET = {"node": "n2", "state": "forgotten", "answering": ALL}


def without(text: str, node: str = "n2", **more: str) -> str:
    """A status in which the node is off."""
    begun, _, rest = text.partition(f'<node name="{node}" ')
    rest = rest.replace('online="true"', 'online="false"', 1)
    for key, value in more.items():
        rest = rest.replace(f'{key}="false"', f'{key}="{value}"', 1)
    return f'{begun}<node name="{node}" {rest}'


OFF = without(ARRIVED)


@pytest.fixture(autouse=True)
def corosync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_removal, "run", lambda argv, **_more: CommandResult(tuple(argv), 0, CMAP, ""))


def test_a_node_is_emptied_before_it_leaves(call: Call, on: Any) -> None:
    cluster = on(node_removal, FakeCluster("migrate", statuses=(STATUS, ARRIVED)))
    told = call(node_removal, check=True, **EMPTY)
    assert cluster.writes == []
    done = call(node_removal, **EMPTY)
    assert told["plan"] == done["plan"] == ["mc: migrate live n2 -> n3"]
    assert cluster.writes == ["patch", "patch"]
    assert read(cluster.cib).standby() == {"n2"}
    # Nobody is told to stop guests for the time of a maintenance that does not end.
    assert "force=true" not in str(done)


def test_a_removal_that_is_refused_touches_nothing(call: Call, on: Any) -> None:
    cluster = on(node_removal, FakeCluster("migrate", statuses=(without(STATUS, "n3"),)))
    said = call(node_removal, **EMPTY)["msg"]
    assert "of 3 votes 2 are needed, and without n2 there would be 1 (n1). Bring back n3 first" in said
    assert cluster.writes == []
    assert "there is no node n9" in call(node_removal, **{**EMPTY, "node": "n9"})["msg"]


@pytest.mark.parametrize(
    ("answering", "status", "more", "writes"),
    [
        (ALL, OFF, {}, []),
        (["n1", "n3"], OFF, {}, ["stonith_admin --fence n2 --timeout 120"]),
        (["n1", "n3"], OFF, {"node_is_off": True}, []),
        # Whoever has seen it has to tell the cluster, too.
        (
            ["n1", "n3"],
            without(ARRIVED, unclean="true"),
            {"node_is_off": True},
            ["stonith_admin --fence n2 --timeout 120"],
        ),
    ],
    ids=["stopped by itself", "dead", "dead, as somebody saw", "unclean"],
)
def test_a_node_that_is_no_running_member_is_proven_off(
    call: Call, on: Any, answering: Sequence[str], status: str, more: dict[str, Any], writes: list[str]
) -> None:
    cluster = on(node_removal, FakeCluster(statuses=(status,)))
    wish = {**EMPTY, "answering": answering, **more}
    assert call(node_removal, check=True, **wish)["changed"] is bool(writes)
    assert cluster.writes == []
    assert call(node_removal, **wish)["changed"] is bool(writes)
    assert cluster.writes == writes


def test_a_node_that_nobody_can_prove_off_is_not_removed(call: Call, on: Any) -> None:
    class Mute(FakeCluster):
        def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **options: Any) -> CommandResult:
            if argv[0] == "stonith_admin":
                raise CommandError("no route to the power controller", CommandResult(tuple(argv), 1, "", ""))
            return super().__call__(argv, stdin=stdin, **options)

    on(node_removal, Mute(statuses=(OFF,)))
    said = call(node_removal, **{**EMPTY, "answering": ["n1", "n3"]})["msg"]
    assert "no route to the power controller" in said
    assert "fencing.yml -e confirm=n2" in said and "node_is_off=true" in said


def test_what_is_left_of_a_node_is_forgotten_once(call: Call, on: Any) -> None:
    bound = (Location("drover-home-mc", "mc", "n2", "INFINITY"), Location("drover-prefer-mc.n2", "mc", "n2", "99"))
    cluster = on(node_removal, FakeCluster(cib=reconcile(CIB, Wanted(constraints=bound)).xml, statuses=(OFF,)))
    assert call(node_removal, check=True, **FORGET)["changed"]
    assert cluster.writes == []
    assert call(node_removal, **FORGET)["changed"]
    assert cluster.writes == ["patch", "crm_node --force --remove n2"]
    assert not [name for name, one in read(cluster.cib).constraints.items() if getattr(one, "node", None) == "n2"]


def test_a_running_member_is_not_forgotten(call: Call, on: Any) -> None:
    cluster = on(node_removal, FakeCluster())
    assert "is a running member" in call(node_removal, **FORGET)["msg"]
    assert cluster.writes == []
