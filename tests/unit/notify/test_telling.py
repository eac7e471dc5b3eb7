# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each story is told once, whoever dies meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import failed_too_often
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.notify.marks import Marks, overdue
from ansible_collections.cspp.drover.plugins.module_utils.notify.spool import Event
from ansible_collections.cspp.drover.plugins.module_utils.notify.teller import turn
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB
from ansible_collections.cspp.drover.tests.unit.notify.town import NOW, Town, cut, failure, moment


@pytest.fixture
def town(tmp_path: Path) -> Town:
    found = Town(tmp_path)
    found.pass_by(20)
    assert found.sent == []
    return found


def fence(town: Town, node: str) -> None:
    """The node is off, and its guest runs elsewhere."""
    town.become(**{node: {"online": False}})
    town.seen = replace(town.seen, fence_events=(cut(node, town.now),))


def test_a_lost_node_is_told_once_though_it_is_the_one_that_would_tell(town: Town) -> None:
    town.runs(mc="n1")
    town.pass_by(20)
    noticed = town.now
    town.lose("n1")
    town.pass_by(5, Event("node", "n1", noticed))
    assert town.sent == []
    fence(town, "n1")
    town.runs(mc="n3")
    town.pass_by(300)
    [text] = town.bodies()
    assert text.startswith("n1 was lost at ")
    assert "n2 cut its power; its guests run again: mc on n3; n1 is switched on again by itself" in text
    # It comes back with a journal from before, and is the first in line again.
    town.up.insert(0, "n1")
    town.tellers["n1"] = town.born("n1")
    town.become()
    town.pass_by(300)
    assert len(town.sent) == 1
    [story] = [e for e in book.Book(town.folder / "n2").entries() if e["kind"] == "story"]
    assert story["steps"]["noticed"] == book.stamp(noticed)
    assert story["steps"]["fenced"] is not None
    # The others leave it to the first of those that are left.
    assert [name for name, kind in town.written if kind == "story"] == ["n2"]
    # And is lost again, which is another story.
    town.now += 300
    town.lose("n1")
    town.pass_by(5)
    fence(town, "n1")
    town.pass_by(300)
    assert len(town.sent) == 2


def test_a_story_whose_teller_dies_before_it_has_told_is_told_by_another(town: Town) -> None:
    town.dies_sending = "n1"
    town.become(n3={"standby": True})
    town.runs(web="n2")
    town.pass_by(5)
    assert town.up == ["n2", "n3"]
    assert town.sent == []
    # Its own loss is not the matter here.
    town.become(n1={"online": False}, n3={"standby": True})
    town.pass_by(400)
    assert ["n3 is in maintenance and empty" in text for text in town.bodies()] == [True]


def test_who_noticed_a_moment_later_does_not_tell_again(town: Town) -> None:
    noticed = town.now
    town.asleep = {"n3"}
    town.lose("n1")
    town.pass_by(10, Event("node", "n1", noticed - 3))
    fence(town, "n1")
    town.pass_by(60)
    assert len(town.sent) == 1
    # The one that has told is shut down, and the other is the first by now.
    town.up = ["n3"]
    town.become(n1={"online": False}, n2={"online": False})
    town.runs(mc="n3")
    town.pass_by(200)
    assert len(town.sent) == 1


def test_one_that_was_away_asks_the_others_before_it_tells(town: Town) -> None:
    town.refusing = {"ops"}
    town.become(n3={"standby": True})
    town.runs(web="n2")
    town.pass_by(5)
    # n3 alone knows that it was told after all.
    known = book.Book(town.folder / "n3")
    [waiting] = Marks(known.entries()).untold(["ops"], town.now)
    known.add([Marks.told(waiting, "n1", town.now)])
    town.refusing, town.up = set(), ["n2", "n3"]
    town.become(n1={"online": False}, n3={"standby": True})
    town.pass_by(400)
    assert town.sent == []


