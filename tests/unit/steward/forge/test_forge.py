# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is declared of a forge, judged; and all that a forge may do to who asks it, each with a cause and a remedy."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ansible_collections.cspp.drover.plugins.filter.console import forge_faults
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.steward import fetching, forge, forge_kinds
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import FOLDER, Declared
from ansible_collections.cspp.drover.plugins.module_utils.steward.actions import Action
from ansible_collections.cspp.drover.plugins.module_utils.steward.fetching import Answer, Ask, Unfetched
from ansible_collections.cspp.drover.plugins.module_utils.steward.merge_requests import MergeRequests, branch_of
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble

from ..conftest import House
from ..strict_forge import FILE, KINDS, PATH, PROJECT, TOKEN, URL, Commit, StrictGitHub, answer, serving
from ..strict_forge import declared as declared_of
from ..test_edits import told
from ..test_through_the_console import through
from .conftest import COMMITS, OPENS, WANTED, At, Settle

ROLE = Path(__file__).resolve().parents[4] / "roles" / "console"
BLOB = {"encoding": "base64", "last_commit_id": "x", "sha": "x"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"kind": "gogs"}, "kind has to be one of gitlab, forgejo, github"),
        ({"kind": ["gitlab"]}, "kind has to be"),
        ({"url": "http://git.example.org"}, "url has to be"),
        ({"url": "http://127.0.0.1:3000"}, "url has to be"),
        ({"url": "https://me:secret@git.example.org"}, "url has to be"),
        ({"url": "https://git.example.org?x"}, "url has to be"),
        ({"project": "cluster"}, "project has to be"),
        ({"project": "club/../cluster"}, "project has to be"),
        ({"project": "/club/cluster"}, "project has to be"),
        ({"project": "club/cluster?x=1"}, "project has to be"),
        ({"project": "club/sub/cluster", "kind": "forgejo"}, "project has to be OWNER/REPOSITORY"),
        ({"project": "club/sub/cluster", "kind": "github"}, "project has to be OWNER/REPOSITORY"),
        ({"url": "https://git.example.org/github", "kind": "github"}, "GitHub's address without a path"),
        ({"token": ""}, "token has to be"),
        ({"token": "a b"}, "token has to be"),
        ({"token": "a\r\nHost: evil"}, "token has to be"),
        ({"token": None}, "token has to be"),
        ({"path": "/etc/passwd"}, "path has to be"),
        ({"path": "a/../b.yml"}, "path has to be"),
        ({"path": ".git/config"}, "path has to be"),
        ({"path": []}, "path has to be"),
        ({"path": ["a.yml"] * 9}, "path has to be"),
        ({"path": {"a": 1}}, "path has to be"),
        ({"branch": "a..b"}, "branch has to be"),
        ({"branch": "-x"}, "branch has to be"),
        ({"branch": "x.lock"}, "branch has to be"),
        ({"branch": "a//b"}, "branch has to be"),
        ({"branch": "a b"}, "branch has to be"),
        ({"ca": "-----BEGIN CERTIFICATE-----"}, "ca has to be"),
        ({"secret": "x"}, "there is no key secret"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_reason(said: dict[str, Any], words: str) -> None:
    whole = declared_of(KINDS["gitlab"]())
    assert forge_faults(whole) == []
    assert (
        forge_faults({**whole, "project": "club/sub/cluster", "branch": "deploy/prod-1.0", "path": ["a", PATH]}) == []
    )
    found = forge_faults({**whole, **said})
    assert len(found) == 1
    assert words in found[0]
    assert TOKEN not in found[0]
    with pytest.raises(DroverError, match=re.escape(words)):
        forge.read({**whole, **said})


def test_all_that_is_missing_is_told_at_once() -> None:
    assert len(forge_faults({"branch": "main"})) == 5
    assert forge_faults({}) == []
    assert TOKEN not in repr(forge.read(declared_of(KINDS["forgejo"]())))


def test_a_file_of_the_roles_that_cannot_be_is_told(house: House, declared: Callable[..., Path]) -> None:
    declared(forge={"kind": "gogs"})
    with pytest.raises(DroverError, match="console_forge cannot be"):
        house.ask("ways")


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://github.com/", "https://api.github.com/repos/club/cluster"),
        ("https://club.ghe.com", "https://api.club.ghe.com/repos/club/cluster"),
        ("https://git.example.org:8443", "https://git.example.org:8443/api/v3/repos/club/cluster"),
    ],
)
def test_where_githubs_api_is(url: str, root: str) -> None:
    asked: list[str] = []

    def fetch(ask: Ask) -> Answer:
        asked.append(ask.url)
        return answer(200, {"default_branch": "main", "object": {"sha": "x"}})

    api = forge_kinds.api_of(forge.read(declared_of(StrictGitHub(url=url))), fetch)
    assert api.base() == ("main", "x")
    assert asked == [root, f"{root}/git/ref/heads/main"]
    assert api.page(7) == f"{url.rstrip('/')}/club/cluster/pull/7"


