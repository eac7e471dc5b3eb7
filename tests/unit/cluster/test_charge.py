# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which guests' ends are told to the cluster, by what it says of the guest and of the node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.charge import charge, question

_RESOURCE = """<primitive id="web" class="ocf" provider="drover" type="{type}">
  <instance_attributes id="web-p"><nvpair id="p" name="definition" value="{{}}"/></instance_attributes>
  <meta_attributes id="web-m">{meta}</meta_attributes></primitive>"""
RUNS = ("start 0 0 25", "monitor 10000 0 26")


def answer(
    *history: str,
    guest: bool = True,
    options: dict[str, str] | None = None,
    node: dict[str, str] | None = None,
    transient: dict[str, str] | None = None,
    defaults: dict[str, str] | None = None,
    meta: dict[str, str] | None = None,
) -> str:
    """What a CIB answers. An operation of the ``history`` on n1 is its name, interval, result and number of call."""

    def pairs(values: dict[str, str] | None) -> str:
        return "".join(f'<nvpair id="i" name="{name}" value="{value}"/>' for name, value in (values or {}).items())

    def operation(said: str) -> str:
        name, interval, rc, call = said.split()
        return (
            f'<lrm_rsc_op id="web_{name}" operation="{name}" interval="{interval}" rc-code="{rc}" call-id="{call}" '
            f'on_node="n1"/>'
        )

    return f"""<xpath-query>
    <crm_config><cluster_property_set id="o">{pairs(options)}</cluster_property_set></crm_config>
    <rsc_defaults><meta_attributes id="d">{pairs(defaults)}</meta_attributes></rsc_defaults>
    <node id="1" uname="n1"><instance_attributes id="n">{pairs(node)}</instance_attributes></node>
    {_RESOURCE.format(type="vm", meta=pairs(meta)) if guest else ""}
    <transient_attributes id="1"><instance_attributes id="t">{pairs(transient)}</instance_attributes>
    </transient_attributes>
    <lrm_resource id="web" type="vm" class="ocf" provider="drover">{"".join(map(operation, history))}</lrm_resource>
    </xpath-query>"""


@pytest.mark.parametrize(
    "history",
    [
        RUNS,
        ("monitor 0 0 11", "monitor 10000 0 12"),  # found running by a probe
        ("stop 0 0 20", "migrate_from 0 0 21", "monitor 10000 0 22"),  # gone, and back
        ("start 0 0 25", "monitor 10000 193 -1"),  # its first monitor
        ("start 0 0 25", "monitor 10000 0 26", "reload-agent 0 0 27"),
        ("asyncmon 0 1 30", "stop 0 0 31", "start 0 0 32"),  # failed before, and started since
    ],
)
def test_the_end_of_what_runs_is_told(history: tuple[str, ...]) -> None:
    found = charge(answer(*history), "web", "n1")
    assert found.resource is not None and not found.why
    assert (found.resource.type, dict(found.resource.params)) == ("vm", {"definition": "{}"})


@pytest.mark.parametrize(
    ("history", "why"),
    [
        ((), "does not take it to run on n1"),
        (("monitor 0 7 9",), "knows that it failed"),
        (("start 0 0 25", "monitor 10000 0 26", "stop 0 0 27"), "does not take it to run on n1"),
        (("start 0 0 25", "monitor 10000 0 26", "migrate_to 0 0 27"), "does not take it to run on n1"),
        (("start 0 193 -1",), "is at work with it: start"),
        ((*RUNS, "stop 0 193 -1"), "is at work with it: stop"),
        ((*RUNS, "migrate_to 0 193 -1"), "is at work with it: migrate_to"),
        ((*RUNS, "migrate_from 0 193 -1"), "is at work with it: migrate_from"),
        ((*RUNS, "reload-agent 0 193 -1"), "is at work with it: reload-agent"),
        ((*RUNS, "monitor 0 193 -1"), "is at work with it: monitor"),  # a probe
        ((*RUNS, "asyncmon 0 1 30"), "knows that it failed"),
        (("start 0 0 25", "monitor 10000 7 26"), "knows that it failed"),
        ((*RUNS, "migrate_to 0 1 30"), "knows that it failed"),  # blocked, for somebody to look at
    ],
)
def test_what_the_cluster_is_at_work_with_or_does_not_take_to_run_is_not_told(
    history: tuple[str, ...], why: str
) -> None:
    found = charge(answer(*history), "web", "n1")
    assert found.resource is None and why in found.why


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"options": {"maintenance-mode": "true"}}, "told to leave all guests alone"),
        ({"node": {"maintenance": "on"}}, "leave the guests of n1 alone"),
        ({"transient": {"maintenance": "true"}}, "leave the guests of n1 alone"),
        ({"transient": {"shutdown": "1795340822"}}, "n1 is going down"),
        ({"meta": {"maintenance": "true"}}, "told to leave it alone"),
        ({"meta": {"is-managed": "false"}}, "told to leave it alone"),
        ({"defaults": {"is-managed": "false"}}, "told to leave it alone"),
        ({"meta": {"target-role": "Stopped"}}, "to be stopped"),
        ({"guest": False}, "no such guest"),
    ],
)
def test_what_the_cluster_is_told_to_leave_alone_is_not_told(settings: dict[str, Any], why: str) -> None:
    found = charge(answer(*RUNS, **settings), "web", "n1")
    assert found.resource is None and why in found.why


@pytest.mark.parametrize(
    "settings",
    [
        {"options": {"maintenance-mode": "false"}},
        # A node that is being emptied: its guests run until they have left.
        {"node": {"standby": "on"}},
        {"transient": {"shutdown": "0"}},
        {"meta": {"is-managed": "true", "priority": "10"}},
        {"defaults": {"is-managed": "false"}, "meta": {"is-managed": "true"}},
    ],
)
def test_other_settings_change_nothing(settings: dict[str, Any]) -> None:
    assert charge(answer(*RUNS, **settings), "web", "n1").resource is not None


def test_what_is_asked_for_is_all_that_tells(cib_guests: str) -> None:
    """Of a CIB of Pacemaker's own, as its XPath does not run here: that each part is there under that name."""
    for part in question("mc", "n2").split("|"):
        name = part.rpartition("/")[2].partition("[")[0]
        assert f"<{name}" in cib_guests or name == "rsc_defaults"
    assert charge(cib_guests, "mc", "n2").resource is not None
    assert charge(cib_guests, "web", "n2").why and charge(cib_guests, "mc", "n3").why


@pytest.fixture
def cib_guests() -> str:
    return (Path(__file__).parents[1] / "data/pacemaker/cib-guests.xml").read_text()
