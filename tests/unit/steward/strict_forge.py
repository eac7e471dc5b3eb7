# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Forges that insist on everything, one of each kind, with one project: what they are asked in another way than their
documentation has it fails the test. What they answer can be bent.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from ansible_collections.cspp.drover.plugins.module_utils.steward.fetching import Answer, Ask

from .strict_provider import listening

URL, PROJECT, TOKEN = "https://git.example.org", "club/cluster", "t0ken-that-is-nobodys-business"
PATH = "group_vars/nodes/guests.yml"
FILE = "# ours\nguests:\n  web:  # the page\n    memory: 512MiB\n    vcpus: 1\n  db:\n    memory: 1GiB\n"

Bend = Answer | Exception | Callable[[Ask], Answer | None]


def answer(status: int, said: Any) -> Answer:
    return Answer(status, "application/json", json.dumps(said).encode())


def sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Commit:
    """A state of the repository. ``came`` are the commits before it."""

    files: Mapping[str, str]
    message: str = ""
    came: tuple[str, ...] = ()

    @property
    def sha(self) -> str:
        return sha(f"{self.files}{self.message}{self.came}")

    def then(self, path: str, text: str, message: str) -> Commit:
        return Commit({**self.files, path: text}, message, (*self.came, self.sha))


@dataclass
class Merge:
    """A merge request."""

    number: int
    base: str
    head: str
    title: str
    text: str
    state: str = "open"


@dataclass
class StrictForge:
    """A forge without anything but its repository: its kinds below have the API. ``bend`` takes the place of what it
    answers to a request (``"PUT contents"``); ``asked`` are the requests it had, in these words."""

    url: str = URL
    default: str = "main"
    branches: dict[str, Commit] = field(default_factory=lambda: {"main": Commit({PATH: FILE, "README": "x"})})
    merges: list[Merge] = field(default_factory=list)
    bend: dict[str, Bend] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    kind, kind_name = "", ""
    root = ""
    header = ("", "")

    def fetch(self, ask: Ask) -> Answer:
        """What it answers."""
        assert ask.url.startswith(self.url_of_api()), ask.url
        assert ask.form is None
        assert not ask.method or ask.document is not None
        method = ask.method or ("GET" if ask.document is None else "POST")
        parts = urlsplit(ask.url.removeprefix(self.url_of_api()))
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        place = parts.path.removeprefix(self.place())
        assert place != parts.path, parts.path
        name, value = self.header
        assert name in ask.headers
        word = f"{method} {self.short(place.strip('/').split('/'))}".strip()
        self.asked.append(word)
        told = self.bend.get(word)
        if isinstance(told, Exception):
            raise told
        if callable(told):
            told = told(ask)
        if told is not None:
            return told
        if ask.headers[name] != value:
            return answer(401, {"message": "401 Unauthorized"})
        return answer(*self.does(method, place, query, dict(ask.document or {})))

    def url_of_api(self) -> str:
        return f"{self.url}{self.root}"

    def place(self) -> str:
        return f"/repos/{PROJECT}"

    def short(self, parts: list[str]) -> str:
        """Where a request goes, in a word: GitLab has its places in two parts."""
        return "/".join(parts[: 2 if self.kind == "gitlab" else 1])

    def does(self, method: str, place: str, query: dict[str, str], said: dict[str, Any]) -> tuple[int, Any]:
        raise NotImplementedError

    def at(self, ref: str) -> Commit | None:
        """The commit of a branch or of its own name, among those at the ends of branches."""
        return self.branches.get(ref) or next((one for one in self.branches.values() if one.sha == ref), None)

    def opened(self, base: str, head: str) -> list[Merge]:
        return [one for one in self.merges if (one.base, one.head, one.state) == (base, head, "open")]

    def ahead(self, base: str, head: str) -> int:
        """The commits that one branch has more than another."""
        there = self.branches[base]
        return len({*self.branches[head].came, self.branches[head].sha} - {*there.came, there.sha})

    def merge(self, base: str, head: str, title: str, text: str) -> Merge:
        made = Merge(len(self.merges) + 1, base, head, title, text)
        self.merges.append(made)
        return made


