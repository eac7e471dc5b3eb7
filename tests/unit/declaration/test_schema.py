# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The JSON Schema: editors accept what reading accepts, and mark what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.declaration.key import Key
from ansible_collections.cspp.drover.plugins.module_utils.declaration.schema import schema
from ansible_collections.cspp.drover.tests import docs

from .test_keys import EACH, LEAST, declared
from .test_reader import GOOD

VALIDATOR = jsonschema.Draft7Validator(schema())
INVENTORIES = sorted(docs.ROOT.glob("inventory/*/group_vars/all/guests.yml"))
VM, CONTAINER = LEAST["vm"], LEAST["container"]


def marked(guests: object) -> list[str]:
    """What an editor would mark in a file with these guests."""
    return [error.message for error in VALIDATOR.iter_errors({"guests": guests})]


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("file", INVENTORIES, ids=lambda file: file.parts[-4])
def test_inventories_are_accepted_and_name_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert marked(yaml.safe_load(text)["guests"]) == []
    path = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert json.loads((file.parent / path).read_text(encoding="utf-8")) == schema()


def test_good_guests_are_accepted() -> None:
    assert marked(yaml.safe_load(GOOD)) == []
    assert marked({"old": {**VM, "state": "absent"}, "new": VM}) == []


@pytest.mark.parametrize(("key", "kind"), EACH)
def test_examples_are_accepted(key: Key, kind: str) -> None:
    guest = declared(key, kind, kind if key.name == "kind" else yaml.safe_load(key.example))  # type: ignore[arg-type]
    if key.name == "remove_disks":
        guest["state"] = "absent"
    assert marked({"game": guest}) == []
    assert marked({"game": declared(key, kind, "{{ later }}")}) == [] or key.name in ("kind", "state", "remove_disks")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "guests",
    [
        [],
        {"Web": VM},
        {"a_b": VM},
        {"web": None},
        {"web": {}},
        {"web": {"kind": "vm"}},
        {"web": {**VM, "kind": "vn"}},
        {"web": {**VM, "memroy": "1GiB"}},
        {"web": {**VM, "memory": "2GB"}},
        {"web": {**VM, "memory": "2 Gigs"}},
        {"web": {**VM, "memory": None}},
        {"web": {**VM, "vcpus": 0}},
        {"web": {**VM, "vcpus": "two"}},
        {"web": {**VM, "vcpus": 2.5}},
        {"web": {**VM, "rootfs": {"image": "debian-13"}}},
        {"web": {**VM, "privileged": True}},
        {"web": {**VM, "disks": "20GiB"}},
        {"web": {**VM, "disks": [{"image": "debian-13"}]}},
        {"web": {**VM, "disks": [{"size": "20GB"}]}},
        {"web": {**VM, "disks": [{"size": "1GiB", "target": "sda"}]}},
        {"web": {**VM, "disks": [{"size": "1GiB"}] * 26}},
        {"web": {**VM, "nics": {"bridge": "br0"}}},
        {"web": {**VM, "nics": [{"address": "10.0.0.1/24"}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "address": "10.0.0.1"}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "address": "fe80::1%eth0/64"}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "gateway": "fe80::1%x\nlxc.idmap ="}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "addresses": "10.0.0.1/24"}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "mac": 41135085296}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "mac": "52-54-00-12-34-56"}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "vlan": 4095}]}},
        {"web": {**VM, "nics": [{"bridge": "br0", "mtu": 100}]}},
        {"web": {**VM, "ha": "no"}},
        {"web": {**VM, "ha": {"priority": -1}}},
        {"web": {**VM, "placement": ["node1"]}},
        {"web": {**VM, "placement": {"prefer": "node1"}}},
        {"web": {**VM, "migration": {"max_downtime": 50}}},
        {"web": {**VM, "migration": {"post_copy": "always"}}},
        {"web": {**VM, "stop_timeout": "60"}},
        {"web": {**VM, "remove_disks": True}},
        {"web": {**CONTAINER, "disks": []}},
        {"web": {**CONTAINER, "cpu": "EPYC-Rome"}},
        {"web": {**CONTAINER, "migration": {"max_downtime": "50ms"}}},
        {"web": {**CONTAINER, "rootfs": {"size": "1GiB"}}},
        {"web": {**CONTAINER, "privileged": "yes"}},
        {"web": {"state": "gone"}},
        {"web": {"state": "absent", "remove_disk": True}},
    ],
    ids=lambda guests: json.dumps(guests)[-40:],
)
def test_mistakes_are_marked(guests: Any) -> None:
    assert marked(guests)
