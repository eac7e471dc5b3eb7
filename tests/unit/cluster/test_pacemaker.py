# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import (
    Applied,
    ClusterError,
    Contended,
    Pacemaker,
    Snapshot,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import NOTE, Work, parse_status, probed
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout
from ansible_collections.cspp.drover.tests.unit.cluster_samples import simulated
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime

DATA = Path(__file__).parents[1] / "data" / "pacemaker"
CIB = (DATA / "cib-guests.xml").read_text(encoding="utf-8")
STATUS = (DATA / "crm_mon-guests.xml").read_text(encoding="utf-8")
FAILED = (DATA / "crm_mon-migration-failed.xml").read_text(encoding="utf-8")
IDLE = (DATA / "crm_simulate-idle.xml").read_text(encoding="utf-8")
RELOAD = (DATA / "crm_simulate-reload.xml").read_text(encoding="utf-8")
CHANGE = Wanted(properties={"cluster-recheck-interval": "1min"})


class Tools:
    """Answers for Pacemaker's tools; records every call. ``stale`` patches are refused as outdated."""

    def __init__(self, stale: int = 0, cib: str = CIB) -> None:
        self.calls: list[list[str]] = []
        self.stale = stale
        self.cib = cib

    def __call__(self, argv: list[str], **_options: Any) -> CommandResult:
        self.calls.append(list(argv))
        answers = {
            "cibadmin --query": self.cib,
            "crm_mon --one-shot": STATUS,
            "crm_diff --original": "<diff/>",
            "cibadmin --patch": "",
        }
        key = " ".join(argv[:2])
        if key == "cibadmin --patch" and self.stale:
            self.stale -= 1
            raise CommandError("older", CommandResult(tuple(argv), 103, "", "Update was older"))
        output = simulated(argv, RELOAD) if argv[0] == "crm_simulate" else answers[key]
        return CommandResult(tuple(argv), 0, output, "")

    def names(self) -> list[str]:
        return [" ".join(argv[:2]).replace(" --", " ") for argv in self.calls]


KEPT = '<rsc_location id="drover-data-web" rsc="web" node="node2" score="20000"/>'


@pytest.mark.parametrize(("rc", "output", "keeper"), [(0, KEPT, "node2"), (105, "", None)])
def test_who_has_the_data_of_a_guest(rc: int, output: str, keeper: str | None) -> None:
    calls: list[list[str]] = []

    def tools(argv: list[str], *, ok: tuple[int, ...], **_options: Any) -> CommandResult:
        calls.append(argv)
        assert rc in ok
        return CommandResult(tuple(argv), rc, output, "")

    assert Pacemaker(tools).data_of("web") == keeper
    assert calls == [["cibadmin", "--query", "--xpath", "//rsc_location[@id='drover-data-web']"]]


def test_data_is_handed_over_by_who_had_it() -> None:
    def tools(argv: list[str], **_options: Any) -> CommandResult:
        assert argv[:3] == ["cibadmin", "--modify", "--xpath"]
        if "@node='node2'" in argv[3]:
            return CommandResult(tuple(argv), 0, "", "")
        raise CommandError("no such object", CommandResult(tuple(argv), 105, "", ""))

    Pacemaker(tools).hand_over("web", "node2", "node3")
    with pytest.raises(ClusterError, match="node3 could not take web over from node1"):
        Pacemaker(tools).hand_over("web", "node1", "node3")


CYCLE = ["cibadmin query", "crm_simulate run", "crm_diff original", "cibadmin patch"]


@pytest.mark.parametrize(
    ("wanted", "check", "stale", "calls"),
    [
        (Wanted(), False, 0, ["cibadmin query"]),
        (CHANGE, True, 0, ["cibadmin query", "crm_simulate run"]),
        (CHANGE, False, 0, CYCLE),
        (CHANGE, False, 1, [*CYCLE, "cibadmin query", "crm_diff original", "cibadmin patch"]),
    ],
    ids=["nothing to do", "check mode writes nothing", "one patch", "outdated once"],
)
def test_apply(wanted: Wanted, check: bool, stale: int, calls: list[str]) -> None:
    tools = Tools(stale)
    applied = Pacemaker(tools).apply(lambda _cib: wanted, check=check)
    assert tools.names() == calls
    assert applied.difference.changed is (wanted is CHANGE)


def test_apply_gives_up_clearly() -> None:
    with pytest.raises(Contended, match="3 attempts"):
        Pacemaker(Tools(stale=99), tries=3).apply(lambda _cib: CHANGE, check=False)


def test_a_guard_refuses_before_anything_is_written() -> None:
    def guard(_applied: Applied[Wanted]) -> None:
        raise ClusterError("no")

    tools = Tools()
    with pytest.raises(ClusterError):
        Pacemaker(tools).apply(lambda _cib: CHANGE, check=False, guard=guard)
    assert "cibadmin patch" not in tools.names()


def test_secrets_stay_off_the_command_line() -> None:
    tools = Tools(cib=CIB.replace('name="boot" value="', 'name="password" value="tiger'))
    Pacemaker(tools).apply(lambda _cib: CHANGE, check=False)
    assert "tiger" not in str(tools.calls)


