# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way in which all operations of the API are declared: which role each takes, what it shows, how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel

from . import documents

__all__ = ["PREFIX", "REFERENCE", "Key", "Operations", "Role"]

PREFIX = "/api/v1"
#: Where the API's description has the schema of a model.
REFERENCE = "#/components/schemas/{model}"
Role = Literal["nobody", "viewer", "operator", "admin"]
#: What makes a repeated request the same: the first answer is given again, and nothing is done twice.
Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9_-]{8,128}$")]

_FAILURES = {
    400: "The request is broken",
    401: "Nobody is logged in",
    403: "The role does not suffice, or another page had the browser send it",
    404: "There is no such thing",
    409: "The cluster has moved on since",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "Something that was given cannot be",
    429: "Too often",
    500: "A mistake in Drover",
    503: "The steward does not answer, or the cluster has no quorum",
}


class Operations(APIRouter):
    """A router whose operations carry ``x-role``, their failures and the schemes by which they are allowed.

    ``answers`` are the models that their answers refer to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: set[type[BaseModel]] = set()

    def operation(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        role: Role,
        shows: type[BaseModel] | None,
        *,
        status: int = 200,
        also: Mapping[int | str, dict[str, Any]] | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the decorated function as an operation of the API.

        ``shows`` describes its answer of this ``status``, ``also`` what is particular to it among the answers.
        """
        failures: dict[int | str, dict[str, Any]] = {
            code: {"model": documents.Failure, "description": text} for code, text in _FAILURES.items()
        }
        answer: dict[str, Any] = {"description": "As asked", **({"model": shows} if shows else {})}
        extra: dict[str, Any] = {"x-role": role}
        if role != "nobody":
            extra["security"] = [{"session": []}, {"token": []}]
        return self.api_route(
            PREFIX + path,
            methods=[method],
            status_code=status,
            response_model=None,
            responses={
                code: self._referring(one) for code, one in {**failures, status: answer, **(also or {})}.items()
            },
            openapi_extra=extra,
        )

    def _referring(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """An answer's description that refers to its model.

        Of a model that it is given FastAPI would make a validator and a serializer, for each answer of each operation:
        12 MB of memory, of which nothing is ever used.
        """
        rest = dict(answer)
        if model := rest.pop("model", None):
            self.answers.add(model)
            schema = {"$ref": REFERENCE.format(model=model.__name__)}
            rest["content"] = {"application/json": {"schema": schema}, **rest.get("content", {})}
        return rest
