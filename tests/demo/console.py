# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of the demo's cluster: switched on with a log-in that is made anew for each demo, and nothing else."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.atomic import write
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import hashed

__all__ = ["PORT", "Page", "declare"]

PORT = 8443


@dataclass(frozen=True)
class Page:
    """Where the page is, its log-in, and the file of variables that have site.yml make it so."""

    address: str
    user: str
    password: str
    variables: Path

    def answers(self) -> bool:
        """Whether somebody can log in there."""
        context = ssl.create_default_context()
        # Its authority is the lab's own.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.address, PORT, timeout=5, context=context)
        body = json.dumps({"user": self.user, "password": self.password})
        try:
            connection.request("POST", "/api/v1/session", body, {"Content-Type": "application/json"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def declare(subnet: str, folder: Path) -> Page:
    """Write the variables of a page at an address of the lab's ``subnet``, in a file that root alone reads."""
    network, _slash, length = subnet.partition("/")
    address = f"{network.rsplit('.', 1)[0]}.250"
    user, password = "demo", secrets.token_urlsafe(9)
    declared: dict[str, Any] = {
        "console_enabled": True,
        "console_address": f"{address}/{length}",
        "console_users": {user: {"hash": hashed(password, secrets.token_bytes(16)), "role": "admin"}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "console.json"
    write(path, json.dumps(declared, indent=1) + "\n")
    return Page(address, user, password, path)