def test_each_change_of_each_guest_has_a_branch_of_its_own_that_git_takes() -> None:
    some = {
        branch_of(Action("edit", guest, changes=changes))
        for guest in ("web", "a.b", "a-b", "a..lock")
        for changes in ('{"vcpus":1}', '{"vcpus":2}')
    }
    assert len(some) == 8
    assert all(re.fullmatch(r"drover/[a-z0-9-]+-[0-9a-f]{12}", one) for one in some)


#: What each may answer to any request, and what is said of it.
ANSWERS: tuple[tuple[Answer | Unfetched, str, str], ...] = (
    (Unfetched("cannot be reached: Connection refused"), "cannot be reached", "the nodes reach it"),
    (Unfetched("shows no certificate that is believed: x"), "no certificate that is believed", "console_forge.ca"),
    (Unfetched("does not answer within 10 s"), "does not answer within 10 s", "found and finished"),
    (Unfetched("answers with more than 256 KiB"), "more than 256 KiB", "found and finished"),
    (Unfetched("sends elsewhere, which is not followed"), "sends elsewhere", "console_forge.url and project"),
    (answer(401, {"message": "401 Unauthorized"}), "not take the token (401): 401 Unauthorized", "new token"),
    (answer(403, {"message": "insufficient_scope"}), "let the token do that (403): insufficient_scope", "docs/console"),
    (answer(403, {"error": f"it is {TOKEN}"}), "let the token do that (403)", "docs/console.md"),
    (answer(429, None), "asked too often (429)", "in a while"),
    (answer(500, {"message": "a\nb"}), "answers with 500", "found and finished"),
    (answer(502, "x" * 5000), "answers with 502", "found and finished"),
    (answer(503, {"message": "x" * 5000}), "answers with 503: x", "found and finished"),
    (Answer(200, "text/html", b"<html>Log in"), "answers with no JSON", "console_forge.url"),
    (Answer(200, "application/json", b"[" * 100_000), "answers with no JSON", "console_forge.url"),
)


@pytest.mark.parametrize(("said", "cause", "remedy"), ANSWERS)
def test_what_a_forge_says_is_told_with_a_remedy_and_nothing_is_left_half(
    at: At,
    said: Answer | Unfetched,
    cause: str,
    remedy: str,
) -> None:
    words = dict.fromkeys(("GET", COMMITS[at.forge.kind], OPENS[at.forge.kind]))
    for word in words:
        at.forge.bend[word] = said
        trouble = at.refusal()
        assert (trouble.code, trouble.status) == ("forge_failed", 503)
        assert trouble.cause.startswith(f"the forge {URL} ")
        assert cause in trouble.cause
        assert remedy in trouble.remedy
        assert len(trouble.cause) < 400
        assert TOKEN not in f"{trouble.cause} {trouble.remedy}"
        assert (at.forge.merges, at.journal()) == ([], [])
        del at.forge.bend[word]
    assert at.ask()["state"] == "opened"
    assert at.forge.branches[at.branch].came == (at.forge.branches["main"].sha,)


@pytest.mark.parametrize("said", [{}, [], {"iid": "7", "number": "7"}, {"iid": True, "number": -1}, {"iid": 1 << 60}])
def test_a_merge_request_without_a_number_is_none_and_is_found_later(at: At, said: Any) -> None:
    def bent(ask: Ask) -> Answer | None:
        del at.forge.bend[OPENS[at.forge.kind]]
        at.forge.fetch(ask)
        return answer(201, said)

    at.forge.bend[OPENS[at.forge.kind]] = bent
    trouble = at.refusal()
    assert "answers without" in trouble.cause
    assert "console_forge.kind" in trouble.remedy
    assert at.ask()["state"] == "found"


