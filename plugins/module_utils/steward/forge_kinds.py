# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of forges: GitLab (REST API v4), Forgejo (Gitea's API v1) and GitHub (REST API, version 2022-11-28), each
as its documentation has it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .forge import Forge
from .forge_api import Api, Conflict, Fetch, File, failed, file_of, number_of, quoted, text_of

__all__ = ["Forgejo", "GitHub", "GitLab", "api_of"]

#: Forgejo's open pull requests that are looked through, so many at a time: each is some 15 KiB.
_PAGES, _PAGE = 10, 10


class GitLab(Api):
    """A project of GitLab's. A branch begins with its commit, in one request."""

    prefix = "/api/v4"

    def _project(self) -> str:
        return f"/projects/{quoted(self.forge.project)}"

    def _headers(self) -> Mapping[str, str]:
        return {"PRIVATE-TOKEN": self.forge.token}

    def head(self, branch: str) -> str | None:
        said = self._asked(f"{self._project()}/repository/branches/{quoted(branch)}")
        return None if said is None else text_of(self.forge, said, "commit", "id")

    def file(self, path: str, ref: str) -> File | None:
        said = self._asked(f"{self._project()}/repository/files/{quoted(path)}", {"ref": ref})
        return None if said is None else file_of(self.forge, said, path, "last_commit_id")

    def commit(self, base: str, branch: str, file: File, text: str, message: str) -> None:
        action = {"action": "update", "file_path": file.path, "content": text, "last_commit_id": file.mark}
        said = self._asked(
            f"{self._project()}/repository/commits",
            document={"branch": branch, "start_branch": base, "commit_message": message, "actions": [action]},
        )
        _present(self.forge, said, "commit")

    def find(self, base: str, branch: str) -> int | None:
        query = {"state": "opened", "scope": "all", "source_branch": branch, "target_branch": base, "per_page": "1"}
        found = _listed(self.forge, self._asked(f"{self._project()}/merge_requests", query))
        return number_of(self.forge, found[0], "iid") if found else None

    def open(self, base: str, branch: str, title: str, text: str) -> int:
        document: dict[str, Any] = {"source_branch": branch, "target_branch": base, "title": title, "description": text}
        said = self._asked(f"{self._project()}/merge_requests", document={**document, "remove_source_branch": True})
        return number_of(self.forge, _present(self.forge, said, "open a merge request"), "iid")

    def page(self, number: int) -> str:
        return f"{self.forge.url}/{self.forge.project}/-/merge_requests/{number}"


class _Repository(Api):
    """What Forgejo and GitHub have in common: Forgejo's API is made after GitHub's."""

    def _project(self) -> str:
        return f"/repos/{self.forge.project}"

    def file(self, path: str, ref: str) -> File | None:
        said = self._asked(f"{self._project()}/contents/{quoted(path, '/')}", {"ref": ref})
        # Of a folder there is a list.
        return None if said is None or isinstance(said, list) else file_of(self.forge, said, path, "sha")

    def _put(self, file: File, text: str, message: str, **where: str) -> None:
        content = base64.b64encode(text.encode()).decode()
        document = {"message": message, "content": content, "sha": file.mark, **where}
        said = self._asked(f"{self._project()}/contents/{quoted(file.path, '/')}", method="PUT", document=document)
        _present(self.forge, said, "commit")

    def open(self, base: str, branch: str, title: str, text: str) -> int:
        document = {"head": branch, "base": base, "title": title, "body": text}
        said = self._asked(f"{self._project()}/pulls", document=document)
        return number_of(self.forge, _present(self.forge, said, "open a pull request"), "number")