def test_without_a_cluster_the_remedy_is_named() -> None:
    def down(argv: list[str], **_options: Any) -> CommandResult:
        raise CommandError("x", CommandResult(tuple(argv), 102, "", "Connection refused"))

    with pytest.raises(ClusterError, match=r"systemctl status corosync pacemaker.*site\.yml"):
        Pacemaker(down).query()


WORK = '<lrm_rsc_op operation_key="mc_migrate_to_0" operation="migrate_to" interval="0" on_node="n2" rc-code="193"/>'
MIGRATE = (DATA / "crm_simulate-migrate.xml").read_text(encoding="utf-8")


class Busy:
    """A cluster that is at work with mc until one moment, about to move it until another; when it is asked what."""

    def __init__(self, working: float = 0, ahead: float = 0, silent: tuple[float, float] = (0, 0)) -> None:
        self.time = FakeTime()
        self.working, self.ahead, self.silent = working, ahead, silent
        self.runs: list[tuple[float, str]] = []
        self.saw: list[Sequence[Work]] = []

    def __call__(self, argv: list[str], **_options: Any) -> CommandResult:
        now = self.time.now
        tool = "work" if "--xpath" in argv else argv[0]
        self.runs.append((now, tool))
        if self.silent[0] <= now < self.silent[1]:
            raise CommandError("not now", CommandResult(tuple(argv), 1, "", ""))
        answers = {
            "work": WORK if now < self.working else "",
            "cibadmin": CIB,
            "crm_mon": STATUS,
        }
        if tool == "crm_simulate":
            return CommandResult(tuple(argv), 0, simulated(argv, MIGRATE if now < self.ahead else IDLE), "")
        return CommandResult(tuple(argv), 0, answers[tool], "")

    def settle(self, timeout: float = 600, **more: Any) -> Snapshot:
        cluster = Pacemaker(self, saw=self.saw.append, clock=self.time, sleep=self.time.sleep)
        return cluster.settle(["mc"], what="rest", timeout=timeout, **more)

    def tools(self) -> dict[str, int]:
        return dict(Counter(tool for _when, tool in self.runs))


WHOLE = {"work": 1, "cibadmin": 1, "crm_simulate": 1, "crm_mon": 1}


@pytest.mark.parametrize(
    ("busy", "after", "tools", "seconds"),
    [
        (Busy(), 0.0, WHOLE, 0),
        (Busy(), 1.0, WHOLE, 1),
        (Busy(working=1.5), 1.0, {**WHOLE, "work": 2}, 2),
        (Busy(working=99.5), 1.0, {**WHOLE, "work": 100}, 100),
        (Busy(ahead=8.5), 0.0, {"work": 4, "cibadmin": 4, "crm_simulate": 4, "crm_mon": 1}, 9),
    ],
    ids=["quiet", "quiet, looked at later", "a move of two seconds", "a long move", "something ahead"],
)
def test_waiting_asks_for_as_little_as_it_can(busy: Busy, after: float, tools: dict[str, int], seconds: float) -> None:
    seen = busy.settle(after=after)
    assert seen.idle(["mc"])
    assert busy.tools() == tools
    assert busy.time.now == seconds
    # The last look alone may ask for more at once.
    waiting = [when for when, _tool in busy.runs if when < seconds]
    assert len(waiting) <= seconds


def test_who_waits_tells_what_nodes_are_at_work_with() -> None:
    busy = Busy(working=1.5)
    busy.settle()
    assert [[str(work) for work in works] for works in busy.saw] == [["mc: migrating on n2"]] * 2 + [[]]


def test_a_timeout_carries_a_whole_look() -> None:
    busy = Busy(working=99)
    with pytest.raises(WaitTimeout) as late:
        busy.settle(timeout=5)
    assert isinstance(late.value.last, Snapshot)
    assert late.value.waited == 5


def test_waiting_bears_looks_that_fail_but_not_for_long() -> None:
    short = Busy(working=50, silent=(10, 35))
    short.settle()
    assert short.time.now == 50
    for silent in ((10, 45), (0, 1)):
        with pytest.raises(ClusterError, match="not now"):
            Busy(working=50, silent=silent).settle()


def test_waiting_for_a_status_looks_once_a_second() -> None:
    busy = Busy()
    cluster = Pacemaker(busy, clock=busy.time, sleep=busy.time.sleep)
    cluster.wait(lambda _status: busy.time.now >= 7, what="it", timeout=9)
    assert busy.tools() == {"crm_mon": 8}


@pytest.mark.parametrize(
    ("operations", "busy"),
    [(WORK, True), (WORK.replace("193", "0"), False), (f"{WORK}{WORK.replace('mc_', 'web_')}", True), ("", False)],
)
def test_a_resource_is_busy_while_a_node_is_at_work_with_it_or_about_to_be(operations: str, busy: bool) -> None:
    cib = f"<cib><status><node_state>{operations}</node_state></status></cib>"
    assert Snapshot(cib, parse_status(STATUS), Prediction()).busy(["mc"]) == ({"mc"} if busy else set())
    assert Snapshot("<cib/>", parse_status(STATUS), Prediction(busy=frozenset({"mc", "web"}))).busy(["mc"]) == {"mc"}


