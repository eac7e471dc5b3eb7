# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every operation of the API, from its own description, which takes a while to make: once for all tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.console.app import api
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward

__all__ = ["Operation", "bodies", "operations", "with_names"]

#: Method, path and role.
Operation = tuple[str, str, str]


@cache
def operations() -> tuple[Operation, ...]:
    """All there are, as the description has them."""
    paths = api(Steward(Path("nowhere"))).openapi()["paths"]
    return tuple(
        (method.upper(), path, operation["x-role"]) for path, its in paths.items() for method, operation in its.items()
    )


def with_names(names: Mapping[str, str]) -> list[Operation]:
    """All there are, of these guests, nodes, operations and plans."""
    return [
        (method, re.sub(r"/(\w+)/\{\w+\}", lambda found: f"/{found[1]}/{names[found[1]]}", path), role)
        for method, path, role in operations()
    ]


def bodies(guest: str, node: str, password: str) -> dict[str, dict[str, Any]]:
    """What a request that is in order sends, by its path: of a guest, a node, and the viewer with this password."""
    return {
        "/session": {"user": "viewer", "password": password},
        "/session/oidc": {"url": "https://console"},
        "/session/oidc/end": {"code": "a", "state": "b"},
        "/plans": {"action": "drain", "subject": node},
        "/guests": {
            "name": "new",
            "declaration": {"kind": "container", "memory": "1GiB", "rootfs": {"image": "debian-13"}},
        },
        f"/guests/{guest}/proposal": {"changes": {"memory": "3GiB"}},
        f"/guests/{guest}/merge-request": {"changes": {"memory": "3GiB"}},
    }
