# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to a provider or a forge, each by a process of its own that is nobody: what an answer does to who reads it,
it does to one that may do nothing, has little memory, and is killed when its time is over.
"""

from __future__ import annotations

import base64
import codecs
import ctypes
import http.client
import json
import os
import pwd
import resource
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..core.errors import DroverError
from ..core.installed import program

__all__ = ["Answer", "Ask", "Unfetched", "fetch", "main", "perform"]

#: Bytes of an answer, seconds for each step of the way to it, and for all of it.
MOST, _STEP, _PATIENCE = 256 << 10, 5.0, 10.0
#: Bytes that the process may say: the answer in base64 and some words.
_MOST_SAID = 2 * MOST
#: So many at a time: as many as log-ins and merge requests have turns (sign_on.py, merge_requests.py).
_TOGETHER = threading.BoundedSemaphore(6)
_LIMITS = {
    resource.RLIMIT_AS: 512 << 20,
    resource.RLIMIT_CPU: 10,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NPROC: 0,
}
_NO_NEW_PRIVILEGES = 38


class Unfetched(DroverError):
    """No answer that could be used. The cause is a phrase about who was asked, such as "does not answer"."""


@dataclass(frozen=True)
class Ask:
    """A GET, or with a ``form`` or a ``document`` (JSON) a POST, or another ``method``. ``authority`` vouches for who
    answers (PEM), else who Debian believes does; ``step`` are the seconds for each step of the way."""

    url: str
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authority: str = ""
    document: Mapping[str, Any] | None = field(default=None, repr=False)
    method: str = ""
    step: float = _STEP


@dataclass(frozen=True)
class Answer:
    """What came back. ``kind`` is the media type in lower case, without parameters."""

    status: int
    kind: str
    body: bytes = field(repr=False)


def fetch(ask: Ask, argv: Sequence[str] | None = None, patience: float = _PATIENCE) -> Answer:
    """Ask, in a process of its own. Raises Unfetched."""
    with _TOGETHER:
        said, late = _said(json.dumps(asdict(ask)).encode(), argv or [program("steward"), "fetch"], patience)
    if late:
        raise Unfetched(f"does not answer within {patience:g} s")
    try:
        told = json.loads(said)
        if "unfetched" in told:
            raise Unfetched(str(told["unfetched"])[:300])
        return Answer(int(told["status"]), str(told["kind"]), base64.b64decode(told["body"], validate=True))
    except (ValueError, KeyError, TypeError) as error:
        raise Unfetched("ends the process that asks it") from error


def _said(line: bytes, argv: Sequence[str], patience: float) -> tuple[bytes, bool]:
    """What the process says, up to what it may, and whether it was killed for taking too long."""
    late = threading.Event()
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, cwd="/", **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(patience, kill)
        timer.start()
        try:
            with suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(line)
            return process.stdout.read(_MOST_SAID), late.is_set()
        finally:
            timer.cancel()
            process.kill()


def perform(ask: Ask) -> Answer:
    """Ask, in this process. Raises Unfetched."""
    parts = urlsplit(ask.url)
    if parts.scheme != "https" or not parts.hostname:
        raise Unfetched("is to be asked by https, and by nothing else")
    context = ssl.create_default_context(cadata=ask.authority or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=ask.step, context=context)
    headers = {"Accept": "application/json", "User-Agent": "drover", "Connection": "close", **ask.headers}
    body = None
    if ask.form is not None:
        body = urlencode(ask.form)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    elif ask.document is not None:
        body = json.dumps(ask.document)
        headers["Content-Type"] = "application/json"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(ask.method or ("GET" if body is None else "POST"), target, body, headers)
        response = connection.getresponse()
        told = response.read(MOST + 1)
    except TimeoutError as error:
        raise Unfetched(f"does not answer within {ask.step:g} s") from error
    except ssl.SSLError as error:
        raise Unfetched(f"shows no certificate that is believed: {error}") from error
    except OSError as error:
        raise Unfetched(f"cannot be reached: {error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise Unfetched(f"does not speak HTTP: {type(error).__name__}") from error
    finally:
        connection.close()
    if 300 <= response.status < 400:
        raise Unfetched("sends elsewhere, which is not followed")
    if len(told) > MOST:
        raise Unfetched(f"answers with more than {MOST >> 10} KiB")
    kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Answer(response.status, kind, told)


def _be_nobody() -> None:
    """Give up all that this process may do but to speak to the network."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setresgid(*(nobody.pw_gid,) * 3)
        os.setresuid(*(nobody.pw_uid,) * 3)
    if ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError("the kernel does not take no_new_privs")
    for what, most in _LIMITS.items():
        resource.setrlimit(what, (most, most))


def main() -> int:
    """The process of one request, which is told it on its standard input."""
    ask = Ask(**json.load(sys.stdin))
    # Loaded at the first use of a name, when it may be nobody's to read any more.
    codecs.lookup("idna")
    _be_nobody()
    try:
        answer = perform(ask)
        said = {"status": answer.status, "kind": answer.kind, "body": base64.b64encode(answer.body).decode()}
    except Unfetched as error:
        said = {"unfetched": error.cause}
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    return 0
