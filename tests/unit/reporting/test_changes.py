# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of changes, beside what was seen of the guests before and after."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.reporting import changes

CPU = {"path": "cpu", "before": None, "after": "EPYC", "how": "restart"}
MEMORY = {"path": "memory", "before": "256MiB", "after": "512MiB", "how": "live"}
TOLD = {"game": "        cpu: nothing -> EPYC", "web": "        memory: 256MiB -> 512MiB"}
PERMIT = "What waits for a restart comes with the next one. To restart now:"


def states(**guests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the nodes say of the guests that they run."""
    return [{name: {"changes": its}} for name, its in guests.items()]


def outcome(pending: tuple[str, ...] = (), actions: bool = True, **more: Any) -> dict[str, Any]:
    guests: dict[str, Any] = {
        name: {
            "node": node,
            "state": "running" if node else "stopped",
            "pending_restart": name in pending,
            "actions": [{}] if actions else [],
        }
        for name, node in {"game": "node1", "lost": None, "web": "node2"}.items()
    }
    return {"guests": guests, "plan": [], "kept": [], **more}


BEFORE = states(game=[CPU], web=[MEMORY])


@pytest.mark.parametrize(
    ("result", "after", "fates", "permit"),
    [
        # What was made is told without a word more; what was not is said to be so.
        (outcome(("game",)), states(game=[CPU], web=[]), {"game": " (waits for a restart)", "web": ""}, "game"),
        (outcome(), states(game=[], web=[]), {"game": "", "web": ""}, ""),
        # Permitted, and not restarted all the same.
        (outcome(), states(game=[CPU], web=[]), {"game": " (waits for a restart)", "web": ""}, "game"),
        # The guest has not let go of a device, or the agent failed.
        (
            outcome(),
            states(game=[], web=[MEMORY]),
            {"game": "", "web": " (not made: the guest has not gone along with it)"},
            "web",
        ),
        # Stopped meanwhile.
        (outcome(), states(web=[]), {"game": " (with its next start)", "web": ""}, ""),
        # In check mode nobody can look.
        (outcome(("game",)), None, {"game": " (waits for a restart)", "web": ""}, "game"),
        (outcome(), None, {"game": "", "web": ""}, ""),
        (
            outcome(("game", "web"), actions=False),
            None,
            {"game": " (waits for a restart)", "web": " (waits for a restart)"},
            "game,web",
        ),
    ],
)
def test_a_change_is_told_by_what_came_of_it(
    result: dict[str, Any], after: list[dict[str, Any]] | None, fates: dict[str, str], permit: str
) -> None:
    lines = changes.report(result, BEFORE, after, ["it is Sunday"])
    assert lines[:6] == [
        "game  running on node1",
        TOLD["game"] + fates["game"],
        "lost  stopped",
        "web   running on node2",
        TOLD["web"] + fates["web"],
        "Worth knowing: it is Sunday",
    ]
    command = f"  ansible-playbook playbooks/guests.yml -e guests_allow_restart={permit}"
    assert lines[6:] == ([PERMIT, command] if permit else [])


@pytest.mark.parametrize(("redefined", "told"), [(True, True), (False, False)])
def test_a_change_of_a_guest_that_does_not_run_is_told(redefined: bool, told: bool) -> None:
    result = outcome()
    result["guests"]["lost"]["redefined"] = redefined
    lines = changes.report(result, [], [])
    assert ("        what changed comes with its next start" in lines) is told


def test_guests_that_differ_and_those_that_need_a_restart_for_it() -> None:
    seen = [*BEFORE, *states(well=[])]
    assert changes.restarts(seen) == ["game"]
    assert changes.differing(seen) == ["game", "web"]


def test_the_status_names_what_waits() -> None:
    assert changes.waiting(BEFORE) == [
        "guest game: cpu: nothing -> EPYC (waits for a restart)",
        "guest web: memory: 256MiB -> 512MiB (not made: the guest has not gone along with it)",
    ]
    assert changes.waiting(states(well=[])) == []


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        ({"absent": []}, ["No guest is declared to be there."]),
        ({"absent": ["old"]}, ["Not in the cluster: old."]),
        (
            {"absent": ["old"], "plan": ["old: stopped on n3 and removed, its disks stay"]},
            ["The cluster: old: stopped on n3 and removed, its disks stay"],
        ),
    ],
)
def test_a_run_without_guests_says_what_it_did(result: dict[str, Any], lines: list[str]) -> None:
    assert changes.report({"guests": {}, "plan": [], "kept": [], **result}, []) == lines
