# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: what speaks against what the console is told, before a node is touched, and what new guests can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.declaration import offers
from ansible_collections.cspp.drover.plugins.module_utils.steward import forge, provider


def provider_faults(said: Mapping[str, Any]) -> list[str]:
    """All that speaks against console_oidc: see module_utils/steward/provider.py."""
    return provider.faults(said)


def forge_faults(said: Mapping[str, Any]) -> list[str]:
    """All that speaks against console_forge: see module_utils/steward/forge.py."""
    return forge.faults(said)


def certificate_faults(certificate: str, key: str, needed: Sequence[str], useful: Sequence[str]) -> list[str]:
    """What speaks against a certificate that is given: see module_utils/trust/given.py."""
    # Not for everybody who has the filters: it takes python3-cryptography.
    from ansible_collections.cspp.drover.plugins.module_utils.trust import given

    return [why] if (why := given.unfit(certificate, key, needed, useful)) else []


class FilterModule:
    """cspp.drover.console_*."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "console_provider_faults": provider_faults,
            "console_forge_faults": forge_faults,
            "console_offers": offers.offers,
            "console_certificate_faults": certificate_faults,
        }