class StrictGitLab(StrictForge):
    """GitLab: the APIs of projects, branches, repository files, commits and merge requests, version 4."""

    kind, kind_name, root, header = "gitlab", "GitLab", "/api/v4", ("PRIVATE-TOKEN", TOKEN)

    def place(self) -> str:
        return f"/projects/{quote(PROJECT, safe='')}"

    def does(self, method: str, place: str, query: dict[str, str], said: dict[str, Any]) -> tuple[int, Any]:
        match [method, *place.strip("/").split("/")]:
            case ["GET", ""]:
                return 200, {"id": 7, "default_branch": self.default, "web_url": f"{self.url}/{PROJECT}"}
            case ["GET", "repository", "branches", branch]:
                found = self.branches.get(branch.replace("%2F", "/"))
                return (200, {"name": branch, "commit": {"id": found.sha}}) if found else _none("404 Branch Not Found")
            case ["GET", "repository", "files", path]:
                return self._file(path.replace("%2F", "/"), query)
            case ["POST", "repository", "commits"]:
                return self._commit(said)
            case ["GET", "merge_requests"]:
                assert query.keys() == {"state", "scope", "source_branch", "target_branch", "per_page"}
                assert (query["state"], query["scope"]) == ("opened", "all")
                return 200, [self._shown(one) for one in self.opened(query["target_branch"], query["source_branch"])]
            case ["POST", "merge_requests"]:
                return self._open(said)
        raise AssertionError(f"{method} {place}")

    def _file(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        assert query.keys() == {"ref"}
        commit = self.at(query["ref"])
        text = commit.files.get(path) if commit else None
        if commit is None or text is None:
            return _none("404 File Not Found")
        content = base64.b64encode(text.encode()).decode()
        its = {"file_path": path, "size": len(text), "encoding": "base64", "content": content, "blob_id": sha(text)}
        return 200, {**its, "commit_id": commit.sha, "last_commit_id": sha(f"last {text}")}

    def _commit(self, said: dict[str, Any]) -> tuple[int, Any]:
        assert said.keys() == {"branch", "start_branch", "commit_message", "actions"}
        (action,) = said["actions"]
        assert action.keys() == {"action", "file_path", "content", "last_commit_id"}
        assert action["action"] == "update"
        if said["branch"] in self.branches:
            return 400, {"message": f"A branch called '{said['branch']}' already exists."}
        start, path = self.branches[said["start_branch"]], action["file_path"]
        if action["last_commit_id"] != sha(f"last {start.files[path]}"):
            return 400, {"message": "The file has changed since you started editing it."}
        made = start.then(path, action["content"], said["commit_message"])
        self.branches[said["branch"]] = made
        return 201, {"id": made.sha, "message": made.message}

    def _open(self, said: dict[str, Any]) -> tuple[int, Any]:
        assert said.keys() == {"source_branch", "target_branch", "title", "description", "remove_source_branch"}
        base, head = said["target_branch"], said["source_branch"]
        if found := self.opened(base, head):
            words = f"Another open merge request already exists for this source branch: !{found[0].number}"
            return 409, {"message": [words]}
        return 201, self._shown(self.merge(base, head, said["title"], said["description"]))

    def _shown(self, one: Merge) -> dict[str, Any]:
        page = f"{self.url}/{PROJECT}/-/merge_requests/{one.number}"
        return {"id": 1000 + one.number, "iid": one.number, "state": "opened", "web_url": page}


class _Hub(StrictForge):
    """What Forgejo's API has from GitHub's."""

    def does(self, method: str, place: str, query: dict[str, str], said: dict[str, Any]) -> tuple[int, Any]:
        parts = place.strip("/").split("/")
        match [method, *parts]:
            case ["GET", ""]:
                return 200, {"id": 7, "full_name": PROJECT, "default_branch": self.default}
            case ["GET", "contents", *path]:
                assert query.keys() == {"ref"}
                return self._file("/".join(path), query["ref"])
            case ["PUT", "contents", *path]:
                return self._put("/".join(path), said)
            case ["POST", "pulls"]:
                assert said.keys() == {"head", "base", "title", "body"}
                return self._open(said)
        return self.besides(method, parts, query, said)

    def besides(self, method: str, parts: list[str], query: dict[str, str], said: dict[str, Any]) -> tuple[int, Any]:
        raise NotImplementedError

    def _file(self, path: str, ref: str) -> tuple[int, Any]:
        commit = self.at(ref)
        if commit is None:
            return _none("Not Found")
        if any(one.startswith(f"{path}/") for one in commit.files):
            return 200, [{"type": "file", "name": "guests.yml"}]
        text = commit.files.get(path)
        if text is None:
            return _none("Not Found")
        # GitHub breaks it into lines.
        content = base64.encodebytes(text.encode()).decode()
        its = {"type": "file", "path": path, "size": len(text), "encoding": "base64", "content": content}
        return 200, {**its, "sha": sha(text)}

    def _put(self, path: str, said: dict[str, Any]) -> tuple[int, Any]:
        raise NotImplementedError

    def _written(self, start: str, branch: str, path: str, said: dict[str, Any]) -> tuple[int, Any]:
        made = self.branches[start].then(path, base64.b64decode(said["content"]).decode(), said["message"])
        self.branches[branch] = made
        return 201 if self.kind == "forgejo" else 200, {"content": {"path": path}, "commit": {"sha": made.sha}}

    def _open(self, said: dict[str, Any]) -> tuple[int, Any]:
        if self.opened(said["base"], said["head"]):
            return self.twice(said)
        if not self.ahead(said["base"], said["head"]):
            return 422, {"message": "Validation Failed", "errors": [{"message": "No commits between both"}]}
        return 201, self.shown(self.merge(said["base"], said["head"], said["title"], said["body"]))

    def twice(self, said: dict[str, Any]) -> tuple[int, Any]:
        raise NotImplementedError

    def shown(self, one: Merge) -> dict[str, Any]:
        page = f"{self.url}/{PROJECT}/pull/{one.number}"
        ends = {"head": {"ref": one.head}, "base": {"ref": one.base}}
        return {"id": 1000 + one.number, "number": one.number, "state": one.state, "html_url": page, **ends}


class StrictForgejo(_Hub):
    """Forgejo: its API's own description, version 1."""

    kind, kind_name, root, header = "forgejo", "Forgejo", "/api/v1", ("Authorization", f"token {TOKEN}")

    def besides(self, method: str, parts: list[str], query: dict[str, str], said: dict[str, Any]) -> tuple[int, Any]:
        match [method, *parts]:
            case ["GET", "branches", *branch]:
                found = self.branches.get("/".join(branch))
                its = {"name": "/".join(branch), "commit": {"id": found.sha}} if found else {}
                return (200, its) if found else _none("branch does not exist")
            case ["GET", "pulls"]:
                assert query.keys() == {"state", "sort", "limit", "page"}
                first = (int(query["page"]) - 1) * int(query["limit"])
                some = [one for one in reversed(self.merges) if one.state == query["state"]]
                return 200, [self.shown(one) for one in some[first : first + int(query["limit"])]]
            case ["GET", "pulls", base, *head]:
                # The first that ever was, in whatever state; of a base with a slash, nothing is documented.
                assert "%" not in base
                ends = (base, "/".join(head))
                found_ = [one for one in self.merges if (one.base, one.head) == ends]
                return (200, self.shown(found_[0])) if found_ else _none("pull request does not exist")
        raise AssertionError(f"{method} {parts}")

    def _put(self, path: str, said: dict[str, Any]) -> tuple[int, Any]:
        assert said.keys() == {"message", "content", "sha", "branch", "new_branch"}
        if said["new_branch"] in self.branches:
            return 422, {"message": f"branch already exists [name: {said['new_branch']}]", "url": "x"}
        if said["sha"] != sha(self.branches[said["branch"]].files[path]):
            return 422, {"message": "sha does not match [given: x, expected: y]", "url": "x"}
        return self._written(said["branch"], said["new_branch"], path, said)

    def twice(self, said: dict[str, Any]) -> tuple[int, Any]:
        return 409, {"message": "pull request already exists for these targets [id: 1, issue_id: 1]", "url": "x"}


class StrictGitHub(_Hub):
    """GitHub Enterprise Server: repositories, references, contents, comparisons and pulls, version 2022-11-28."""

    kind, kind_name, root, header = "github", "GitHub", "/api/v3", ("Authorization", f"Bearer {TOKEN}")

    def fetch(self, ask: Ask) -> Answer:
        assert ask.headers["X-GitHub-Api-Version"] == "2022-11-28"
        assert ask.headers["Accept"] == "application/vnd.github+json"
        return super().fetch(ask)

    def besides(self, method: str, parts: list[str], query: dict[str, str], said: dict[str, Any]) -> tuple[int, Any]:
        match [method, *parts]:
            case ["GET", "git", "ref", "heads", *branch]:
                found = self.branches.get("/".join(branch))
                return (200, {"object": {"type": "commit", "sha": found.sha}}) if found else _none("Not Found")
            case ["POST", "git", "refs"]:
                assert said.keys() == {"ref", "sha"}
                name = re.fullmatch(r"refs/heads/(.+)", said["ref"])
                assert name
                if name[1] in self.branches:
                    return 422, {"message": "Reference already exists"}
                commit = self.at(said["sha"])
                assert commit
                self.branches[name[1]] = commit
                return 201, {"ref": said["ref"], "object": {"type": "commit", "sha": commit.sha}}
            case ["GET", "compare", *ends]:
                base, head = "/".join(ends).split("...")
                return 200, {"ahead_by": self.ahead(base, head), "behind_by": 0, "commits": []}
            case ["GET", "pulls"]:
                assert query.keys() == {"state", "head", "base", "per_page"}
                owner, _colon, head = query["head"].partition(":")
                assert (owner, query["state"]) == (PROJECT.partition("/")[0], "open")
                return 200, [self.shown(one) for one in self.opened(query["base"], head)]
        raise AssertionError(f"{method} {parts}")

    def _put(self, path: str, said: dict[str, Any]) -> tuple[int, Any]:
        assert said.keys() == {"message", "content", "sha", "branch"}
        if said["sha"] != sha(self.branches[said["branch"]].files[path]):
            return 409, {"message": f"{path} does not match {said['sha']}"}
        return self._written(said["branch"], said["branch"], path, said)

    def twice(self, said: dict[str, Any]) -> tuple[int, Any]:
        words = f"A pull request already exists for club:{said['head']}."
        return 422, {"message": "Validation Failed", "errors": [{"resource": "PullRequest", "message": words}]}


KINDS: Mapping[str, type[StrictForge]] = {one.kind: one for one in (StrictGitLab, StrictForgejo, StrictGitHub)}


def declared(forge: StrictForge, **more: Any) -> dict[str, Any]:
    """console_forge for it."""
    return {"kind": forge.kind, "url": forge.url, "project": PROJECT, "token": TOKEN, "path": PATH, **more}


def _none(words: str) -> tuple[int, Any]:
    return 404, {"message": words}


@contextmanager
def serving(forge: StrictForge, folder: Path) -> Iterator[tuple[StrictForge, str]]:
    """A forge over TLS, and the authority that vouches for it."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            said = json.loads(self.rfile.read(length)) if length else None
            assert said is None or self.headers["Content-Type"] == "application/json"
            headers = {name: value for name, value in self.headers.items() if name != "Content-Length"}
            found = forge.fetch(Ask(f"{forge.url}{self.path}", None, headers, "", said, self.command if said else ""))
            self.send_response(found.status)
            self.send_header("Content-Type", "application/json;charset=utf-8")
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    with listening(Handler, folder) as (forge.url, authority):
        yield forge, authority
