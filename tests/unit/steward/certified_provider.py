# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An OpenID Connect provider that others wrote and had certified, oidc-provider from npm's registry, as a server of its
own (certified/provider.mjs), and somebody's browser that goes through its pages.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, HTTPSHandler, ProxyHandler, build_opener

from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from ansible_collections.cspp.drover.tests.unit.needed import needed

from .strict_provider import CLIENT, SECRET

__all__ = ["PACKAGE", "Browser", "CertifiedProvider", "certified", "running"]

#: What says which version is tried, and where tests/setup-dev has put it.
PACKAGE = Path(__file__).with_name("certified") / "package.json"
_INSTALLED = Path(__file__).resolve().parents[3] / ".venv" / "certified"
#: Another address than the other servers of tests, and seconds that an answer may take.
_ADDRESS, _PATIENCE = "127.0.0.9", 60
#: Whom it knows, by the name that they log in with, which is their ``sub``.
PEOPLE: dict[str, dict[str, Any]] = {
    "a-1": {"preferred_username": "ann", "groups": ["chess", "members", "wheel"]},
    "b-2": {"preferred_username": "bob", "groups": ["chess"]},
    "c-3": {"preferred_username": "cas"},
    "d-4": {"preferred_username": "dee", "realm_access": {"roles": ["wheel"]}},
}
_CLAIMS = ["preferred_username", "groups", "realm_access"]


def certified() -> str:
    """The version that is tried. Fails where tests/setup-dev has not brought it."""
    version: str = json.loads(PACKAGE.read_text())["dependencies"]["oidc-provider"]
    there = _INSTALLED / "node_modules" / "oidc-provider" / "package.json"
    found = json.loads(there.read_text())["version"] if there.exists() else "not there"
    assert found == version, f"oidc-provider {version} is missing ({found}): make setup-dev brings it"
    return version


class CertifiedProvider:
    """One that runs. ``returns`` is where its client lets people be sent back to."""

    def __init__(self, process: subprocess.Popen[str], returns: str, authority: tuple[str, str]) -> None:
        self._process, self._returns, self.authority = process, returns, authority[1]
        key_and_certificate = pki.issue(authority, "provider", ["provider"], [_ADDRESS], 1)
        own = dict(zip(("key", "cert"), key_and_certificate, strict=True))
        self.issuer = f"https://{_ADDRESS}:{self._told({'address': _ADDRESS, **own})['port']}"
        self.become()

    def become(self, *keys: tuple[str, str], in_token: bool = False, **more: str) -> None:
        """Have these keys, each a name and its algorithm, of which the first signs. What it knows of people, it tells
        in userinfo, or in ID tokens. ``alg`` signs these otherwise, ``method`` is how a client tells its secret."""
        self._told(
            {
                "client": {"client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [self._returns]},
                "keys": [{"kid": kid, "alg": alg} for kid, alg in keys or [("k1", "ES256")]],
                "people": PEOPLE,
                "claims": _CLAIMS,
                "inToken": in_token,
                "method": "client_secret_basic",
                **more,
            }
        )

    def _told(self, said: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(_PATIENCE, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(said) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
            return answer
        finally:
            timer.cancel()


@contextmanager
def running(folder: Path, returns: str) -> Iterator[CertifiedProvider]:
    """The provider, until it is left. What it complains of is in ``folder``."""
    certified()
    argv = [needed("node"), str(PACKAGE.with_name("provider.mjs")), str(_INSTALLED)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (folder / "complaints").open("w") as complaints, subprocess.Popen(argv, stderr=complaints, **pipes) as process:
        try:
            yield CertifiedProvider(process, returns, pki.new_authority("console-ca"))
        except Exception:
            sys.stderr.write((folder / "complaints").read_text())
            raise
        finally:
            process.kill()


class _Form(HTMLParser):
    """The first form of a page: where it goes, and what is in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.fields = "", dict[str, str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = dict(attributes)
        if tag == "form" and not self.action:
            self.action = said["action"] or ""
        elif tag == "input":
            self.fields[said["name"] or ""] = said.get("value") or ""


class _Back(Exception):
    """The way back to the console, which is not gone."""


class _Redirects(HTTPRedirectHandler):
    def __init__(self, end: str) -> None:
        self._end = end

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if newurl.startswith(f"{self._end}?"):
            raise _Back(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Browser:
    """Somebody's, with its cookies. ``pages`` are those that they were shown."""

    def __init__(self, provider: CertifiedProvider, returns: str) -> None:
        secure = HTTPSHandler(context=ssl.create_default_context(cadata=provider.authority))
        self._opener = build_opener(ProxyHandler({}), secure, HTTPCookieProcessor(), _Redirects(returns))
        self.pages: list[str] = []

    def log_in(self, location: str, name: str) -> dict[str, str]:
        """What it brings back to the console when somebody has logged in with this name and agreed to all."""
        body: bytes | None = None
        try:
            for _page in range(5):
                with self._opener.open(location, body, _PATIENCE) as response:
                    location, form = response.url, _Form(response.read().decode())
                self.pages.append(form.fields["prompt"])
                filled = {
                    name_: value or {"login": name, "password": "any"}[name_] for name_, value in form.fields.items()
                }
                location, body = urljoin(location, form.action), urlencode(filled).encode()
        except _Back as back:
            return dict(parse_qsl(urlsplit(str(back)).query, strict_parsing=True))
        raise AssertionError(f"the provider shows page after page: {self.pages}")
