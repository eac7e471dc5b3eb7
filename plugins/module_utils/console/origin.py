# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests that another page made a browser send, told from those of our own page by what browsers say of them.

A cookie goes with whatever a browser sends here. Sec-Fetch-Site says which page had it sent, and Origin does where a
browser is too old for that. A token is put into a request by whoever made it, and needs no such proof.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SAFE", "foreign"]

#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def foreign(headers: Mapping[str, str], scheme: str = "https") -> str:
    """Why a request that is not safe cannot be taken for our own page's; empty when it can, or when none is needed.

    ``headers`` by their names in lower case.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return "" if site == "same-origin" else f"another page had the browser send it (Sec-Fetch-Site: {site})"
    if origin is not None:
        own = f"{scheme}://{headers.get('host', '')}"
        return "" if origin.lower() == own.lower() else f"another page had the browser send it (Origin: {origin})"
    # No browser of today sends it to a page of others without either. A tool that logs in has no cookie yet.
    return "it comes with a cookie, and nothing says which page sent it" if "cookie" in headers else ""