class Forgejo(_Repository):
    """A repository of Forgejo's, or of Gitea's. A branch begins with its commit, in one request."""

    prefix = "/api/v1"

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"token {self.forge.token}"}

    def head(self, branch: str) -> str | None:
        said = self._asked(f"{self._project()}/branches/{quoted(branch, '/')}")
        return None if said is None else text_of(self.forge, said, "commit", "id")

    def commit(self, base: str, branch: str, file: File, text: str, message: str) -> None:
        self._put(file, text, message, branch=base, new_branch=branch)

    def find(self, base: str, branch: str) -> int | None:
        if "/" not in base:
            said = self._asked(f"{self._project()}/pulls/{quoted(base)}/{quoted(branch, '/')}")
            if said is None:
                return None
            if _is_of(said, base, branch):
                return number_of(self.forge, said, "number")
        # It is one that was closed, and hides a later one; or none can be asked for in this way.
        for page in range(1, _PAGES + 1):
            query = {"state": "open", "sort": "recentupdate", "limit": str(_PAGE), "page": str(page)}
            listed = _listed(self.forge, self._asked(f"{self._project()}/pulls", query))
            if found := [one for one in listed if _is_of(one, base, branch)]:
                return number_of(self.forge, found[0], "number")
            if not listed:
                break
        return None

    def page(self, number: int) -> str:
        return f"{self.forge.url}/{self.forge.project}/pulls/{number}"


class GitHub(_Repository):
    """A repository of GitHub's. A branch is begun, and then gets its commit."""

    def _root(self) -> str:
        """Where the API is: at github.com and at clouds of enterprises beside the pages, else below them."""
        host = urlsplit(self.forge.url).netloc
        beside = host == "github.com" or host.endswith(".ghe.com")
        return f"https://api.{host}" if beside else f"{self.forge.url}/api/v3"

    def _headers(self) -> Mapping[str, str]:
        return {
            "Authorization": f"Bearer {self.forge.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def head(self, branch: str) -> str | None:
        said = self._asked(f"{self._project()}/git/ref/heads/{quoted(branch, '/')}")
        return None if said is None else text_of(self.forge, said, "object", "sha")

    def commit(self, base: str, branch: str, file: File, text: str, message: str) -> None:
        head = self.head(base)
        said = self._asked(f"{self._project()}/git/refs", document={"ref": f"refs/heads/{branch}", "sha": head})
        _present(self.forge, said, "begin a branch")
        self._put(file, text, message, branch=branch)

    def resume(self, base: str, branch: str, file: File, text: str, message: str) -> bool:
        said = self._asked(f"{self._project()}/compare/{quoted(base, '/')}...{quoted(branch, '/')}")
        if not isinstance(said, dict) or said.get("ahead_by") != 0:
            return False
        self._put(file, text, message, branch=branch)
        return True

    def find(self, base: str, branch: str) -> int | None:
        owner = self.forge.project.partition("/")[0]
        query = {"state": "open", "head": f"{owner}:{branch}", "base": base, "per_page": "5"}
        # Where it does not understand what head is, it lists them all.
        listed = _listed(self.forge, self._asked(f"{self._project()}/pulls", query))
        found = [one for one in listed if _is_of(one, base, branch)]
        return number_of(self.forge, found[0], "number") if found else None

    def page(self, number: int) -> str:
        return f"{self.forge.url}/{self.forge.project}/pull/{number}"


_KINDS: Mapping[str, type[Api]] = {"gitlab": GitLab, "forgejo": Forgejo, "github": GitHub}


def api_of(forge: Forge, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> Api:
    """The API of a forge, whose time begins now."""
    return _KINDS[forge.kind](forge, fetch, clock)


def _is_of(said: Any, base: str, branch: str) -> bool:
    """Whether a pull request is open, and of this branch into that."""
    match said:
        case {"state": "open", "head": {"ref": str(head)}, "base": {"ref": str(into)}}:
            return (head, into) == (branch, base)
    return False


def _listed(forge: Forge, said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise failed(forge, "answers with no list", "See whether console_forge.kind is what it is.")
    return said


def _present(forge: Forge, said: Any, what: str) -> Any:
    """An answer that is there. To what a token may not write, forges say that it is not there."""
    if said is None:
        remedy = "Give the token's owner what docs/console.md says."
        raise Conflict("forge_failed", 503, f"the forge {forge.url} does not let the token {what} (404)", remedy=remedy)
    return said
