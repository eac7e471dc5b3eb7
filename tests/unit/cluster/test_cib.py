# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import (
    Alert,
    Colocation,
    Constraint,
    Level,
    Location,
    NodeSettings,
    Operation,
    Pin,
    Primitive,
    Wanted,
    Where,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import NotOurs, reconcile

DATA = Path(__file__).parents[1] / "data" / "pacemaker"
FRESH = (DATA / "cib-fresh.xml").read_text(encoding="utf-8")
GUESTS = (DATA / "cib-guests.xml").read_text(encoding="utf-8")

WEB = Primitive(
    id="website",
    cls="ocf",
    provider="drover",
    type="container",
    params={"definition": '{"memory":1,"nics":[{"bridge":"br0"}]}', "boot": "1"},
    meta={"priority": "5"},
    utilization={"memory": "1"},
    operations=(Operation("start", timeout="90s"), Operation("monitor", "10s", "30s")),
)
BMC = Primitive(
    id="drover-fence-n1",
    cls="stonith",
    provider=None,
    type="fence_ipmilan",
    params={"ip": "192.0.2.1", "password": "tiger"},
)


def with_section(cib: str, tag: str, inner: str) -> str:
    return cib.replace(f"<{tag}/>", f"<{tag}>{inner}</{tag}>")


def element(xml: str, path: str) -> ET.Element | None:
    return ET.fromstring(xml).find(f"configuration/{path}")


def test_creates_and_then_finds_nothing_to_do() -> None:
    wanted = Wanted(
        primitives=(WEB, BMC),
        constraints=(
            Location("drover-prefer-website.n1", "website", "n1", "100"),
            Pin("drover-pin-website", "website", "n1"),
            Pin("drover-remove-website", "website", None),
            Colocation("drover-apart-website.x", "website", "drover-fence-n1", "-5000"),
        ),
        properties={"stonith-enabled": "true"},
        resource_defaults={"resource-stickiness": "1000"},
        operation_defaults={"timeout": "20s"},
        nodes=(NodeSettings("n1", {"standby": "on"}, {"memory": "4000"}),),
    )
    first = reconcile(FRESH, wanted)
    assert first.changed
    assert all(change.action == "create" for change in first.changes if change.kind != "node")
    live = read(first.xml)
    assert live.version.epoch == first.version.epoch + 1
    assert live.standby() == {"n1"}
    assert set(live.primitives) == {"website", "drover-fence-n1"}
    assert live.constraints["drover-pin-website"] == Pin("drover-pin-website", "website", "n1")

    second = reconcile(first.xml, wanted)
    assert not second.changed
    assert second.xml is first.xml


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(properties={"cluster-name": "x"}), ["update property cluster-name"]),
        (Wanted(properties={"cluster-name": None}), ["remove property cluster-name"]),
        (Wanted(properties={"nothing": None}), []),
        (Wanted(absent=frozenset({"unknown"})), []),
        (Wanted(nodes=(NodeSettings("n2"),)), []),
    ],
)
def test_settings(wanted: Wanted, names: list[str]) -> None:
    assert reconcile(FRESH, wanted).names() == names


def test_an_update_keeps_ids_and_everything_else() -> None:
    live = read(GUESTS).primitives["mc"]
    changed = Primitive(**{**vars(live), "params": {**live.params, "boot": "new"}})
    difference = reconcile(GUESTS, Wanted(primitives=(changed,)))
    assert difference.names() == ["update resource mc"]
    before, after = ET.fromstring(GUESTS), ET.fromstring(difference.xml)
    differing = [
        (old.get("id"), new.get("id"))
        for old, new in zip(before.iter(), after.iter(), strict=True)
        if old.attrib != new.attrib and old.tag != "cib"
    ]
    assert differing == [("mc-instance_attributes-boot", "mc-instance_attributes-boot")]


def test_operations_of_a_resource_are_changed_and_removed() -> None:
    live = reconcile(FRESH, Wanted(primitives=(WEB,))).xml
    for operations in ((Operation("monitor", "20s", "30s"), Operation("start", timeout="90s")), ()):
        live = reconcile(live, Wanted(primitives=(replace(WEB, operations=operations),))).xml
        assert read(live).primitives["website"].operations == operations


def test_operations_are_shown_with_what_they_have() -> None:
    shown = WEB.view()["operations"]
    assert shown == {"start": {"timeout": "90s"}, "monitor every 10s": {"timeout": "30s"}}


