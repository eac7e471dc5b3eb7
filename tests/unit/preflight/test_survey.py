# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes are asked twice, all at once; one that does not answer is told from one that does."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.peer import channel
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError
from ansible_collections.cspp.drover.plugins.module_utils.preflight import survey as survey_module
from ansible_collections.cspp.drover.plugins.module_utils.preflight.survey import Going, survey

PLATFORM = {"virt": "kvm", "arch": "x86_64", "machine": "q35", "cpu": "<cpu/>", "cpu_mode": "custom", "host_cpu": None}
DIGEST = {**PLATFORM, "files": ["/pool/vda", "/images/kernel"], "media": {"sda": "/cd.iso"}}
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
            return {"paths": request["paths"], "platforms": {"takes": [f"{node} takes it"] * len(request["platforms"])}}
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
    about = {node: request["guests"] for node, request in nodes.asked if request["do"] == "facts"}
    assert about == {"n1": ["mc"], "n2": ["web"], "n3": []}
    everything = ["/cd.iso", "/images/kernel", "/pool/vda"]
    assert nodes.request("n1") == {
        "do": "suits",
        "platforms": [],
        "paths": sorted([*everything, "/local/web"]),
        "count": [],
        "reach": ["n2", "n3"],
        "measure": ["mc"],
    }
    assert nodes.request("n2") == {
        "do": "suits",
        "platforms": [PLATFORM],
        "paths": sorted([*everything, "/local/web"]),
        "count": ["/local/web"],
        "reach": ["n1"],
        "measure": [],
    }
    assert nodes.request("n3")["paths"] == everything
    assert 4.5 < views["n2"].ahead < 5.1
    assert abs(views["n1"].ahead) < 0.2
    assert views["n1"].blur >= 0.05
    assert views["n2"].suits["vms"] == {"takes": {"mc": "n2 takes it"}}
    assert views["n1"].suits["vms"] == {"takes": {}}


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


class Large:
    """Three nodes with VMs of a few platforms, told of at libvirt's length; how long the longest lines were."""

    def __init__(self, guests: list[Going]) -> None:
        self.longest = {"facts": 0, "suits": 0}
        self.judged = 0
        self.digests = {guest.name: self.digest(guest) for guest in guests}

    @staticmethod
    def digest(guest: Going) -> dict[str, Any]:
        number = int(guest.name[2:])
        platform = {**PLATFORM, "cpu": f"<cpu>{number % 3}" + "x" * 5000, "host_cpu": "y" * 3000}
        return {**platform, "files": [f"/srv/drover/local/vms/{guest.name}/vda.qcow2"], "media": {}}

    def __call__(self, node: str, request: Mapping[str, Any], _timeout: float) -> Mapping[str, Any]:
        if request["do"] == "facts":
            found = {name: self.digests[name] for name in request["guests"]}
            answer = {"time": 0.0, "libvirt": {"version": 1, "domains": {}, "guests": found}}
        else:
            self.judged += len(request["platforms"])
            seen = {"exists": True, "used": 1 << 40, "free": 1 << 40, "pool": "p" * 36}
            answer = {
                "platforms": {"takes": [one["cpu"][5] for one in request["platforms"]]},
                "paths": dict.fromkeys(request["paths"], seen),
                "reach": {target: {} for target in request["reach"]},
                "measure": {name: {} for name in request["measure"]},
            }
        said = max(len(json.dumps(request)), len(json.dumps(answer)))
        self.longest[request["do"]] = max(said, self.longest[request["do"]])
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]


def test_two_thousand_vms_are_asked_about_in_lines_that_a_peer_takes() -> None:
    def vm(number: int) -> Going:
        disk = {"source": {"path": f"/srv/drover/local/vms/vm{number}/vda.qcow2", "shared": False}}
        source, *targets = [f"n{1 + (number + step) % 3}" for step in range(3)]
        return Going(f"vm{number}", {"name": f"vm{number}", "disks": [disk]}, source, tuple(targets))

    guests = [vm(number) for number in range(2000)]
    nodes = Large(guests)
    views = survey(guests, measure=["vm7"], ask=nodes)
    assert max(nodes.longest.values()) < channel._LONGEST_LINE / 2, nodes.longest
    assert not any(view.error for view in views.values())
    for name, view in views.items():
        own = {guest.name for guest in guests if guest.source == name}
        assert view.facts["libvirt"]["guests"].keys() == own
        takes = view.suits["vms"]["takes"]
        assert takes == {guest.name: str(int(guest.name[2:]) % 3) for guest in guests if guest.name not in own}
        assert len(view.suits["paths"]) == 2000
        assert len(view.suits["reach"]) == 2
    assert sum(len(view.suits["measure"]) for view in views.values()) == 1
    assert nodes.judged <= 3 * 20 * 3, "each VM was judged by itself"


def test_libvirt_that_falls_silent_between_two_lots_is_silent() -> None:
    assert survey_module._joined({"vms": {"takes": {}}}, {"vms": {"error": "no"}})["vms"]["error"] == "no"
    assert survey_module._joined({"libvirt": {"error": "no"}}, {"libvirt": {"guests": {}}})["libvirt"]["error"] == "no"
