# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refusals: what the API answers in place of what was asked for, each with a status, a code, a cause and a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import DroverError

__all__ = ["Refusal"]

#: What to do about a status, where nobody knows better.
_REMEDIES = {
    400: "Send what the API's description (/api/v1/openapi.json) asks for.",
    401: "Log in again, or send a token that is valid: Authorization: Bearer drv_...",
    403: "Ask an administrator of the cluster for the role that it takes.",
    404: "See /api/v1/openapi.json for what there is.",
    405: "See /api/v1/openapi.json for the methods of this address.",
    413: "Send less.",
    415: "Send it as application/json.",
    422: "See /api/v1/openapi.json for what this request takes.",
    429: "Wait a moment, then try again.",
    503: "Look at the services on this node: systemctl status drover-steward drover-console.",
}
_MISTAKE = "It is a mistake in Drover: see journalctl -u drover-console -u drover-steward on the node that answered."


class Refusal(DroverError):
    """An answer that is an error. ``status`` is HTTP's, ``code`` a stable word for programs, and ``besides`` what goes
    with it, such as the new plan in place of one that is stale."""

    def __init__(
        self, status: int, code: str, cause: str, *, remedy: str = "", besides: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(cause, remedy=remedy or _REMEDIES.get(status, _MISTAKE))
        self.status = status
        self.code = code
        self.besides = dict(besides or {})

    @property
    def headers(self) -> dict[str, str]:
        match self.status:
            case 401:
                return {"WWW-Authenticate": "Bearer"}
            case 429:
                return {"Retry-After": "5"}
            case _:
                return {}

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        error = {"code": self.code, "message": self.cause, "remedy": self.remedy, "status": self.status}
        return {**self.besides, "error": error}
