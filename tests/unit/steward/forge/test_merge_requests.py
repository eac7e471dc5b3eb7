# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proposals as merge requests, at a strict forge of each kind: opened once, however often, from wherever, and after
whatever interruption they are asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.steward.fetching import Answer, Ask, Unfetched

from ..conftest import FROM, House
from ..strict_forge import FILE, PATH, PROJECT, TOKEN, URL, Commit
from ..test_edits import told
from .conftest import COMMITS, OPENS, WANTED, WISH, At, Settle

PAGES = {"gitlab": "/-/merge_requests/", "forgejo": "/pulls/", "github": "/pull/"}


def once(at: At, word: str, what: Callable[[Ask], Answer | None]) -> None:
    """Have a request answered otherwise, the first time."""

    def bent(ask: Ask) -> Answer | None:
        del at.forge.bend[word]
        return what(ask)

    at.forge.bend[word] = bent


def quicker(at: At, word: str) -> None:
    """Have somebody else do the same in the moment before."""
    once(at, word, lambda ask: at.forge.fetch(ask) and None)


def broken_off(at: At, word: str) -> None:
    def breaks(_ask: Ask) -> Answer | None:
        raise Unfetched("cannot be reached: Connection reset by peer")

    once(at, word, breaks)


def test_a_proposal_becomes_a_branch_of_one_commit_and_a_merge_request(at: At) -> None:
    found = at.ask()
    link = f"{URL}/{PROJECT}{PAGES[at.forge.kind]}1"
    assert found == {"url": link, "branch": at.branch, "state": "opened"}
    (merge,) = at.forge.merges
    assert (merge.base, merge.head, merge.title) == ("main", at.branch, "Change web: memory")
    commit = at.forge.branches[at.branch]
    assert commit.files == {PATH: WANTED, "README": "x"}
    assert commit.came == (at.forge.branches["main"].sha,)
    assert commit.message == "Change web: memory\n\nProposed by operator in Drover's console.\n"
    assert "`operator` proposed this" in merge.text
    assert "    memory: 512MiB becomes 1GiB\n" in merge.text
    assert at.forge.branches["main"].files[PATH] == FILE
    assert (at.house.cluster.writes, at.house.spawned) == ([], [])


def test_it_is_on_record_who_asked_for_it_and_nothing_is_that_nobody_may_know(at: At) -> None:
    link = at.ask(idempotency_key="k" * 8)["url"]
    (entry,) = at.journal()
    assert {name: entry[name] for name in ("by", "origin", "guest", "link", "branch", "result")} == {
        "by": "operator", "origin": FROM, "guest": "web", "link": link, "branch": at.branch, "result": "opened",
    }  # fmt: skip
    assert TOKEN not in str(at.house.ledger.book.entries())
    shown = at.house.ask("journal", at.house.session("viewer"), guest="web")["entries"]
    assert "key" not in shown[0]
    guest = at.house.ask("guest", at.house.session("viewer"), name="web")["guest"]
    assert guest["forge"] == {"kind": at.forge.kind, "name": at.forge.kind_name, "project": PROJECT}
    assert guest["moves"] == []
    assert TOKEN not in str(guest)


def test_the_same_change_finds_what_was_opened_whoever_asks(at: At) -> None:
    first = at.ask()
    at.forge.asked.clear()
    assert at.ask() == at.ask("admin") == {**first, "state": "found"}
    assert (len(at.forge.merges), len(at.forge.branches)) == (1, 2)
    # By looking alone.
    assert {word.partition(" ")[0] for word in at.forge.asked} == {"GET"}
    assert [(one["by"], one["result"]) for one in at.journal()] == [("operator", "opened"), ("admin", "found")]
    other = at.ask(changes={"vcpus": 2})
    assert other["url"].endswith("/2")
    assert len(at.forge.branches) == 3


def test_the_same_key_is_done_once_and_is_of_one_change(at: At) -> None:
    first = at.ask(idempotency_key="k" * 8)
    asked = len(at.forge.asked)
    assert at.ask(idempotency_key="k" * 8) == {**first, "state": "found"}
    assert len(at.forge.asked) == asked
    trouble = at.refusal(idempotency_key="k" * 8, changes={"vcpus": 2})
    assert (trouble.status, trouble.cause) == (422, "this idempotency key was used for another change")
    # It is another's, too.
    at.ask("admin", idempotency_key="k" * 8, changes={"vcpus": 2})
    assert len(at.forge.merges) == 2


def test_what_was_broken_off_is_found_and_finished(at: At) -> None:
    for word in dict.fromkeys((COMMITS[at.forge.kind], OPENS[at.forge.kind])):
        broken_off(at, word)
        trouble = at.refusal()
        assert (trouble.code, trouble.status) == ("forge_failed", 503)
        assert "what was begun is found and finished" in trouble.remedy
        assert (at.forge.merges, at.journal()) == ([], [])
    # GitHub's branch was begun in the first try, and has its commit from the second.
    assert at.forge.branches[at.branch].came == (at.forge.branches["main"].sha,)
    assert at.ask()["state"] == "opened"
    assert at.forge.branches[at.branch].files[PATH] == WANTED
    assert at.forge.branches[at.branch].came == (at.forge.branches["main"].sha,)
    assert len(at.forge.merges) == 1


def test_a_branch_that_was_begun_before_others_went_on_is_finished(settle: Settle) -> None:
    at = settle("github")
    broken_off(at, "PUT contents")
    at.refusal()
    main = at.forge.branches["main"]
    at.forge.branches["main"] = main.then(PATH, FILE.replace("vcpus: 1", "vcpus: 4"), "by hand")
    assert at.ask()["state"] == "opened"
    # Of what it was begun from: to merge both is git's.
    assert at.forge.branches[at.branch].files[PATH] == WANTED


