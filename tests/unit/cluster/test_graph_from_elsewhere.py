# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A graph that is saved on another machine is had here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.graph_from_elsewhere import fetching
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult


def test_a_graph_is_had_here(tmp_path: Path) -> None:
    ran: list[list[str]] = []

    def there(argv: Sequence[str], **_how: Any) -> CommandResult:
        ran.append(list(argv))
        return CommandResult(tuple(argv), 0, "<graph/>" if argv[0] == "cat" else "said", "")

    graph = tmp_path / "graph.xml"
    file = f"/tmp/{tmp_path.name}.xml"
    assert fetching(there)(["crm_simulate", f"--save-graph={graph}", "--run"]).stdout == "said"
    assert graph.read_text() == "<graph/>"
    assert ran == [["crm_simulate", f"--save-graph={file}", "--run"], ["cat", file], ["rm", "-f", file]]


def test_anything_else_runs_as_it_is() -> None:
    done = fetching(lambda argv, **_how: CommandResult(tuple(argv), 0, "", ""))(["crm_mon"], timeout=3)
    assert done.argv == ("crm_mon",)
