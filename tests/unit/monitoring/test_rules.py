# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alert rules and dashboards: each rule fires at what it is about and nothing else, says what to do, and is of numbers
that there are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.console.metrics import exposition
from ansible_collections.cspp.drover.tests.unit.monitoring.numbers import NUMBERS
from ansible_collections.cspp.drover.tests.unit.needed import needed

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "roles" / "monitoring" / "files"
RULES = FILES / "prometheus" / "drover.rules.yml"
DASHBOARDS = sorted((FILES / "grafana").glob("*.json"))
WELL = Path(__file__).with_name("drover_rules_test.yml")

#: What fires each alert: its series with constant or growing values, when it is looked at, the labels that it has then.
FIRES: dict[str, tuple[list[tuple[str, str]], str, dict[str, str]]] = {
    "DroverConsoleDown": ([('up{job="drover",instance="n1"}', "0x99")], "10m", {"job": "drover", "instance": "n1"}),
    "DroverSamplesOld": (
        [('drover_sample_age_seconds{instance="n1",part="usage"}', "500x99")],
        "10m",
        {"instance": "n1", "part": "usage"},
    ),
    "DroverNoQuorum": ([('drover_quorum{instance="n1"}', "0x99"), ('drover_quorum{instance="n2"}', "0x99")], "5m", {}),
    "DroverNodeLost": (
        [(f'drover_node_state{{instance="{told_by}",node="n3",state="unclean"}}', "1x99") for told_by in ("n1", "n2")],
        "5m",
        {"node": "n3", "state": "unclean"},
    ),
    "DroverProblems": ([('drover_problems{instance="n1",severity="error"}', "1x99")], "15m", {}),
    "DroverGuestsDown": (
        [('drover_guests{instance="n1",kind="vm",state="waiting"}', "2x99")],
        "10m",
        {"kind": "vm", "state": "waiting"},
    ),
    "DroverLargestNodeIsNotSpare": ([('drover_headroom_survives_largest_node{instance="n1"}', "0x99")], "20m", {}),
    # Time begins at 0, so what was proven long ago was before.
    "DroverFencingNotProven": (
        [('drover_fence_proof_timestamp_seconds{instance="n1",node="n2"}', "-7777777x99")],
        "90m",
        {"node": "n2"},
    ),
    "DroverDrillWentWrong": (
        [('drover_drill_timestamp_seconds{instance="n1",drill="power",variant="off",result="wrong"}', "5x99")],
        "5m",
        {"drill": "power", "variant": "off", "result": "wrong"},
    ),
    "DroverCertificateEnds": (
        [('drover_certificate_end_timestamp_seconds{instance="n1",name="ca",what="certificate"}', "1000000x99")],
        "90m",
        {"instance": "n1", "name": "ca", "what": "certificate"},
    ),
    "DroverDrifted": ([('drover_drifted_guests{instance="n1"}', "1x99")], "90m", {}),
    "DroverMovesFail": (
        [('drover_moves_total{instance="n1",kind="vm",result="failed"}', "0x30 1x30")],
        "40m",
        {"kind": "vm", "result": "failed"},
    ),
    "DroverPausesLong": (
        [
            ('drover_move_pause_seconds_bucket{instance="n1",kind="vm",le="0.5"}', "0x99"),
            ('drover_move_pause_seconds_bucket{instance="n1",kind="vm",le="1"}', "0+1x99"),
            ('drover_move_pause_seconds_bucket{instance="n1",kind="vm",le="+Inf"}', "0+1x99"),
        ],
        "90m",
        {"kind": "vm"},
    ),
    "DroverNotTold": ([('drover_stories_untold{instance="n1"}', "1x99")], "20m", {}),
    "DroverPoolFills": (
        [
            ('node_filesystem_avail_bytes{instance="n1",fstype="xfs",mountpoint="/srv"}', "5x99"),
            ('node_filesystem_size_bytes{instance="n1",fstype="xfs",mountpoint="/srv"}', "100x99"),
        ],
        "20m",
        {"instance": "n1", "fstype": "xfs", "mountpoint": "/srv"},
    ),
}
#: What others' exporters tell and we use.
OTHERS = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_cpu_seconds_total"}
OTHERS |= {"node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"}
NAME = re.compile(r"\b(?:drover|node|ha_cluster)_[a-zA-Z0-9_]+\b|\bup\b")


def promtool(*arguments: str) -> str:
    """What promtool says."""
    done = subprocess.run([needed("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return found


def filled(text: str, labels: dict[str, str], value: str) -> str:
    """An annotation as Prometheus fills it in."""
    said = {f"{{{{ $labels.{name} }}}}": word for name, word in labels.items()} | {"{{ $value }}": value}
    for place, word in said.items():
        text = text.replace(place, word)
    return text


def test_each_alert_fires_at_what_it_is_about_and_at_nothing_else(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    assert {rule["alert"] for rule in rules} == set(FIRES)
    document = yaml.safe_load(WELL.read_text())
    document["rule_files"] = [str(RULES)]
    assert {one["alertname"] for one in document["tests"][0]["alert_rule_test"]} == set(FIRES)
    for rule in rules:
        series, when, labels = FIRES[rule["alert"]]
        value = series[0][1].partition("x")[0]
        annotations = {name: filled(text, labels, value) for name, text in rule["annotations"].items()}
        expected = {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": annotations}
        document["tests"].append(
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series],
                "alert_rule_test": [{"eval_time": when, "alertname": rule["alert"], "exp_alerts": [expected]}],
            }
        )
    (tmp_path / "test.yml").write_text(yaml.safe_dump(document))
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "test.yml"))


def test_each_alert_says_what_to_do(rules: list[dict[str, Any]]) -> None:
    plays = {file.stem for file in (ROOT / "playbooks").glob("*.yml")}
    for rule in rules:
        text = rule["annotations"]["description"]
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(re.findall(r"playbooks/(\w+)\.yml", text)) <= plays, rule["alert"]
        assert re.search(r"playbooks/|systemctl|journalctl|crm_mon|Have |Stop |Remove ", text), rule["alert"]


def expressions() -> list[tuple[str, str]]:
    """Every expression of the dashboards, with where it is."""
    found = []
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            found += [(f"{file.name}: {panel['title']}", one["expr"]) for one in panel.get("targets", ())]
    return found


def test_rules_and_dashboards_ask_for_numbers_that_there_are(rules: list[dict[str, Any]]) -> None:
    there = {line.split()[2] for line in exposition(NUMBERS).splitlines() if line.startswith("# TYPE")}
    there |= {f"{name}_{part}" for name in there for part in ("bucket", "sum", "count")} | OTHERS
    asked = [(rule["alert"], rule["expr"]) for rule in rules] + expressions()
    assert len(asked) > 30
    assert [(place, name) for place, text in asked for name in NAME.findall(text) if name not in there] == []


def test_every_expression_of_a_dashboard_is_one(tmp_path: Path) -> None:
    assert len(DASHBOARDS) == 2
    wrapped = [
        {"record": f"r{number}", "expr": text.replace("$__rate_interval", "5m").replace("$guest", "x")}
        for number, (_place, text) in enumerate(expressions())
    ]
    (tmp_path / "all.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": wrapped}]}))
    assert f"{len(wrapped)} rules found" in promtool("check", "rules", str(tmp_path / "all.yml"))


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_for_any_grafana(file: Path) -> None:
    board = json.loads(file.read_text())
    assert board["uid"] == file.stem
    assert board["schemaVersion"] >= 39
    assert [one["type"] for one in board["templating"]["list"]][:1] == ["datasource"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["description"], panel["title"]