def test_a_trouble_that_lasts_is_told_once_though_tries_fail_now_and_then(town: Town) -> None:
    unfenced(town)
    told = town.seen.fence_events
    assert town.tellers["n1"].step() == 2.0
    for events in (told, (), told):
        town.seen = replace(town.seen, fence_events=events)
        town.pass_by(60)
    assert len(town.sent) == 1
    assert town.tellers["n1"].step() == 10.0


def test_who_reaches_nobody_leaves_it_to_the_next(town: Town) -> None:
    town.deaf = {"n1"}
    town.become(n3={"standby": True})
    town.runs(web="n2")
    town.pass_by(30)
    assert town.sent == []
    town.pass_by(300)
    assert len(town.sent) == 1


def test_a_receiver_that_refuses_is_tried_again_and_others_are_not_told_again(tmp_path: Path) -> None:
    town = Town(tmp_path, {"ops": "a://", "phone": "b://"})
    town.refusing = {"phone"}
    town.become(n3={"standby": True})
    town.runs(web="n2")
    town.pass_by(600, every=10)
    assert [receiver for receiver, _text in town.sent] == ["ops"]
    entries = book.Book(town.folder / "n3").entries()
    [late] = overdue(entries, town.receivers, town.now)
    assert late.startswith("phone could not be told of what happened (1 times)")
    assert overdue(entries, ["ops"], town.now) == overdue(entries, town.receivers, town.now - 590) == []
    town.refusing = set()
    # One that is declared later hears what happens from then on.
    town.receivers = {**town.receivers, "new": "c://"}
    town.pass_by(1800, every=10)
    assert [receiver for receiver, _text in town.sent] == ["ops", "phone"]


def test_a_state_is_told_again_when_it_comes_again(town: Town) -> None:
    for _time in range(2):
        town.become(n3={"standby": True})
        town.runs(web="n2")
        town.pass_by(60)
        # What was told keeps nobody busy.
        assert [town.tellers[name].step() for name in town.up] == [10.0, 20.0, 20.0]
        town.become()
        town.runs(web="n3")
        town.pass_by(60)
    assert len(town.sent) == 2


def test_a_notifier_that_begins_anew_tells_nothing_twice(town: Town) -> None:
    town.cib = failure("mc", "n2", town.now)
    town.become(n3={"standby": True})
    town.runs(web="n2")
    town.pass_by(60)
    assert len(town.sent) == 2
    town.tellers = {name: town.born(name) for name in town.tellers}
    town.pass_by(200)
    assert len(town.sent) == 2


UNFENCED = cut("n3", NOW, status="failed", reason="no answer")
GAVE_UP = reconcile(CIB, Wanted(meta={"mc": failed_too_often({"n2": 4})})).xml


def unfenced(town: Town) -> None:
    town.lose("n3")
    town.seen = replace(town.seen, fence_events=(replace(UNFENCED, when=moment(town.now)),))


def died(town: Town) -> None:
    town.cib = failure("mc", "n2", town.now)


def failed(town: Town) -> None:
    town.cib = failure("mc", "n1", town.now, "monitor", "1", "10000")


def down(town: Town) -> None:
    town.cib = failure("mc", "n2", town.now, "monitor", "7", "10000")
    town.runs(mc="")


def gave_up(town: Town) -> None:
    town.cib = GAVE_UP
    town.runs(mc="")


def full(town: Town) -> None:
    town.seen = replace(town.seen, notes={"mc": "paused until there is room on /srv/shared"})


def no_quorum(town: Town) -> None:
    town.seen = replace(town.seen, quorum=False)


def old(town: Town) -> None:
    town.cib = failure("mc", "n2", town.now - 3600)


def probe(town: Town) -> None:
    town.cib = failure("mc", "n2", town.now, "monitor", "0")


