# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An upgrade replaces Drover's code while guests run and move. `make upgrade-test` does it from any older commit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab, boot, init_of
from ..plays import ROOT, Outcome, succeed
from ..sessions import session_to

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
AGENTS = "../tests/verify/upgrade/agents"
INSTALL = "Install the agents and the core that they share with the plays"
TIDY = "Remove versions that nothing runs from any more"


@pytest.fixture
def other_version(tmp_path: Path) -> Path:
    """Another version of the code: one file more, and one that is changed."""
    shutil.copytree(ROOT / "plugins" / "module_utils", tmp_path / "module_utils")
    (tmp_path / "module_utils" / "addition.py").write_text('"""Of this version alone."""\n')
    with (tmp_path / "module_utils" / "journal" / "book.py").open("a") as file:
        file.write("# changed\n")
    return tmp_path


@pytest.fixture
def slow(lab: Lab, declared: Declared) -> Iterator[Declared]:
    """The guests, of which the VM takes its time to move; the cluster looks at them every two seconds."""
    guests = {**declared, "game": {**declared["game"], "migration": {"bandwidth": "2MiB", "max_downtime": "300ms"}}}
    succeed("guests", guests=guests)
    lab.look_often()
    yield guests
    succeed("guests")


def of_each_node(outcome: Outcome, task: str, key: str) -> list[Any]:
    return [result[key] for (_host, name), result in sorted(outcome.results.items()) if name == task]


def test_an_upgrade_goes_unnoticed_by_guests_that_run_and_by_one_that_moves(
    lab: Lab, slow: Declared, other_version: Path
) -> None:
    before = boot(slow["game"]), init_of(lab, "web")
    source = lab.where("game")
    # Every echo changes memory, and the wire is thin.
    with session_to(slow["game"], rate=10), ThreadPoolExecutor(1) as other:
        migration = other.submit(succeed, "migrate", guest="game")
        wait_for(lambda: lab.migrating("game"), bool, what="the beginning of the migration", timeout=60)
        predicted = succeed(AGENTS, "--check", "--diff", __cluster_plugins=str(other_version))
        upgraded = succeed(AGENTS, __cluster_plugins=str(other_version))
        migration.result()
    assert "waits with a restart for game" in upgraded.told
    assert of_each_node(upgraded, INSTALL, "version") == of_each_node(predicted, INSTALL, "version")
    assert predicted.changed <= upgraded.changed
    [[first], *others] = of_each_node(upgraded, TIDY, "removed")
    assert set(of_each_node(upgraded, INSTALL, "before")) == {first} and others == [[first]] * len(others)
    assert succeed(AGENTS, __cluster_plugins=str(other_version)).changed == set()

    back = succeed(AGENTS)
    assert set(of_each_node(back, INSTALL, "version")) == {first}
    for node in lab.nodes:
        found = lab.ssh(node)(["find", "/usr/lib/drover", "-name", "addition.py"]).stdout
        assert found == "", node
    assert succeed(AGENTS).changed == set()
    assert lab.where("game") != source
    assert (boot(slow["game"]), init_of(lab, "web")) == before
    assert lab.status().failures == ()