@pytest.mark.parametrize(
    ("files", "code", "cause"),
    [
        ({"README": "x"}, "forge_failed", f"has no {PATH} on main"),
        ({PATH: "guests:\n  db: {}\n"}, "refused", f"web is not declared in {PATH}"),
        ({PATH: "- guests\n"}, "refused", f"web is not declared in {PATH}"),
        ({PATH: ""}, "refused", f"web is not declared in {PATH}"),
        ({PATH: "a: 1\nguests: [s3cret: 'x"}, "refused", f"{PATH}: the file is no YAML"),
        ({PATH: "a: 1\ns3cret: b: c"}, "refused", "no YAML: mapping values are not allowed here in line 2"),
        ({PATH: "[" * 60 + "]" * 60}, "refused", f"{PATH}: the file has more than 50 lists"),
        ({PATH: "x: &x {memory: 1GiB}\nguests:\n  web: *x\n"}, "refused", f"{PATH}: the guest is said by an alias"),
        ({PATH: WANTED}, "declared_already", "says so already on main"),
        ({PATH: WANTED.replace("1GiB", "'1GiB'")}, "declared_already", "says so already on main"),
        ({PATH: FILE + "#" * (200 << 10)}, "forge_failed", "more than 128 KiB"),
    ],
)
def test_a_file_that_cannot_be_changed_is_told(at: At, files: dict[str, str], code: str, cause: str) -> None:
    at.forge.branches["main"] = Commit(files)
    trouble = at.refusal()
    assert trouble.code == code
    assert trouble.status == {"forge_failed": 503, "refused": 422, "declared_already": 409}[code]
    assert cause in trouble.cause
    assert trouble.remedy
    # Who proposes a change may not be one who may read the file.
    assert "\n" not in trouble.cause
    assert "s3cret" not in trouble.cause
    assert at.forge.branches.keys() == {"main"}
    assert at.journal() == []


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ({**BLOB, "content": "%%%"}, "as no text in UTF-8"),
        ({**BLOB, "content": base64.b64encode(b"\xff\xfe").decode()}, "as no text in UTF-8"),
        ({**BLOB, "content": None}, "answers without content of"),
        ({**BLOB, "content": "", "encoding": "none", "size": 2_000_000}, "more than 128 KiB"),
        ({"content": "", "encoding": "base64"}, "answers without"),
        ({"content": "", "encoding": "text"}, "answers without content of"),
    ],
)
def test_a_file_that_is_none_is_told(at: At, said: dict[str, Any], cause: str) -> None:
    at.forge.bend["GET repository/files" if at.forge.kind == "gitlab" else "GET contents"] = answer(200, said)
    trouble = at.refusal()
    assert (trouble.code, cause in trouble.cause) == ("forge_failed", True), trouble.cause
    assert at.forge.branches.keys() == {"main"}


def test_a_project_that_the_token_does_not_see_is_told(at: At) -> None:
    at.forge.bend["GET"] = answer(404, {"message": "404 Project Not Found"})
    trouble = at.refusal()
    assert f"shows no project {PROJECT} to this token" in trouble.cause
    assert "console_forge.project" in trouble.remedy


def test_a_token_that_may_read_and_not_write_is_told(at: At) -> None:
    at.forge.bend[COMMITS[at.forge.kind]] = answer(404, {"message": "Not Found"})
    trouble = at.refusal()
    assert "does not let the token" in trouble.cause
    assert at.forge.merges == []


def test_a_folder_is_no_file(settle: Settle) -> None:
    for name in ("forgejo", "github"):
        assert "has no group_vars on main" in settle(name, path="group_vars").refusal().cause


def test_a_file_that_changes_meanwhile_is_not_overwritten(at: At) -> None:
    main = at.forge.branches["main"]
    late = main.then(PATH, FILE.replace("vcpus: 1", "vcpus: 4"), "by hand")

    def bent(_ask: Ask) -> Answer | None:
        del at.forge.bend[COMMITS[at.forge.kind]]
        at.forge.branches["main"] = late
        return None

    at.forge.bend[COMMITS[at.forge.kind]] = bent
    if at.forge.kind == "github":
        # Its branch was begun of what was read.
        at.ask()
        assert at.forge.branches[at.branch].came == (main.sha,)
        return
    trouble = at.refusal()
    assert trouble.code == "forge_failed"
    assert at.forge.branches.keys() == {"main"}
    at.ask()
    assert at.forge.branches[at.branch].files[PATH] == WANTED.replace("vcpus: 1", "vcpus: 4")


