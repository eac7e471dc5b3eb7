# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One reader for the definitions of every version: what is missing, what is unknown, what cannot be."""

from __future__ import annotations

import copy
import json
import random
import syslog
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code, Request
from ansible_collections.cspp.drover.plugins.module_utils.cluster import guests
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import GuestSpec, plan_guests
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import SCHEMA, alike, compact, is_local, read
from ansible_collections.cspp.drover.plugins.module_utils.guest.migration_policy import Policy
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml, lxc_config
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, live, status

MIB = 1024**2
#: As 896f23d, which knew no schema, wrote them into clusters.
VM: dict[str, Any] = {
    "kind": "vm",
    "name": "game",
    "uuid": "5e6ab3e1-2c1f-5b52-9f35-2b31cf2e4d7e",
    "vcpus": 1,
    "max_vcpus": 2,
    "memory": 256 * MIB,
    "max_memory": 512 * MIB,
    "cpu": None,
    "firmware": "bios",
    "kernel": {"kernel": "/images/k", "initrd": "/images/i", "cmdline": "console=ttyS0"},
    "disks": [
        {
            "target": "vda",
            "source": {"type": "file", "path": "/pool/vms/game/vda.qcow2", "format": "qcow2", "shared": False},
            "size": 20 * MIB,
            "readonly": False,
        },
        {"target": "vdz", "source": {"type": "file", "path": "/pool/seed", "format": "raw"}, "readonly": True},
    ],
    "nics": [
        {
            "mac": "52:54:00:00:00:01",
            "bridge": "br0",
            "vlan": None,
            "mtu": 1500,
            "addresses": ["10.0.0.2/24"],
            "gateways": ["10.0.0.1"],
        }
    ],
    "migration": {
        "max_downtime": 50,
        "bandwidth": None,
        "timeout": 600,
        "auto_converge": True,
        "post_copy": "fallback",
        "channels": 1,
    },
    "stop_timeout": 60,
}
CONTAINER: dict[str, Any] = {
    "kind": "container",
    "name": "web",
    "vcpus": 1,
    "memory": 256 * MIB,
    "stop_timeout": 30,
    "privileged": False,
    "idmap": {"start": 10_000_000, "count": 65_536},
    "rootfs": {"type": "directory", "path": "/pool/containers/web/rootfs", "shared": False},
    "nics": [{"name": "eth0", **VM["nics"][0]}],
    "migration": {"bandwidth": None, "timeout": None},
}
BOTH = pytest.mark.parametrize("raw", [VM, CONTAINER], ids=["vm", "container"])
#: Without one of these a guest would be another, or could not be found.
ESSENTIAL = {"kind", "name", "memory", "disks", "rootfs", "target", "source", "path", "format", "mac", "bridge"}
ESSENTIAL |= {"type", "kernel", "initrd", "start", "count"}


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """The mappings in a definition, at any depth."""
    if isinstance(value, dict):
        yield value
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(entry)


def request(definition: dict[str, Any], action: str = "start") -> Request:
    return Request(action, definition["name"], {"definition": json.dumps(definition)}, Deadline(60))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda *words: lines.append(str(words[-1])))
    return lines


@BOTH
def test_what_the_version_before_wrote_is_complete(raw: dict[str, Any]) -> None:
    reading = read(compact(raw))
    assert (reading.unknown, reading.problems, reading.missing) == ((), (), ())
    filled = copy.deepcopy(reading.definition)
    assert filled.pop("schema") == SCHEMA
    assert filled.pop("on_poweroff") == "restart"
    # Keys that came later.
    assert [filled.pop(key) for key in ("devices", "mounts") if raw["kind"] == "container"] in ([], [[], []])
    for disk in filled.get("disks", ()):
        disk.setdefault("size", 0)
    if raw is VM:
        filled["disks"][1].pop("size")
    assert filled == raw


@BOTH
@pytest.mark.parametrize("seed", range(60))
def test_optional_keys_that_lack_and_unknown_ones_keep_a_guest_from_nothing(
    raw: dict[str, Any], seed: int, log: list[str]
) -> None:
    """Whatever another version leaves out or adds: monitored, stopped, started, changed and moved all the same."""
    chance = random.Random(seed)
    other = copy.deepcopy(raw)
    for part in list(parts(other)):
        for key in [key for key in part if key not in ESSENTIAL]:
            if chance.random() < 0.4:
                del part[key]
        if chance.random() < 0.4:
            part[f"new{seed}"] = chance.choice([None, 1, "x", [1], {"a": {"b": 1}}])
    added = f'"new{seed}"' in compact(other)
    reading = read(compact(other))
    assert (reading.problems, reading.missing) == ((), ())
    assert bool(reading.unknown) is added
    call = request(other)
    looked_after, started, changed = call.definition(), call.definition_to_start(), call.definition_to_change()
    assert looked_after == started == changed
    assert len([line for line in log if f"new{seed}" in line]) == 2 * added  # by those two, never by a monitor
    assert started["stop_timeout"] > 0
    is_local(looked_after)
    Policy.of(changed).patience(changed["memory"])
    if raw is VM:
        xml = domain_xml.render(started, "tcg")
        assert domain_xml.difference(xml, changed) == ()
    else:
        config = lxc_config.render(started, {"memory", "cpu"})
        assert lxc_config.difference(config, changed) == ()


