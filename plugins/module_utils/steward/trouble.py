# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a request is not fulfilled: an error with a code for programs and the HTTP status that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import DroverError

__all__ = ["Trouble", "forbidden", "invalid", "not_logged_in", "unknown"]


class Trouble(DroverError):
    """A refusal. ``code`` is for programs, ``status`` for HTTP, ``beside`` goes into the answer next to the error."""

    def __init__(
        self, code: str, status: int, cause: str, *, remedy: str = "", beside: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(cause, remedy=remedy)
        self.code, self.status, self.beside = code, status, dict(beside or {})

    def as_dict(self) -> dict[str, Any]:
        """The error object of every answer that is one."""
        return {"code": self.code, "message": self.cause, "remedy": self.remedy, "status": self.status}


def not_logged_in(cause: str = "nobody is logged in") -> Trouble:
    return Trouble("not_logged_in", 401, cause, remedy="Log in, or send a token that is declared (console_tokens).")


def forbidden(verb: str, role: str, needed: str) -> Trouble:
    return Trouble(
        "forbidden",
        403,
        f"{verb} needs the role {needed}, and yours is {role}",
        remedy="Somebody who declares users (console_users, console_tokens) can give you that role.",
    )


def unknown(what: str, remedy: str) -> Trouble:
    return Trouble("not_found", 404, what, remedy=remedy)


def invalid(cause: str, remedy: str = "Send what docs/console.md and openapi.json say.") -> Trouble:
    return Trouble("invalid", 422, cause, remedy=remedy)
