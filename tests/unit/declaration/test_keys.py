# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of keys: each is whole, its example is read, and there is a field for it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.declaration.key import BOTH, Key, Parts
from ansible_collections.cspp.drover.plugins.module_utils.declaration.keys import KEYS, children
from ansible_collections.cspp.drover.plugins.module_utils.declaration.reader import read
from ansible_collections.cspp.drover.plugins.module_utils.declaration.types import Bridge, Cluster, Guest, Kind, Node

GIB = 1 << 30
CLUSTER = Cluster(
    nodes={name: Node(64 * GIB, 32) for name in ("node1", "node2")},
    images={"debian-13": {"vm": "disk", "container": "rootfs"}, "tiny": {"vm": "kernel"}},
    pools=("shared", "own"),
    default_pool="shared",
    local_pools=("own",),
    bridges={"br0": Bridge()},
)
#: The least that can be said of a guest of each kind, and of a mapping in it.
LEAST: dict[Kind, dict[str, Any]] = {
    "vm": {
        "kind": "vm",
        "memory": "1GiB",
        "disks": [{"size": "1GiB", "image": "debian-13"}],
        "nics": [{"bridge": "br0"}],
    },
    "container": {
        "kind": "container",
        "memory": "1GiB",
        "rootfs": {"image": "debian-13", "pool": "own"},
        "mounts": [{"source": "/srv/data", "target": "/data"}],
        "nics": [{"bridge": "br0"}],
    },
}
EACH = [pytest.param(key, kind, id=f"{kind}:{key.path}") for key in KEYS for kind in key.kinds]


def declared(key: Key, kind: Kind, value: object) -> dict[str, Any]:
    """The least guest of a kind, and one key more."""
    guest: dict[str, Any] = yaml.safe_load(yaml.safe_dump(LEAST[kind]))
    place: dict[str, Any] = guest
    for step in key.parent.split(".") if key.parent else ():
        # Of what is not in the least guest, only rules of a firewall are in lists.
        many = step.endswith("[]")
        place = place.setdefault(step[:-2], [{"protocol": "tcp"}])[0] if many else place.setdefault(step, {})
    place[key.name] = value
    return guest


@pytest.mark.parametrize(("key", "kind"), EACH)
def test_an_example_is_read_as_it_stands(key: Key, kind: Kind) -> None:
    others = dict.fromkeys(("proxy", "database"), LEAST["container"])
    value = yaml.safe_load(key.example)
    guest = declared(key, kind, kind if key.name == "kind" else value)
    if key.name in ("max_vcpus", "max_memory"):
        guest |= {key.name.removeprefix("max_"): value}
    found = read({"game": guest, **others}, CLUSTER).problems
    expected = ["only goes with state: absent"] if key.name == "remove_disks" else []
    # An address that the interface does not have is no network for a gateway.
    assert [problem.message for problem in found if "gateway" not in problem.path] == expected


@pytest.mark.parametrize(("key", "kind"), EACH)
@pytest.mark.parametrize("value", [None, "", [], {}, "\u0663", "a\nb", -1, 9**99, 1.5, object()], ids=repr)
def test_nothing_makes_a_traceback(key: Key, kind: Kind, value: object) -> None:
    read({"game": declared(key, kind, value)}, CLUSTER)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_a_description_is_whole(key: Key) -> None:
    assert key.help.endswith(".") and "  " not in key.help
    assert key.help[0].isupper()
    assert key.kinds == BOTH or key.elsewhere or key.parent in ("disks[]", "rootfs", "mounts[]")
    assert all(key.how(kind) in ("live", "restart", "refused", "new") for kind in key.kinds)
    assert key.default_words or not callable(key.default)
    assert not key.parent or any(other.inside == key.parent for other in KEYS)


def test_every_path_is_there_once() -> None:
    paths = [key.path for key in KEYS]
    assert sorted(set(paths)) == sorted(paths)


def test_every_key_has_its_field() -> None:
    """And every field its key, but for those that are made of others."""
    wholes: dict[str, type[Any]] = {"": Guest} | {
        key.inside: key.type.make for key in KEYS if isinstance(key.type, Parts)
    }
    for path, made in wholes.items():
        names = {key.spelling_of or key.field for key in children(path)}
        assert names == {field.name for field in fields(made)} - ({"name", "seed_pool"} if not path else set()), path
