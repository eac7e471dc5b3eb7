# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The API's description is whole."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest
from fastapi import FastAPI


@pytest.fixture(scope="module")
def described(application: FastAPI) -> str:
    async def asked() -> str:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
            return (await client.get("/api/v1/openapi.json")).text

    return asyncio.run(asked())


def test_whatever_it_refers_to_is_there(described: str) -> None:
    schemas = json.loads(described)["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', described))
    assert {"Failure", "Look", "PlanShown"} <= referred
    assert referred == schemas.keys()


def test_an_operation_has_its_answers_with_their_models(described: str) -> None:
    answers = json.loads(described)["paths"]["/api/v1/plans/{id}/carry-out"]["post"]["responses"]
    shown = {code: answers[code]["content"]["application/json"]["schema"]["$ref"] for code in ("202", "404", "409")}
    assert {code: name.rpartition("/")[2] for code, name in shown.items()} == {
        "202": "Carried",
        "404": "Failure",
        "409": "StalePlan",
    }
