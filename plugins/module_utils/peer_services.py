# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that a node does for the other nodes, by name (see peer.py)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from . import forward, journal, landing, mirroring, moves, node_facts, probe, receiving
from .peer import Peer, Service, serve

__all__ = ["SERVICES", "main"]


def _forward(request: Mapping[str, Any], peer: Peer) -> None:
    """Put packets that came for a VM at its old node into its interface here."""
    forward.receive(request, peer, moves.arrived)


SERVICES: dict[str, Service] = {
    "copy": receiving.copy,
    "door": node_facts.door,
    "facts": node_facts.facts,
    "forward": _forward,
    "journal": journal.service,
    "landed": landing.service,
    "mirror": mirroring.make,
    "probe": probe.service,
    "progress": moves.service,
    "receive": receiving.receive,
    "runs": receiving.runs,
    "vm runs": landing.runs,
    "suits": node_facts.suits,
}


def main() -> int:
    """Serve until killed, on the address that the command line names."""
    serve(SERVICES, sys.argv[1])
    return 0
