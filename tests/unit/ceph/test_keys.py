# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ceph's keys, and what each may do."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.ceph.keys import (
    ALERT,
    GUESTS,
    MONITORS,
    NAMES,
    CephKeyError,
    choose,
    clients,
    entities,
    keyring,
    new_key,
    read_keyring,
)

FRESH = {name: f"fresh {name}" for name in NAMES}
HELD = {name: f"held {name}" for name in NAMES}


def test_a_new_key_is_one_that_ceph_reads() -> None:
    raw = base64.b64decode(new_key())
    assert (raw[:2], raw[10:12], len(raw)) == (b"\x01\x00", b"\x10\x00", 28)
    assert new_key() != new_key()


def test_a_keyring_is_read_as_it_was_written() -> None:
    text = keyring({"client.a": ("KEY=", {"mon": "allow r"}), "mgr.b": ("OTHER==", {})})
    assert read_keyring(text) == {"client.a": "KEY=", "mgr.b": "OTHER=="}
    assert '\tcaps mon = "allow r"\n' in text


@pytest.mark.parametrize(
    ("given", "found", "expected", "new"),
    [
        ({}, {"a": {}, "b": {}}, FRESH, list(NAMES)),
        ({}, {"a": HELD, "b": {}}, HELD, []),
        ({}, {"a": HELD, "b": {name: key for name, key in HELD.items() if name not in MONITORS}}, HELD, []),
        ({ALERT: "mine"}, {"a": HELD}, {**HELD, ALERT: "mine"}, []),
        ({}, {"a": {name: key for name, key in HELD.items() if name != ALERT}}, {**HELD, ALERT: FRESH[ALERT]}, [ALERT]),
    ],
)
def test_a_key_is_given_else_adopted_else_made(
    given: dict[str, str], found: dict[str, dict[str, str]], expected: dict[str, str], new: list[str]
) -> None:
    assert choose(given, found, FRESH) == (expected, new)


def test_nodes_of_two_ceph_clusters_are_refused() -> None:
    with pytest.raises(CephKeyError, match="differs between a, b"):
        choose({}, {"a": HELD, "b": {"fsid": "another"}}, FRESH)


def test_a_cluster_that_is_known_gets_no_new_keys_of_its_monitors() -> None:
    with pytest.raises(CephKeyError, match="no monitor that answers holds its keys"):
        choose({}, {"a": {"fsid": "held", GUESTS: "held"}}, FRESH)


def test_who_says_that_a_node_is_gone_may_do_nothing_else() -> None:
    caps = clients(["disks"], ["roots"])[ALERT]
    assert list(caps) == ["mon"]
    # With "rw" it could change the cluster's settings (tried).
    assert {word for cap in caps["mon"].split(", ") for word in cap.split()[1:2]} == {"command", "w"}


def test_guests_reach_their_pools_and_no_others() -> None:
    caps = clients(["disks"], ["roots"])[GUESTS]
    assert caps["osd"] == "profile rbd pool=disks, allow rw tag cephfs data=roots"
    assert caps["mds"] == "allow rwp fsname=roots"
    assert "mds" not in clients(["disks"], [])[GUESTS]


def test_each_daemon_is_let_in_by_its_own_name() -> None:
    found = entities({"mon": ["a"], "mgr": ["a", "b"], "osd": ["a", "b"], "mds": ["b"]})
    assert sorted(found) == ["client.bootstrap-osd", "mds.b", "mgr.a", "mgr.b"]
