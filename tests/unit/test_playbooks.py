# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Orders within playbooks that safety hangs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"


def plays(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((PLAYBOOKS / name).read_text(encoding="utf-8"))
    return found


def test_fencing_is_proven_before_anybody_becomes_a_member() -> None:
    roles = plays("site.yml")[0]["roles"]
    # Names and addresses are judged by the first role.
    assert roles[0] == "cspp.drover.node"
    assert roles.index("cspp.drover.fencing") < roles.index("cspp.drover.cluster")


def test_what_the_console_cannot_be_told_is_known_before_a_node_is_touched() -> None:
    judged = {"name": "cspp.drover.console", "tasks_from": "preflight"}
    [task] = [one for one in plays("site.yml")[0]["pre_tasks"] if one.get("ansible.builtin.import_role") == judged]
    assert task["when"] == "console_enabled"


def test_a_node_is_empty_before_it_leaves_and_has_left_before_it_is_forgotten() -> None:
    hosts = [play.get("hosts") for play in plays("node_remove.yml")]
    assert hosts[-4:] == [
        "drover_keepers[0]",
        "{{ groups.drover_leaving | default([]) }}",
        "drover_staying",
        "drover_keepers[0]",
    ]
    for play in plays("node_remove.yml")[-4:]:
        # Nothing of what comes later may happen when a step has failed on any node.
        assert play["any_errors_fatal"] is True
