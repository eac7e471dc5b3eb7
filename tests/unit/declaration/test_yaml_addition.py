# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest more in a file: nothing that was there differs."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.declaration.yaml_patch import (
    added,
    has_guests,
    patch_adding,
    without_nulls,
)
from tests.unit.declaration.test_yaml_patch import FILE, anything

NEW = {"kind": "vm", "memory": "1GiB", "disks": [{"size": "20GiB", "image": "debian-13"}]}
BLOCK = ["  shop:", "    kind: vm", "    memory: 1GiB", "    disks: [{size: 20GiB, image: debian-13}]"]
FLOW = "shop: {kind: vm, memory: 1GiB, disks: [{size: 20GiB, image: debian-13}]}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["guests:", *BLOCK]),
        ("# nothing yet\n", ["# nothing yet", "guests:", *BLOCK]),
        ("---\nother: 1\n", ["---", "other: 1", "guests:", *BLOCK]),
        ("other: 1", ["other: 1", "guests:", *BLOCK]),
        ("guests:\n", ["guests:", *BLOCK]),
        ("guests:", ["guests:", *BLOCK]),
        ("guests:  # ours\nother: 1\n", ["guests:  # ours", *BLOCK, "other: 1"]),
        ("guests: {}  # none\nother: 1\n", ["guests:  # none", *BLOCK, "other: 1"]),
        ("guests: null\n", ["guests:", *BLOCK]),
        ("guests: {a: {kind: vm}}  # one\n", [f"guests: {{a: {{kind: vm}}, {FLOW}}}  # one"]),
        ("{a: 1}\n", [f"{{a: 1, guests: {{{FLOW}}}}}"]),
        ("{guests: {}}\n", [f"{{guests: {{{FLOW}}}}}"]),
        ("guests:\n  a:\n", ["guests:", "  a:", *BLOCK]),
        ("guests:\n  a: {kind: vm}", ["guests:", "  a: {kind: vm}", *BLOCK]),
        (
            "guests:\n    a:\n        text: |\n            l1\n            l2\n\n    # later\nother: 1\n",
            [
                "guests:", "    a:", "        text: |", "            l1", "            l2",
                *[line.replace("  ", "    ", 1) if line == BLOCK[0] else f"  {line}" for line in BLOCK],
                "", "    # later", "other: 1",
            ],
        ),
    ],
)  # fmt: skip
def test_it_comes_behind_the_last(text: str, expected: list[str]) -> None:
    assert added(text, "shop", NEW).splitlines() == expected


def test_comments_quotes_aliases_and_vaults_stay() -> None:
    block = "".join(f"{line}\n" for line in BLOCK)
    assert added(FILE, "shop", NEW) == FILE.replace("other: 1\n", f"{block}other: 1\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("guests: [", "no YAML"),
        ("guests: everybody\n", "no mapping"),
        ("guests: '{{ all_of_them }}'\n", "no mapping"),
        ("guests: [a]\n", "no mapping"),
        ("- a\n", "no mapping"),
        ("guests:\n  shop: {}\n", "declares shop already"),
        ("guests:\n  shop:\n", "declares shop already"),
        ("base: &base {a: {}}\nguests: *base\n", "alias"),
        ("a: " + "[" * 60 + "]" * 60 + "\n", "more than 50"),
        ("other: 1\n...\n", "no YAML"),
    ],
)
def test_a_file_that_cannot_have_it_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        added(text, "shop", NEW)


def test_in_whichever_style_the_file_is_written() -> None:
    chance = random.Random(23)
    for _case in range(100):
        guests = {name: anything(chance) for name in chance.sample("abcdef", chance.randint(0, 3))}
        said: dict[str, Any] = {"first": anything(chance), "guests": guests, "last": anything(chance)}
        if chance.random() < 0.2:
            del said["guests"]
        style: dict[str, Any] = {
            "default_flow_style": chance.choice([None, False, True]),
            "width": chance.choice([40, 200]),
        }
        text = yaml.safe_dump(said, sort_keys=False, indent=chance.choice([2, 4]), allow_unicode=True, **style)
        declaration = {key: anything(chance) for key in chance.sample("abcdefg", chance.randint(1, 5))}
        assert has_guests(text) == ("guests" in said)
        found = yaml.safe_load(added(text, "shop", declaration))
        # What is nothing is said by saying nothing.
        declaration = without_nulls(declaration)
        found["guests"]["shop"] = found["guests"]["shop"] or {}
        assert found == {**said, "guests": {**said.get("guests", {}), "shop": declaration}}, (text, declaration)


@pytest.mark.parametrize("text", ["guests:\n  a: {}\n", "guests:\n  a: {}", "other: 1", "# x\n"])
def test_git_applies_the_patch(tmp_path: Path, text: str) -> None:
    (tmp_path / "guests.yml").write_text(text)
    patch = patch_adding(text, "shop", NEW)
    subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "guests.yml").read_text() == added(text, "shop", NEW)