def test_a_definition_that_nobody_can_read_is_shown_as_it_is() -> None:
    broken = replace(WEB, params={"definition": "{", "boot": "1"})
    assert "definition: {\n" in reconcile(FRESH, Wanted(primitives=(broken,))).diff()[0]["after"]


def test_leaves_the_work_of_others_alone() -> None:
    foreign = (
        '<!-- ours, ask Ann --><primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2">'
        '<instance_attributes id="ip-a"><nvpair id="ip-a-ip" name="ip" value="192.0.2.9"/>'
        "</instance_attributes></primitive>"
    )
    cib = with_section(FRESH, "resources", foreign)
    difference = reconcile(cib, Wanted(primitives=(WEB,)))
    assert foreign in difference.xml.replace('" />', '"/>')


@pytest.mark.parametrize("wanted", [Wanted(primitives=(WEB,)), Wanted(absent=frozenset({"website"}))])
def test_refuses_to_touch_what_is_not_ours(wanted: Wanted) -> None:
    cib = with_section(FRESH, "resources", '<primitive id="website" class="ocf" provider="heartbeat" type="apache"/>')
    with pytest.raises(NotOurs, match="choose another name"):
        reconcile(cib, wanted)


def test_keeps_the_record_of_a_move_of_disks_and_says_nothing_of_it() -> None:
    live = reconcile(FRESH, Wanted(primitives=(WEB,))).xml
    live = reconcile(live, Wanted(meta={"website": {"drover-disks": "{}"}})).xml
    again = reconcile(live, Wanted(primitives=(WEB,)))
    assert (again.changed, again.kept) == (False, ())


def test_keeps_and_reports_what_was_set_in_an_emergency() -> None:
    live = reconcile(FRESH, Wanted(primitives=(WEB,))).xml
    live = reconcile(live, Wanted(meta={"website": {"target-role": "Stopped"}})).xml
    again = reconcile(live, Wanted(primitives=(WEB,)))
    assert not again.changed
    assert again.kept == ("website keeps target-role=Stopped, which was set by hand",)
    moved = Primitive(**{**vars(WEB), "meta": {"priority": "7"}})
    assert read(reconcile(live, Wanted(primitives=(moved,))).xml).primitives["website"].meta == {
        "priority": "7",
        "target-role": "Stopped",
    }


def test_our_resources_are_ours_whole() -> None:
    live = reconcile(FRESH, Wanted(primitives=(WEB,))).xml
    live = live.replace('<op id="website.start-0s"', '<op record-pending="false" id="website.start-0s"')
    difference = reconcile(live, Wanted(primitives=(WEB,)))
    assert difference.names() == ["update resource website"]
    assert read(difference.xml).primitives["website"].extra == ()


@pytest.mark.parametrize(
    "constraint",
    [
        Location("drover-x", "mc", "n3", "INFINITY"),
        Pin("drover-x", "mc", "n2"),
        Pin("drover-x", "mc", None),
        Where("drover-x", "mc", "drover-console", "1"),
        Colocation("drover-x", "mc", "web", "5000"),
    ],
)
def test_constraints_come_change_and_go(constraint: Constraint) -> None:
    created = reconcile(GUESTS, Wanted(constraints=(constraint,)))
    assert created.names() == [f"create {constraint.kind} drover-x"]
    assert read(created.xml).constraints["drover-x"] == constraint
    changed = reconcile(created.xml, Wanted(constraints=(Location("drover-x", "mc", "n1", "7"),)))
    assert changed.names() == ["update location drover-x"]
    removed = reconcile(created.xml, Wanted(absent=frozenset({"drover-x"})))
    assert removed.names() == [f"remove {constraint.kind} drover-x"]


def test_a_removed_resource_takes_every_constraint_on_it_along() -> None:
    by_hand = '<rsc_location id="cli-prefer-mc" rsc="mc" node="n1" score="INFINITY"/></constraints>'
    cib = GUESTS.replace("</constraints>", by_hand)
    difference = reconcile(cib, Wanted(absent=frozenset({"mc"})))
    assert "remove location cli-prefer-mc" in difference.names()
    assert 'rsc="mc"' not in difference.xml


