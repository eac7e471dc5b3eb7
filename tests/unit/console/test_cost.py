# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The memory that the API does without: what FastAPI would make of a declaration that is a little different."""

from __future__ import annotations

from inspect import iscoroutinefunction

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute


@pytest.fixture
def declared(application: FastAPI) -> list[APIRoute]:
    """All operations."""
    found = [route for route in application.routes if isinstance(route, APIRoute)]
    assert len(found) > 20
    return found


def test_nothing_is_made_to_judge_answers(declared: list[APIRoute]) -> None:
    """Of each answer's model that it is given, FastAPI makes a validator and a serializer: 12 MB for all of them."""
    assert [route.path for route in declared if route.response_fields or route.response_field] == []


def test_no_request_takes_a_thread(declared: list[APIRoute]) -> None:
    """What is not asynchronous would run in one of some 40, each with memory of its own."""
    needed = [need.call for route in declared for need in route.dependant.dependencies]
    called = {*needed, *(route.endpoint for route in declared)}
    assert [call for call in called if not iscoroutinefunction(call)] == []