def test_status() -> None:
    status = parse_status(STATUS)
    assert status.quorum
    assert not status.fencing
    assert [node.word for node in status.nodes] == ["online"] * 3
    guest = status.resource("mc")
    assert guest is not None
    assert (guest.node, guest.word, guest.running) == ("n2", "running", True)


def test_status_of_a_failed_migration() -> None:
    status = parse_status(FAILED)
    guest = status.resource("mc")
    assert guest is not None
    assert (guest.nodes, guest.node, guest.word, guest.running) == (
        ("n2", "n3"),
        None,
        "failed, blocked",
        False,
    )
    (failure,) = map(str, status.failures_of("mc"))
    assert failure == (
        "migrate_to of mc failed on n2: Error occurred, and its agent left no word of why, as one that was killed "
        "('journalctl -u pacemaker' there tells more)"
    )


@pytest.mark.parametrize(
    ("attributes", "word", "usable"),
    [
        ('online="true" standby="true"', "maintenance", False),
        ('online="true" maintenance="true"', "unmanaged", False),
        ('online="true" pending="true"', "pending", False),
        ('online="true" shutdown="true"', "shutdown", False),
        ('online="false" unclean="true"', "unclean", False),
        ('online="false"', "offline", False),
        ('online="true"', "online", True),
    ],
)
def test_node_words(attributes: str, word: str, usable: bool) -> None:
    (node,) = parse_status(f'<r><nodes><node name="n1" {attributes}/></nodes></r>').nodes
    assert (node.word, node.usable) == (word, usable)


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ('role="Started" active="true" managed="true"', "running"),
        ('role="Started" active="true"', "running, unmanaged"),
        ('role="Migrating" active="true" managed="true"', "migrating"),
        ('role="Stopped" pending="Starting"', "starting"),
        ('role="Stopped" managed="true"', "stopped"),
        ('role="Stopped"', "unmanaged, not seen"),
        ('role="Started" active="true" failed="true"', "failed"),
    ],
)
def test_guest_words(attributes: str, word: str) -> None:
    (guest,) = parse_status(f'<r><resources><resource id="mc" {attributes}/></resources></r>').resources
    assert guest.word == word


@pytest.mark.parametrize(("code", "known"), [("0", True), ("7", True), ("193", False)])
def test_probed_means_that_an_answer_is_there(code: str, known: bool) -> None:
    history = f'<lrm_resource id="mc"><lrm_rsc_op rc-code="{code}"/></lrm_resource>'
    state = f'<node_state uname="n1"><lrm><lrm_resources>{history}</lrm_resources></lrm></node_state>'
    assert probed(f"<cib><status>{state}</status></cib>", "mc") == ({"n1"} if known else set())


def test_what_agents_say_of_guests() -> None:
    noted = f'<attribute name="{NOTE}web" value="paused"/><attribute name="foo" value="1"/>'
    found = parse_status(f'<r><node_attributes><node name="n1">{noted}</node></node_attributes></r>')
    assert found.notes == {"web": "paused"}


@pytest.mark.parametrize(("text", "said"), [("paused", ["--update", "paused"]), (None, ["--delete"])])
def test_an_agent_says_something_of_a_guest_and_takes_it_back(text: str | None, said: list[str]) -> None:
    calls: list[list[str]] = []

    def tools(argv: list[str], **_options: Any) -> CommandResult:
        calls.append(argv)
        return CommandResult(tuple(argv), 0, "", "")

    Pacemaker(tools).note("web", text)
    assert calls == [["attrd_updater", "--name", "drover-note-web", *said]]


def test_the_end_of_a_guest_is_told_as_what_it_is() -> None:
    failure = (
        '<failure op_key="mc_asyncmon_0" node="n2" exitstatus="error" exitreason="Simulated failure" interval="0" '
        'task="asyncmon" last-rc-change=""/>'
    )
    [seen] = parse_status(f"<pacemaker-result><failures>{failure}</failures></pacemaker-result>").failures
    assert str(seen) == "mc ended on n2, and nobody had asked for that"
    assert seen.resource == "mc"


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("no disk", "start of mc failed on n2: no disk"),
        ("&amp;quot;/sys&amp;quot; &amp;amp; more", 'start of mc failed on n2: "/sys" & more'),
        ("half of it ...", "start of mc failed on n2: half of it ... ('journalctl -u pacemaker' there has the rest)"),
        ("", "start of mc failed on n2: Error occurred, and its agent left no word of why"),
    ],
)
def test_reasons_are_told_as_agents_gave_them(kept: str, told: str) -> None:
    failure = (
        f'<failure op_key="mc_start_0" node="n2" exitstatus="Error occurred" exitreason="{kept}" interval="0" '
        'task="start" last-rc-change=""/>'
    )
    status = parse_status(f"<pacemaker-result><failures>{failure}</failures></pacemaker-result>")
    assert str(status.failures[0]).startswith(told)