def test_diff_unfolds_definitions_and_hides_secrets() -> None:
    live = reconcile(FRESH, Wanted(primitives=(BMC, WEB))).xml
    bmc = Primitive(**{**vars(BMC), "params": {**BMC.params, "password": "lion"}})
    definition = '{"memory":1,"nics":[{"bridge":"br1"}]}'
    web = Primitive(**{**vars(WEB), "params": {**WEB.params, "definition": definition}})
    diff = reconcile(live, Wanted(primitives=(bmc, web))).diff()
    text = str(diff)
    assert "tiger" not in text
    assert "lion" not in text
    assert "password: (hidden, old)" in diff[0]["before"]
    assert "password: (hidden, new)" in diff[0]["after"]
    assert "bridge: br1\n" in diff[1]["after"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(primitives=(Primitive("9lives", "ocf", "drover", "vm"),)), "start with a letter"),
        (Wanted(nodes=(NodeSettings("n9"),)), "n9 is not a member"),
        (Wanted(meta={"ghost": {"maintenance": "true"}}), "no guest ghost"),
    ],
)
def test_says_what_cannot_be(wanted: Wanted, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        reconcile(FRESH, wanted)


@pytest.mark.parametrize("ending", ["-utilization", "-utilization-memory", "-start-0s", "-rule", "-rule-node"])
def test_no_part_of_a_guest_has_another_guests_name(ending: str) -> None:
    other = replace(WEB, id=f"website{ending}")
    pins = tuple(Pin(f"drover-pin-{name}", name, "node1") for name in ("website", other.id))
    xml = reconcile(FRESH, Wanted(primitives=(WEB, other), constraints=pins)).xml
    found = [element(xml, section) for section in ("resources", "constraints")]
    ids = [part.get("id", "") for section in found if section is not None for part in section.iter() if part.get("id")]
    assert sorted(set(ids)) == sorted(ids)


def test_parts_that_older_versions_named_otherwise_stay() -> None:
    pin = Pin("drover-pin-website", "website", "node1")
    wanted = Wanted(primitives=(WEB,), constraints=(pin,))
    old = reconcile(FRESH, wanted).xml
    for dotted in re.findall(r'id="(?:drover-pin-)?website\.[^"]*"', old):
        old = old.replace(dotted, dotted.replace("website.", "website-"))
    assert "website-utilization" in old
    assert "website." not in old
    assert not reconcile(old, wanted).changed


@pytest.mark.parametrize(
    "live",
    [
        '<alert id="drover-alert" path="/old"><select><select_fencing/></select></alert>',
        '<alert id="drover-alert" path="/new"/>',
        '<alert id="drover-alert" path="/new"><select><select_fencing/></select><recipient id="r" value="x"/></alert>',
    ],
)
def test_alerts(live: str) -> None:
    theirs = '<alerts><alert id="mail" path="/usr/local/bin/mail"/></alerts>'
    alert = Alert("drover-alert", "/new", ("fencing",))
    made = reconcile(FRESH.replace("</configuration>", f"{theirs}</configuration>"), Wanted(alerts=(alert,)))
    assert made.names() == ["create alert drover-alert"]
    assert element(made.xml, "alerts/alert[@id='drover-alert']/select/select_fencing") is not None
    assert not reconcile(made.xml, Wanted(alerts=(alert,))).changed
    other = FRESH.replace("</configuration>", f"<alerts>{live}</alerts></configuration>")
    changed = reconcile(other, Wanted(alerts=(alert,)))
    assert changed.names() == ["update alert drover-alert"]
    assert not reconcile(changed.xml, Wanted(alerts=(alert,))).changed
    gone = reconcile(made.xml, Wanted(absent=frozenset({"drover-alert"})))
    assert gone.names() == ["remove alert drover-alert"]
    assert [one.get("id") for one in ET.fromstring(gone.xml).iterfind("configuration/alerts/alert")] == ["mail"]


def test_fencing_levels() -> None:
    levels = (Level("drover-level-n1-1", "n1", 1, "drover-fence-n1"), Level("drover-level-n1-2", "n1", 2, "other"))
    made = reconcile(FRESH, Wanted(levels=levels))
    assert made.names() == [f"create fencing level {level.id}" for level in levels]
    assert not reconcile(made.xml, Wanted(levels=levels)).changed
    changed = reconcile(made.xml, Wanted(levels=(replace(levels[1], device="another"),)))
    assert changed.names() == ["update fencing level drover-level-n1-2"]
    gone = reconcile(changed.xml, Wanted(absent=frozenset(level.id for level in levels)))
    assert element(gone.xml, "fencing-topology/*") is None
