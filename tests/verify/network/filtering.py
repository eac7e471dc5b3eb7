# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's packet filter, switched off and on. The node is told to have none: what is only taken away comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ..lab import Lab

__all__ = ["switch_off", "tell", "unfiltered"]

#: What a node's packet filter knows of the cluster.
_FACTS = "/etc/drover/filter.json"


def switch_off(lab: Lab, node: str) -> str:
    """Returns what :func:`tell` takes to switch it on again."""
    facts = str(lab.ssh(node)(["cat", _FACTS]).stdout)
    assert json.loads(facts)["enabled"] is True
    tell(lab, node, json.dumps({**json.loads(facts), "enabled": False}))
    return facts


def tell(lab: Lab, node: str, facts: str) -> None:
    """Have the filter be as these facts say, and see that it is."""
    on_node = lab.ssh(node)
    on_node(["tee", _FACTS], stdin=facts)
    on_node(["systemctl", "restart", "drover-filter.service"], timeout=60)
    tables = on_node(["nft", "list", "tables"]).stdout
    assert ("table bridge drover" in tables) == json.loads(facts)["enabled"], tables


@contextmanager
def unfiltered(lab: Lab, node: str) -> Iterator[None]:
    """The node without its packet filter meanwhile."""
    facts = switch_off(lab, node)
    try:
        yield
    finally:
        tell(lab, node, facts)
