# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container may be given of its node."""

from __future__ import annotations

from typing import Any

import pytest

from .test_reader import said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"devices": ["/dev/net/tun"], "mounts": [{"source": "/srv/media", "target": "/media"}]}, []),
        ({"devices": "/dev/net/tun"}, ["devices: '/dev/net/tun' is not a list: write [/dev/net/tun]"]),
        ({"devices": ["/dev/../etc/shadow"]}, ["devices: '/dev/../etc/shadow' is not a device such as /dev/net/tun"]),
        ({"devices": ["/dev/kvm dev/kvm none bind\nx"]}, ["devices: '/dev/kvm dev/kvm none bind\\nx' is not a device"]),
        ({"mounts": [{"source": "/srv/media"}]}, ["mounts[0].target: is missing: such as /media"]),
        (
            {"mounts": [{"source": "/srv/m none bind\nlxc.hook.start = x", "target": "media"}]},
            ["mounts[0].source: '/srv/m none bind", "mounts[0].target: 'media' is not an absolute path"],
        ),
        (
            {"mounts": [{"source": "/etc/drover", "target": "/a"}, {"source": "/srv/../etc", "target": "/b"}]},
            ["mounts[1].source: '/srv/../etc' is not", "mounts[0].source: /etc/drover is the node's own"],
        ),
        ({"mounts": [{"source": "/srv/a", "target": "/proc/sys"}]}, ["mounts[0].target: /proc/sys is where the"]),
        (
            {"mounts": [{"source": "/srv/a", "target": "/a"}, {"source": "/srv/b", "target": "/a"}]},
            ["mounts[1].target: /a is there already"],
        ),
    ],
)
def test_what_a_container_is_given_of_its_node(changes: dict[str, Any], expected: list[str]) -> None:
    web = {"kind": "container", "memory": "256MiB", "rootfs": {"image": "debian-13"}, **changes}
    problems = said({"web": web})
    assert len(problems) == len(expected)
    assert all(line.startswith(f"guests.web.{start}") for line, start in zip(problems, expected, strict=True)), problems
