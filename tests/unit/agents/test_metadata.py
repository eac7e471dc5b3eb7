# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metadata that agents tell Pacemaker."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import glance


@pytest.mark.parametrize("kind", ["vm", "container"])
def test_metadata_tells_pacemaker_what_a_changed_definition_does(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [kind, "meta-data"])
    assert glance.main(kind) == 0
    root = ET.fromstring(capsys.readouterr().out)
    assert (root.get("name"), root.findtext("version")) == (kind, "1.1")
    parameters = {p.get("name"): p.get("reloadable") for p in root.findall("parameters/parameter")}
    assert parameters == {"definition": "1", "boot": "0"}
    actions = {action.get("name") for action in root.findall("actions/action")}
    assert {"start", "stop", "monitor", "reload-agent", "validate-all", "meta-data"} <= actions
    assert {"migrate_to", "migrate_from"} <= actions
