# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steward's socket: what is no request gets a clear error, and the next is served."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.steward.server import converse, serve
from ansible_collections.cspp.drover.plugins.module_utils.steward.wire import LONGEST, Request


def answer(request: Request, progress: Callable[[str], None]) -> Mapping[str, Any]:
    match request.verb:
        case "break":
            raise ZeroDivisionError
        case "fail":
            raise DroverError("it went wrong", remedy="Try.")
        case "slow":
            progress("half of it")
    return {"said": request.arguments, "from": request.origin}


def talk(data: bytes) -> list[dict[str, Any]]:
    ours, theirs = socket.socketpair()

    def send() -> None:
        with suppress(OSError):
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    with theirs:
        converse(theirs, answer)
    sender.join()
    with ours, ours.makefile() as lines:
        return [json.loads(line) for line in lines]


def line(**said: Any) -> bytes:
    return json.dumps(said).encode() + b"\n"


def test_a_request_is_answered_after_its_progress() -> None:
    said = talk(line(verb="slow", arguments={"a": 1}, credential=None, **{"from": "::1"}))
    assert said == [{"progress": "half of it"}, {"result": {"said": {"a": 1}, "from": "::1"}}]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 422),
        (b"[]\n", 422),
        (b"[" * 100_000 + b"\n", 422),
        (b"\xff\n", 422),
        (b'{"verb": "loo', 422),
        (line(arguments={}), 422),
        (line(verb="look", arguments=[1]), 422),
        (line(verb="look", credential=7), 422),
        (line(verb="look", **{"from": "localhost"}), 422),
        (line(verb="look", arguments={"a": "x" * LONGEST}), 413),
        (b"x" * (LONGEST + 70_000), 413),
        (line(verb="fail"), 503),
        (line(verb="break"), 500),
    ],
)
def test_what_is_no_request_gets_a_clear_error(data: bytes, status: int) -> None:
    (said,) = talk(data)
    assert said["error"]["status"] == status
    assert said["error"]["message"]
    assert "Traceback" not in said["error"]["message"]


def test_who_says_nothing_hears_nothing() -> None:
    assert talk(b"") == []


def test_the_socket_serves_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "run" / "socket"
    threading.Thread(target=serve, args=(answer, path), daemon=True).start()
    # It answers from the moment that it is there.
    while not path.exists():
        threading.Event().wait(0.005)
    assert path.stat().st_mode & 0o007 == 0
    for data in (b"nonsense\n", line(verb="ok")):
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(str(path))
            asker.sendall(data)
            assert json.loads(asker.makefile().readline())