@BOTH
@pytest.mark.parametrize("seed", range(60))
def test_values_that_cannot_be_never_raise_where_a_guest_is_looked_after(
    raw: dict[str, Any], seed: int, log: list[str]
) -> None:
    chance = random.Random(seed)
    other = copy.deepcopy(raw)
    part = chance.choice(list(parts(other)))
    keys = [key for key in part if not (part is other and key in ("kind", "name"))]
    key = chance.choice(keys)
    part[key] = chance.choice([{"odd": []}, ["odd"], 1.5, True, "odd", -1])
    call = request(other)
    known = call.definition()
    assert isinstance(known["stop_timeout"], (int, float))
    is_local(known)
    assert all(isinstance(nic["mac"], str) for nic in known["nics"])
    with_reason = read(compact(other)).problems
    try:
        call.definition_to_change()
    except AgentError as error:
        assert with_reason and with_reason[0] in str(error)
    else:
        assert not with_reason
    try:
        started = call.definition_to_start()
    except AgentError as error:
        assert error.code is Code.ERR_INSTALLED  # not on this node; others may know more
    else:
        assert domain_xml.render(started, "tcg") if raw is VM else lxc_config.render(started, ())


@BOTH
def test_a_schema_to_come_forbids_changes_but_no_failover(raw: dict[str, Any], log: list[str]) -> None:
    call = request({**raw, "schema": SCHEMA + 1})
    assert call.definition()["name"] == raw["name"]
    with pytest.raises(AgentError, match=r"run site\.yml"):
        call.definition_to_change()
    assert call.definition_to_start()["memory"] == raw["memory"]
    assert "starts without what is not understood" in log[-1]


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"memory": "much"}, "memory"),
        ({"disks": None}, "disks"),
        ({"disks": [{"target": "vda", "size": 1}]}, "disks[0].source"),
        ({"disks": ["/dev/sda"]}, "disks[0]"),
        ({"nics": [{"bridge": "br0"}]}, "nics[0].mac"),
        ({"disks": [{"target": "vda", "source": {"type": "nbd", "path": "x", "format": "raw"}}]}, "disks[0].source"),
        ({"kernel": {"kernel": "/k"}}, "kernel.initrd"),
    ],
)
def test_a_guest_that_would_be_another_is_not_started(change: dict[str, Any], missing: str, log: list[str]) -> None:
    call = request({**VM, **change})
    with pytest.raises(AgentError, match="lacks") as caught:
        call.definition_to_start()
    assert missing in str(caught.value) and caught.value.code is Code.ERR_INSTALLED
    assert call.definition()["name"] == "game"


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"name": 1}', '{"name": "x"}', '{"name": "x", "kind": "jail"}', "{", "1"]
)
def test_what_is_no_guest_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


def test_a_policy_of_another_version_is_taken_as_far_as_it_is_known() -> None:
    assert Policy.of({"migration": {"channels": 2, "zero_copy": True}}) == Policy(channels=2)
    assert Policy.of({}) == Policy()


@BOTH
def test_to_say_the_same_in_new_words_is_no_change(raw: dict[str, Any]) -> None:
    """An upgrade of Drover makes no agent look for changes that there are not, and rewrites no definition for it."""
    old = guests.guest_primitive(raw, priority=None, boot="old")
    declared = {**raw, "schema": SCHEMA, "stop_timeout": raw["stop_timeout"]}
    spec = GuestSpec(raw["name"], declared, priority=None, home="n1")
    plan = plan_guests([spec], live(old), status(guest(raw["name"], "n1")))
    assert plan.wanted.primitives == (old,)
    grown = GuestSpec(raw["name"], {**declared, "memory": 512 * MIB}, priority=None, home="n1")
    [primitive] = plan_guests([grown], live(old), status(guest(raw["name"], "n1"))).wanted.primitives
    assert json.loads(primitive.params["definition"])["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("change", "same"),
    [({}, True), ({"schema": 1}, True), ({"vcpus": 2}, False), ({"new": 1}, False), ({"schema": SCHEMA + 1}, False)],
)
def test_alike(change: dict[str, Any], same: bool) -> None:
    assert alike(compact(VM), compact({**VM, **change})) is same
    assert not alike("{", compact(VM))
