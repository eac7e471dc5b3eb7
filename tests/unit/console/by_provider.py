# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-ins by a provider, for clusters that are played: real ones where there is something real to log in by."""

from __future__ import annotations

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.steward.sign_on import SignOn

__all__ = ["ByProvider"]


class ByProvider:
    """The steward's verbs of it. Who logs in gets a session of their role: this word, and the role behind it."""

    sign_on: SignOn | None = None
    session = "session-of-"

    def _ways(self, _given: object, _role: object) -> dict[str, Any]:
        return self.sign_on.ways() if self.sign_on else {"oidc": None}

    def _oidc_begin(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        if self.sign_on:
            return self.sign_on.begin(given["url"])
        return {"location": "https://sso.example.org/authorize", "pending": "pending"}

    def _oidc_end(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        role = self.sign_on.end(given, "127.0.0.1")["role"] if self.sign_on else "viewer"
        return {"session": f"{self.session}{role}", "user": role, "role": role, "expires": None}
