# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of a guest's declaration as a patch of its file: nothing else differs."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.declaration.yaml_patch import changed, fragment, patch
from ansible_collections.cspp.drover.plugins.module_utils.verbs.edit import merged

FILE = """# Our guests.
guests:
  mail:   # the post
    kind: vm
    memory: 2GiB  # enough
    ha: {priority: 5}   # first
    disks:
      - {size: "20GiB", image: debian-13}

    # what follows is for later
    placement:
      prefer: [node1]
  web: {kind: container, memory: 256MiB}
  other: &other {kind: vm}
  same: *other
  empty:
  secret:
    kind: vm
    memory: !vault |
      6162
other: 1
"""


@pytest.mark.parametrize(
    ("guest", "changes", "gone", "new"),
    [
        ("mail", {"memory": "3GiB"}, ["    memory: 2GiB  # enough"], ["    memory: 3GiB  # enough"]),
        ("mail", {"ha": {"priority": 7}}, ["    ha: {priority: 5}   # first"], ["    ha: {priority: 7}   # first"]),
        ("mail", {"ha": {"max_restart": 1}}, ["    ha: {priority: 5}   # first"],
         ["    ha: {priority: 5, max_restart: 1}   # first"]),
        ("mail", {"ha": False}, ["    ha: {priority: 5}   # first"], ["    ha: false   # first"]),
        ("mail", {"ha": {"priority": None}}, ["    ha: {priority: 5}   # first"], ["    ha: {}   # first"]),
        ("mail", {"memory": None}, ["    memory: 2GiB  # enough"], []),
        ("mail", {"placement": {"prefer": ["node2", "node1"]}}, ["      prefer: [node1]"],
         ["      prefer: [node2, node1]"]),
        ("mail", {"placement": {"apart_from": ["web"]}}, [], ["      apart_from: [web]"]),
        ("mail", {"description": "it's: ours", "vcpus": 4}, [], ['    description: "it\'s: ours"', "    vcpus: 4"]),
        ("mail", {"disks": []}, ["    disks:", '      - {size: "20GiB", image: debian-13}'], ["    disks: []"]),
        ("mail", {"placement": None}, ["    placement:", "      prefer: [node1]"], []),
        ("mail", {"placement": {}}, [], []),
        ("web", {"memory": "1GiB", "vcpus": 2}, ["  web: {kind: container, memory: 256MiB}"],
         ["  web: {kind: container, memory: 1GiB, vcpus: 2}"]),
        ("web", {"kind": None}, ["  web: {kind: container, memory: 256MiB}"], ["  web: {memory: 256MiB}"]),
        ("empty", {"memory": "1GiB"}, [], ["    memory: 1GiB"]),
        ("secret", {"vcpus": 2}, [], ["    vcpus: 2"]),
    ],
)  # fmt: skip
def test_no_line_differs_but_what_changes(guest: str, changes: dict[str, Any], gone: list[str], new: list[str]) -> None:
    lines = patch(FILE, guest, changes).splitlines()[2:]
    assert [line[1:] for line in lines if line.startswith("-")] == gone
    assert [line[1:] for line in lines if line.startswith("+")] == new


def test_by_itself_it_is_yaml() -> None:
    changes: dict[str, Any] = {"memory": "3GiB", "ha": {"priority": 7}, "description": "yes", "nics": [{"vlan": 4}]}
    changes |= {"a: key": "=", "": "", "\x7f": "\x7f\n", "ä": "ä ü", "none": [], "some": 1.5}
    assert yaml.safe_load(fragment("mail", changes)) == {"guests": {"mail": changes}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("guests: [", "no YAML"),
        ("[" * 5000, "in one another"),
        ("- " * 5000, "no YAML"),
        ("guests:\n  web: {}\n", "does not declare guests.mail"),
        ("{% raw %}", "no YAML"),
        ("hosts: {}\n", "does not declare guests"),
        ("guests: everybody\n", "as a mapping"),
        ("base: &base {memory: 1GiB}\nguests:\n  mail: *base\n", "alias"),
        ("guests:\n  mail:\n    ha: &x {priority: 1}\n    placement: *x\n", "alias"),
        ("base: &base {memory: 1GiB}\nguests:\n  mail:\n    <<: *base\n", "alias"),
        ("guests:\n  mail:\n    [a]: b\n", "no text"),
    ],
)
def test_a_file_that_says_it_otherwise_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        changed(text, "mail", {"memory": "3GiB"})


SCALARS = (1, True, None, "x", "2GiB", "a: b", "# no", "yes", "", 'q"q', "l1\nl2", "ü", " lead", "- x", 1.5, "w " * 60)


def anything(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random() if depth < 2 else 1.0
    if kind < 0.2:
        return {chance.choice("abcd"): anything(chance, depth + 1) for _ in range(chance.randint(0, 3))}
    if kind < 0.35:
        return [anything(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    return chance.choice(SCALARS)


def test_in_whichever_style_the_file_is_written() -> None:
    chance = random.Random(17)
    for _case in range(100):
        mail = {chance.choice("abcdefg"): anything(chance) for _ in range(chance.randint(0, 6))}
        said = {"guests": {"first": anything(chance), "mail": mail, "web": {"k": 1}}, "other": anything(chance)}
        style: dict[str, Any] = {
            "default_flow_style": chance.choice([None, False, True]),
            "width": chance.choice([40, 200]),
        }
        text = yaml.safe_dump(said, sort_keys=False, indent=chance.choice([2, 4]), allow_unicode=True, **style)
        text = text.replace(":\n", ":  # why\n")
        changes = {chance.choice("abcdefgh"): anything(chance) for _ in range(chance.randint(1, 3))}
        found = yaml.safe_load(changed(text, "mail", changes))
        found["guests"]["mail"] = found["guests"]["mail"] or {}
        assert found == {**said, "guests": {**said["guests"], "mail": merged(mail, changes)}}, (text, changes)
