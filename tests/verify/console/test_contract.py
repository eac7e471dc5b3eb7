# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API of real nodes against its own description: requests that nobody would think of, from a fixed seed."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ...contract import examine
from ..stages import sample
from .reaching import TOKEN, ask, console_address, page_url

pytestmark = pytest.mark.stage("console")

EXAMPLES = sample(3, 10)


def test_no_request_meets_a_mistake() -> None:
    # An operator's token: whatever it asks for by chance is about guests and nodes that are not there.
    who: dict[str, Any] = {"headers": {"Authorization": f"Bearer {TOKEN}"}, "verify": False}
    schema = schemathesis.openapi.from_url(f"{page_url()}api/v1/openapi.json", **who)
    before, answers = guests(), list[int]()

    def judge(case: schemathesis.Case[Any]) -> None:
        answer = wait_for(
            lambda: case.call_and_validate(checks=[not_a_server_error], **who),
            lambda it: it.status_code != 429,
            what="the console's patience with one address",
            timeout=60,
        )
        answers.append(answer.status_code)

    examine(schema, EXAMPLES, judge)
    assert len(answers) >= EXAMPLES * 10
    assert 200 in answers and 404 in answers
    assert guests() == before


def guests() -> list[tuple[str, str, str]]:
    """Every guest: its name, its state, its node."""
    _status, look = ask(console_address(), "/cluster")
    return [(guest["name"], guest["state"], guest["node"]) for guest in look["guests"]]