@pytest.mark.parametrize("words", [COMMITS, OPENS])
def test_two_who_ask_at_once_get_the_same(at: At, words: dict[str, str]) -> None:
    quicker(at, words[at.forge.kind])
    found = at.ask()
    assert found["url"].endswith("/1")
    assert found["state"] == ("opened" if words is COMMITS else "found")
    assert (len(at.forge.merges), len(at.forge.branches)) == (1, 2)
    assert at.forge.branches[at.branch].came == (at.forge.branches["main"].sha,)


def test_a_reference_that_another_has_just_made_is_taken(settle: Settle) -> None:
    at = settle("github")
    quicker(at, "POST git")
    assert at.ask()["state"] == "opened"
    assert at.forge.branches[at.branch].files[PATH] == WANTED


def test_a_branch_that_says_something_else_is_left_alone(at: At) -> None:
    branch = at.ask()["branch"]
    for text in (FILE.replace("512MiB", "3GiB"), "guests: ["):
        other = at.forge.branches["main"].then(PATH, text, "by hand")
        at.forge.branches[branch] = other
        trouble = at.refusal()
        assert (trouble.code, trouble.status) == ("branch_differs", 409)
        assert branch in trouble.cause
        assert "delete it" in trouble.remedy
        assert at.forge.branches[branch] == other
    at.forge.branches[branch] = Commit({"README": "x"}, "without it", at.forge.branches["main"].came)
    assert at.refusal().code == "branch_differs"


def test_a_branch_that_reviewers_have_changed_is_still_of_its_change(at: At) -> None:
    first = at.ask()
    text = WANTED.replace("memory: 1GiB\n    vcpus", 'memory: "1GiB"  # more\n    vcpus')
    at.forge.branches[at.branch] = at.forge.branches[at.branch].then(PATH, text, "a word on it")
    assert at.ask() == {**first, "state": "found"}


def test_one_that_was_closed_is_asked_for_again(at: At) -> None:
    at.ask()
    at.forge.merges[0].state = "closed"
    again = at.ask()
    assert (again["url"][-2:], again["state"]) == ("/2", "opened")
    # Behind one that was closed, and among others.
    for number in range(25):
        at.forge.merge("main", f"other/{number}", "another", "")
    assert at.ask() == {**again, "state": "found"}


def test_a_branch_whose_request_was_merged_and_taken_back_is_named(settle: Settle) -> None:
    at = settle("github")
    at.ask()
    merged = at.forge.branches[at.branch]
    at.forge.merges[0].state = "closed"
    at.forge.branches["main"] = merged
    assert at.refusal().code == "declared_already"
    at.forge.branches["main"] = merged.then(PATH, FILE, "taken back")
    trouble = at.refusal()
    assert "No commits between" in trouble.cause
    assert f"its branch {at.branch} is of one that is over" in trouble.remedy


@pytest.mark.parametrize("branch", ["deploy", "deploy/club.house"])
def test_it_is_for_the_branch_that_is_declared(kind: str, settle: Settle, branch: str) -> None:
    at = settle(kind, branch=branch)
    assert f"has no branch {branch} in {PROJECT}" in at.refusal().cause
    text = FILE.replace("vcpus: 1", "vcpus: 3")
    at.forge.branches[branch] = at.forge.branches["main"].then(PATH, text, "")
    at.ask()
    (merge,) = at.forge.merges
    assert merge.base == branch
    assert at.forge.branches[merge.head].files[PATH] == text.replace("512MiB", "1GiB")
    assert at.ask()["state"] == "found"


def test_the_file_that_declares_the_guest_is_found_among_several(kind: str, settle: Settle) -> None:
    at = settle(kind, path=["none.yml", "other.yml", PATH, "late.yml"])
    files = {**at.forge.branches["main"].files, "other.yml": "guests:\n  db: {}\n", "late.yml": FILE}
    at.forge.branches["main"] = Commit(files)
    at.ask()
    assert at.forge.branches[at.branch].files == {**files, PATH: WANTED}


def test_what_somebody_writes_is_nothing_that_a_forge_would_do(at: At) -> None:
    words = "/merge @everyone `x` <!-- [skip ci] [a](https://evil.example)"
    at.ask(changes={"description": words})
    (merge,) = at.forge.merges
    # In code, and at the beginning of no line.
    assert [line for line in merge.text.splitlines() if "/merge" in line] == [
        f"    description: what is usual becomes {words}",
    ]
    assert "skip" not in at.forge.branches[at.branch].message + merge.title


def test_nobody_is_told_of_a_forge_that_is_none(house: House) -> None:
    told(house)
    operator = house.session("operator")
    trouble = house.refusal("merge_request", operator, **WISH)
    assert (trouble.code, trouble.status) == ("not_found", 404)
    assert "console_forge" in trouble.remedy
    assert house.ask("guest", operator, name="web")["guest"]["forge"] is None


def test_what_cannot_be_proposed_is_not_brought_to_the_forge(at: At) -> None:
    for changes, words in (({"memory": "lots"}, "guests.web.memory"), ({"kind": "container"}, "kind"), ({}, "one key")):
        trouble = at.refusal(changes=changes)
        assert trouble.status == 422
        assert words in trouble.cause
    assert at.refusal(guest="nobody-knows").status == 404
    assert at.forge.asked == []