def test_all_of_it_has_an_end(at: At) -> None:
    def slow(_ask: Ask) -> Answer | None:
        at.house.clock.sleep(12)
        return None

    for word in ("GET", "GET repository/branches", "GET repository/files", "GET branches", "GET git", "GET contents"):
        at.forge.bend[word] = slow
    trouble = at.refusal()
    assert "takes more than 35 s for all of it" in trouble.cause
    assert at.forge.merges == []
    at.forge.bend.clear()
    assert at.ask()["state"] == "opened"


def test_few_wait_for_a_forge_at_a_time(at: At) -> None:
    asked, troubles = [2, 3, 4], []

    def meanwhile(_ask: Ask) -> Answer | None:
        changes = {"vcpus": asked.pop()}
        try:
            at.ask(changes=changes)
        except Trouble as trouble:
            troubles.append(trouble.code)
            del at.forge.bend["GET"]
        return None

    at.forge.bend["GET"] = meanwhile
    assert at.ask()["state"] == "opened"
    # The third: the first and the one in its midst were let go on.
    assert (troubles, len(at.forge.merges)) == (["busy"], 2)
    at.ask(changes={"description": "another"})


@pytest.mark.parametrize("kind", KINDS)
def test_over_tls_and_by_way_of_the_console(
    kind: str,
    house: House,
    tmp_path: Path,
    declared: Callable[..., Path],
) -> None:
    """From a request of the API to a server that listens, with what fetches in a process of its own."""
    told(house)
    with serving(KINDS[kind](), tmp_path) as (strict, authority):
        declared(forge=declared_of(strict, ca=authority))
        access = Declared(house.folder)
        house.steward.merge_requests = MergeRequests(access, house.ledger, fetch=fetching.perform)
        headers = {"Authorization": f"Bearer {house.session('operator')}", "Idempotency-Key": "k" * 8}
        wish = {"changes": {"memory": "1GiB"}}

        async def story(client: httpx.AsyncClient) -> None:
            answered = await client.post("/api/v1/guests/web/merge-request", json=wish, headers=headers)
            assert answered.status_code == 200, answered.text
            found = answered.json()["merge_request"]
            assert found["url"].startswith(f"{strict.url}/{PROJECT}/")
            assert strict.branches[found["branch"]].files[PATH] == WANTED
            # Of a certificate that nobody vouches for, nothing is asked.
            declared(forge=declared_of(strict))
            asked = len(strict.asked)
            refused = await client.post(
                "/api/v1/guests/web/merge-request", json=wish, headers={**headers, "Idempotency-Key": "l" * 8}
            )
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "forge_failed")
            assert "no certificate that is believed" in refused.json()["error"]["message"]
            assert len(strict.asked) == asked

        through(house, tmp_path, story)


def test_the_role_keeps_the_token_to_root_and_takes_it_away_again() -> None:
    def files(tasks: str) -> dict[str, Any]:
        found = yaml.safe_load((ROLE / "tasks" / tasks).read_text(encoding="utf-8"))
        some = [(one, task) for task in found for one in task.get("cspp.drover.files", {}).get("files", ())]
        return {one["path"]: (one, task.get("no_log")) for one, task in some}

    path = str(FOLDER / "forge.json")
    written, secret = files("console.yml")[path]
    assert (written["mode"], written["sensitive"], secret) == ("0600", True, True)
    assert files("console.yml")[str(FOLDER)][0]["mode"] == "0700"
    assert files("none.yml")[path][0]["state"] == "absent"
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    assert specs["main"]["options"]["console_forge"]["no_log"] is True


def test_the_token_is_in_nobodys_words(at: At) -> None:
    ask = Ask("https://a/", None, {"Authorization": f"Bearer {TOKEN}"}, document={"a": TOKEN})
    assert TOKEN not in repr(ask) + repr(at.house.steward.identity.declared().forge)
