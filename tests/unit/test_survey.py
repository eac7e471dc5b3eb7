# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes are asked twice, all at once; one that does not answer is told from one that does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.peer import PeerError
from ansible_collections.cspp.drover.plugins.module_utils.survey import Going, survey

DIGEST = {"files": ["/pool/vda", "/images/kernel"], "media": {"sda": "/cd.iso"}}
LOCAL = {"name": "web", "rootfs": {"path": "/local/web", "shared": False}}
GUESTS = [
    Going("mc", {"name": "mc", "disks": [{"source": {"path": "/pool/vda"}}]}, "n1", ("n2", "n3")),
    Going("web", LOCAL, "n2", ("n1",)),
]


class Nodes:
    """Nodes that answer at once, save those that are silent. Their clocks are ahead by as many seconds."""

    def __init__(self, silent: Mapping[str, str] | None = None, ahead: Mapping[str, float] | None = None) -> None:
        self.silent, self.ahead = silent or {}, ahead or {}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, node: str, request: Mapping[str, Any], _timeout: float) -> Mapping[str, Any]:
        self.asked.append((node, request))
        if self.silent.get(node) == request["do"]:
            raise PeerError(f"{node} cannot be asked")
        time.sleep(0.1)
        if request["do"] == "suits":
            return {"paths": request["paths"]}
        guests = {"mc": DIGEST} if node == "n1" else {}
        return {"time": time.time() + self.ahead.get(node, 0.0), "libvirt": {"guests": guests}}

    def request(self, node: str) -> Mapping[str, Any]:
        return next(request for name, request in self.asked if name == node and request["do"] == "suits")


def test_each_node_is_asked_for_what_concerns_it() -> None:
    nodes = Nodes(ahead={"n2": 5.0})
    start = time.monotonic()
    views = survey(GUESTS, measure=["mc"], ask=nodes)
    assert time.monotonic() - start < 0.55, "the nodes were asked one after the other"
    assert len(nodes.asked) == 6
    assert all(request["guests"] == ["mc", "web"] for _node, request in nodes.asked if request["do"] == "facts")
    everything = ["/cd.iso", "/images/kernel", "/pool/vda"]
    assert nodes.request("n1") == {
        "do": "suits",
        "vms": {},
        "paths": sorted([*everything, "/local/web"]),
        "count": [],
        "reach": ["n2", "n3"],
        "measure": ["mc"],
    }
    assert nodes.request("n2") == {
        "do": "suits",
        "vms": {"mc": DIGEST},
        "paths": sorted([*everything, "/local/web"]),
        "count": ["/local/web"],
        "reach": ["n1"],
        "measure": [],
    }
    assert nodes.request("n3")["paths"] == everything
    assert 4.5 < views["n2"].ahead < 5.1
    assert abs(views["n1"].ahead) < 0.2
    assert views["n1"].blur >= 0.05


def test_a_node_that_is_silent_is_not_asked_again_nor_tried_by_others() -> None:
    nodes = Nodes(silent={"n3": "facts", "n2": "suits"})
    views = survey(GUESTS, ask=nodes)
    assert {name: view.error for name, view in views.items()} == {
        "n1": "",
        "n2": "n2 cannot be asked",
        "n3": "n3 cannot be asked",
    }
    assert [request["do"] for node, request in nodes.asked if node == "n3"] == ["facts"]
    assert nodes.request("n1")["reach"] == ["n2"]


def test_nobody_is_asked_for_nothing() -> None:
    assert survey([], ask=Nodes()) == {}
