# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API against its own description: requests that nobody would think of, from a fixed seed."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error

from ansible_collections.cspp.drover.tests.contract import examine
from ansible_collections.cspp.drover.tests.unit.console.played_steward import credential

EXAMPLES = 25


@pytest.mark.usefixtures("steward")
def test_no_request_meets_a_mistake(application: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", application)
    tried = 0

    def judge(case: schemathesis.Case[Any], who: str) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(headers={"Authorization": f"Bearer {credential(who)}"}, checks=[not_a_server_error])

    examine(schema, EXAMPLES, judge, who=st.sampled_from(["viewer", "operator", "admin", "other"]))
    assert tried >= EXAMPLES * 10
