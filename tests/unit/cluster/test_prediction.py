# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Action, Prediction, parse
from ansible_collections.cspp.drover.tests.unit.cluster_samples import graph

DATA = Path(__file__).parents[1] / "data" / "pacemaker"


def prediction(name: str) -> Prediction:
    transcript = (DATA / f"crm_simulate-{name}.xml").read_text(encoding="utf-8")
    return parse(transcript, graph(transcript))


@pytest.mark.parametrize(
    ("transcript", "sentences"),
    [
        ("idle", []),
        ("start", ["g1: start on n1", "g2: start on n2"]),
        ("migrate", ["mc: migrate live n2 -> n3"]),
        ("restart", ["mc: restart on n2"]),
        ("reload", ["mc: change live what can be on n2"]),
        (
            "fence",
            [
                "n2: fence (cut its power) (peer is no longer part of the cluster)",
                "mc: stop on n2, start on n1",
                "drover-fence-n2: start on n3",
            ],
        ),
    ],
)
def test_sentences(transcript: str, sentences: list[str]) -> None:
    assert prediction(transcript).sentences() == sentences


def test_what_is_blocked_stays_where_it_is() -> None:
    status = """<resources><resource id="mc" active="true"><node name="n1"/></resource>
    <resource id="web" active="false"/></resources>"""
    actions = """<rsc_action action="stop" resource="mc" node="n1" blocked="true"/>
    <rsc_action action="start" resource="web" node="n2"/>"""
    found = parse(f"<r><cluster_status>{status}</cluster_status><actions>{actions}</actions></r>", "")
    assert (found.place("mc"), found.place("web")) == ("n1", "n2")
    assert found.busy == frozenset()


def test_tells_places_and_what_is_busy() -> None:
    migrating = prediction("migrate")
    assert migrating.place("mc") == "n3"
    assert migrating.place("unknown") is None
    assert migrating.busy == {"mc"}
    assert prediction("idle").empty


def test_what_disturbs_resources_is_told_unless_it_is_ahead_in_any_case() -> None:
    stop = Action("stop", "mc", source="n1", reason="node availability")
    moved, started = Action("migrate", "web", "n1", "n2"), Action("start", "db", None, "n2")
    plan = Prediction((stop, moved, started))
    assert plan.disturbs({"mc", "web", "db"}, Prediction()) == [stop, moved]
    assert plan.disturbs({"mc", "web"}, Prediction((moved,))) == [stop]
    assert plan.disturbs({"web"}, Prediction((Action("migrate", "web", "n1", "n3"),))) == [moved]
    assert str(stop) == "mc: stop on n1 (no node that is up can take it)"
    # Which is not so where somebody has asked for it.
    asked = plan.because("asked for", ["mc", "web"])
    assert asked.sentences() == ["mc: stop on n1 (asked for)", "web: migrate live n1 -> n2", "db: start on n2"]
