# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node is asked about has a name that can be one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import peer_services
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import host_interface
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError

MAC = "52:54:00:12:ab:cd"


@pytest.mark.parametrize(
    ("request_", "strange"),
    [
        ({}, None),
        ({"guest": "web"}, None),
        ({"guests": ["web", "mc"], "measure": ["db"]}, None),
        ({"guest": "a-rather-long-name", "taps": [host_interface("a-rather-long-name", MAC)]}, None),
        ({"guest": "web", "taps": []}, None),
        ({"guest": "../../../../pwned/by"}, "pwned"),
        ({"guest": ".."}, r"\.\."),
        ({"guest": "web\n"}, "web"),
        ({"guests": None}, None),
        ({"guest": "-rf"}, "-rf"),
        ({"guest": ["web"]}, "web"),
        ({"guest": None}, "None"),
        ({"guests": ["web", "../x"]}, "x"),
        ({"measure": ["../x"]}, "x"),
        ({"guest": "web", "taps": ["eth0"]}, "eth0"),
        ({"guest": "web", "taps": [host_interface("mc", MAC)]}, "mc-"),
        ({"guest": "web", "taps": ["../web-12abcd"]}, "web-"),
        ({"guest": "web", "taps": [7]}, "7"),
        ({"guest": "web", "path": "/srv/pool/containers/web/rootfs"}, None),
        ({"guest": "web", "path": "/srv/pool/..x/a b"}, None),
        ({"guest": "web", "path": "srv/pool"}, "srv"),
        ({"guest": "web", "path": "/srv/../etc"}, "etc"),
        ({"guest": "web", "path": "/srv/.."}, "srv"),
        ({"guest": "web", "path": "/srv/./x"}, "srv"),
        ({"guest": "web", "path": "/srv//x"}, "srv"),
        ({"guest": "web", "path": "/srv/"}, "srv"),
        ({"guest": "web", "path": "/srv/x\n"}, "srv"),
        ({"guest": "web", "path": "/srv/\0"}, "srv"),
        ({"guest": "web", "path": None}, "None"),
        ({"paths": ["/a", "../b"], "count": ["/a"]}, "b"),
        ({"paths": ["/a"], "count": ["-a"]}, "-a"),
        ({"guest": "web", "disks": [{"path": "/a/vda", "format": "qcow2"}], "seeds": [{"path": "/a/seed"}]}, None),
        ({"guest": "web", "disks": [{"path": "../vda", "format": "qcow2"}]}, "vda"),
        ({"guest": "web", "disks": [{"path": "/a/vda", "format": "-o backing"}]}, "backing"),
        ({"guest": "web", "disks": [], "seeds": [{"path": "seed"}]}, "seed"),
        ({"reach": ["node1", "node-2"]}, None),
        ({"reach": ["192.0.2.1"]}, "192"),
        ({"node": "node1"}, None),
        ({"node": "-rf"}, "-rf"),
        ({"node": "192.0.2.1"}, "192"),
    ],
)
def test_names_are_checked_before_any_service_sees_them(
    monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any], strange: str | None
) -> None:
    seen: list[Mapping[str, Any]] = []
    service = peer_services._checked(lambda request, _peer: seen.append(request))
    if strange is None:
        service(request_, None)  # type: ignore[arg-type]
        assert seen == [request_]
    else:
        with pytest.raises(PeerError, match=f"{strange}.* is no (name|interface|path|format) ?"):
            service(request_, None)  # type: ignore[arg-type]
        assert seen == []


def test_every_service_is_checked() -> None:
    assert peer_services.SERVICES.keys() == peer_services._SERVICES.keys()
    assert not set(map(id, peer_services.SERVICES.values())) & set(map(id, peer_services._SERVICES.values()))
