# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection as others get it: what is in it, what its documentation shows, and that it works elsewhere."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.tests.elsewhere import build, install, run

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
PLAYBOOKS = sorted(file.stem for file in (ROOT / "playbooks").glob("*.yml"))

Run = Callable[..., str]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built."""
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def elsewhere(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs programs in a folder with nothing but the installed collection and an inventory; returns what they say."""
    folder = tmp_path_factory.mktemp("elsewhere")
    install(archive, folder)
    (folder / "mine").write_text("[nodes]\nnode1 ansible_host=192.0.2.1\n")
    return lambda *argv: run(*argv, home=folder)


def test_it_carries_what_users_need_and_nothing_of_the_checkout(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = [member.name for member in tar.getmembers()]
    assert {name.split("/")[0] for name in names} == {
        *("CHANGELOG.rst", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "requirements.txt"),
        *("changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
    } - ({"docs"} if not (ROOT / "docs").exists() else set())
    assert {f"playbooks/{name}.yml" for name in PLAYBOOKS} <= set(names)
    assert {f"plugins/modules/{name}.py" for name in MODULES} <= set(names)
    assert [name for name in names if name.endswith((".pyc", ".tar.gz"))] == []


def test_playbooks_are_found_by_their_full_names(elsewhere: Run) -> None:
    names = [f"cspp.drover.{name}" for name in PLAYBOOKS]
    said = elsewhere("ansible-playbook", "-i", "mine", "--syntax-check", *names)
    found = [line.removeprefix("playbook: ") for line in said.splitlines() if line.startswith("playbook: ")]
    assert [Path(path).stem for path in found] == PLAYBOOKS
    assert not [path for path in found if "/collections/ansible_collections/cspp/drover/playbooks/" not in path]


def test_filters_are_found_by_their_full_names(elsewhere: Run) -> None:
    said = elsewhere("ansible", "-i", "mine", "node1", "-m", "debug", "-a", "msg={{ {} | cspp.drover.networkd_files }}")
    assert '"msg": []' in said


@pytest.fixture(scope="module")
def documentation(elsewhere: Run) -> dict[str, dict[str, Any]]:
    """What ansible-doc shows of each module."""
    found = json.loads(elsewhere("ansible-doc", "--json", "-t", "module", *(f"cspp.drover.{name}" for name in MODULES)))
    return {name.removeprefix("cspp.drover."): module["doc"] for name, module in found.items()}


def test_every_module_is_in_a_group_and_says_so(documentation: dict[str, dict[str, Any]]) -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    [extended] = groups.pop("all")
    assert extended["metadata"]["extend_group"] == list(groups)
    assert sorted(name for group in groups.values() for name in group) == MODULES
    for group, names in groups.items():
        for name in names:
            shown = documentation[name]["attributes"]["action_group"]["membership"]
            assert shown == [f"cspp.drover.{group}", "cspp.drover.all"], name


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_tells_of_check_mode_and_repeats_nothing(
    documentation: dict[str, dict[str, Any]], name: str
) -> None:
    attributes = documentation[name]["attributes"]
    assert attributes["check_mode"]["support"] == "full"
    assert documentation[name]["author"]
    assert "support: full" not in (ROOT / "plugins" / "modules" / f"{name}.py").read_text()


def test_defaults_of_a_group_reach_its_modules(elsewhere: Run, tmp_path: Path) -> None:
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "module_defaults": {"group/cspp.drover.node": {"files": [{"path": str(tmp_path / "it"), "state": "absent"}]}},
        "tasks": [{"cspp.drover.files": None, "register": "seen"}, {"debug": {"var": "seen.changed_paths"}}],
    }
    (tmp_path / "it").write_text("")
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    elsewhere("ansible-playbook", "-i", "localhost,", str(tmp_path / "play.yml"))
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize("fragment", sorted((ROOT / "changelogs" / "fragments").glob("*.yml")), ids=lambda it: it.stem)
def test_a_fragment_of_the_changelog_is_sentences(fragment: Path) -> None:
    sections: dict[str, list[Any]] = yaml.safe_load(fragment.read_text(encoding="utf-8"))
    # Of one with a colon in it, unless it is quoted, YAML makes something else.
    assert [entry for entries in sections.values() for entry in entries if not isinstance(entry, str)] == []