def at_work(town: Town) -> None:
    """Somebody has cut the power of a node in maintenance."""
    town.become(n1={"online": False, "standby": True, "unclean": True})
    town.pass_by(5)
    town.become(n1={"online": False, "standby": True})
    town.seen = replace(town.seen, fence_events=(cut("n1", town.now, action="off"),))


def shut_down(town: Town) -> None:
    town.become(n1={"online": False})


def back_at_once(town: Town) -> None:
    """It has booted before its guest runs elsewhere."""
    town.lose("n3")
    town.pass_by(5)
    town.become()
    town.runs(web="n1")
    town.seen = replace(town.seen, fence_events=(cut("n3", town.now - 3),))


def not_fenced(town: Town) -> None:
    """Its power was cut an hour ago; this time nobody has done anything about it."""
    town.seen = replace(town.seen, fence_events=(cut("n3", town.now - 3600),))
    town.lose("n3")
    town.pass_by(5)
    town.become(n3={"online": False})
    town.runs(web="n1")


def fenced_between_two_looks(town: Town) -> None:
    town.become(n3={"online": False})
    town.runs(web="")
    town.seen = replace(town.seen, fence_events=(cut("n3", town.now, by="a human"),))


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (unfenced, "n3 is lost, and since * playbooks/fencing.yml -e confirm=n3."),
        (died, "VM mc ended on n2, and nobody had asked for that; it was started again there; find out why"),
        (failed, "VM mc failed on n1; it was started again on n2; find out why"),
        (down, "VM mc ended on n2, and nobody had asked for that; the cluster could not start it again so far"),
        (
            gave_up,
            "VM mc failed too often (4 times on n2); it is not started again; * playbooks/start.yml -e guest=mc.",
        ),
        (full, "VM mc is paused until there is room on /srv/shared; nothing of it is lost, * make room there."),
        (no_quorum, "The cluster has no quorum, so no guest is started anywhere; it goes on by itself"),
        (
            fenced_between_two_looks,
            "somebody has said that it is off; still waiting: web; find out why, and switch n3 on",
        ),
        (back_at_once, "n2 cut its power; its guests run again: web on n1; n3 is up again; find out why"),
        (not_fenced, " UTC; its guests run again: web on n1; find out why, and switch n3 on again."),
        (old, None),
        (probe, None),
        (at_work, None),
        (shut_down, None),
    ],
)
def test_what_is_told(town: Town, happens: object, words: str | None) -> None:
    assert callable(happens)
    happens(town)
    town.pass_by(240)
    told = town.bodies()
    assert len(told) == (1 if words else 0), told
    for part in (words or "").split(" * "):
        assert part in "".join(told)
    # A sentence: what happened, what was done, what is left to do.
    assert all(text.count(". ") <= 3 and text.endswith((".", words or "")) for text in told)


def test_turns_of_two_nodes_never_overlap() -> None:
    for nodes in (1, 2, 3):
        for second in range(0, 7200, 5):
            whose = [rank for rank in range(nodes) if turn(second, rank, nodes) is not None]
            assert len(whose) <= 1
        assert {rank for s in range(0, 7200, 5) for rank in range(nodes) if turn(s, rank, nodes) is not None} == {
            *range(nodes)
        }
    # A message takes half a minute at most, and is on record before the next one's turn.
    last = max(second for second in range(60) if turn(second, 0, 2) is not None)
    assert last + 30 < 60


@pytest.mark.parametrize("alone", [{"quorum": False}, {"quorum": True, "dc": None}])
def test_who_has_only_just_booted_tells_of_nobody_who_was_there_all_the_time(town: Town, alone: dict[str, Any]) -> None:
    """Until it has met the others, it sees them away and not known to be off."""
    met = town.seen
    town.become(n2={"online": False, "unclean": True}, n3={"online": False, "unclean": True})
    town.seen = replace(town.seen, **alone)
    town.pass_by(2.0)
    town.seen = met
    town.pass_by(120.0)
    assert town.sent == []
