# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's console as declared.json has it: where it is, and who may do what there."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Template

from ..lab import Lab

DECLARED: dict[str, Any] = json.loads(Path(__file__).with_name("declared.json").read_text(encoding="utf-8"))
#: The token whose digest is declared.
TOKEN = "drv_" + "a" * 43
PORT = 8443


def console_address() -> str:
    """The address that is always at a node whose console works."""
    declared: str = Template(DECLARED["console_address"]).render(lab_subnet=Lab().description["subnet"])
    return declared.partition("/")[0]


def page_url() -> str:
    """The page there."""
    return f"https://{console_address()}:{PORT}/"


def password(user: str) -> str:
    """The password whose hash is declared for a user; users are called as their roles are."""
    return f"{user} of the lab"


def ask(address: str, path: str, method: str = "GET", document: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and document of an answer; 0 while nobody answers."""
    context = ssl.create_default_context()
    # The lab's authority is nobody's; names and authority are looked at in a test of their own.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, PORT, timeout=2, context=context)
    try:
        body = None if document is None else json.dumps(document)
        said = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **headers}
        connection.request(method, f"/api/v1{path}", body, said)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()


def answers(address: str) -> Callable[[], bool]:
    """Whether the console answers there."""
    return lambda: ask(address, "/cluster")[0] == 200
