# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Orders within playbooks that safety hangs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
ROLES = PLAYBOOKS.parent / "roles"


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


def test_sbd_is_looked_at_between_membership_and_the_levels_and_goes_after_them() -> None:
    play = plays("site.yml")[0]
    found = tasks_of(play)
    # It comes with corosync. And as long as a level counts on it, its start with the next boot has to be certain.
    assert found.index(("fencing", "running")) < found.index(("cluster", "policy")) < found.index(("fencing", "none"))
    assert "cspp.drover.cluster" in play["roles"]
    assert (
        next(task["when"] for task in play["tasks"] if task["name"] == "No SBD") == "fencing_sbd_devices | length == 0"
    )
    assert "sbd_packages" not in play["vars"]["node_packages_ahead"]


def test_sbd_is_configured_before_its_package_enables_it() -> None:
    names = [task["name"] for task in yaml.safe_load((ROLES / "fencing/tasks/sbd.yml").read_text())]
    order = ["Refuse what SBD cannot work with", "Declare SBD", "Packages of SBD", "Lay out disks that are empty"]
    assert [name for name in names if name in order] == order
    assert names[-2:] == ["Refuse disks that not all nodes share", "Start SBD with the cluster"]
    leaving = next(play for play in plays("node_remove.yml") if "drover_leaving" in str(play.get("hosts")))
    # While corosync runs, it needs it.
    assert tasks_of(leaving)[-2:] == [("cluster", "leave"), ("fencing", "none")]


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


def tasks_of(play: dict[str, Any]) -> list[tuple[str, str]]:
    """The roles that a play's tasks import or include, in order, each with its part."""
    found = []
    for task in play.get("tasks", ()):
        role = task.get("ansible.builtin.import_role") or task.get("ansible.builtin.include_role")
        if role:
            found.append((role["name"].removeprefix("cspp.drover."), role.get("tasks_from", "main")))
    return found


def test_a_node_that_leaves_serves_no_console_any_more() -> None:
    leaving = next(play for play in plays("node_remove.yml") if "drover_leaving" in str(play.get("hosts")))
    found = tasks_of(leaving)
    # With its keys it would be asked to stop in vain.
    assert found.index(("console", "none")) < found.index(("cluster", "leave"))
    assert "when" not in next(task for task in leaving["tasks"] if task["name"] == "The console leaves the node")


def test_certificates_are_not_touched_for_a_console_that_is_not_there() -> None:
    first, last = plays("certificates.yml")[0], plays("certificates.yml")[-1]
    found = tasks_of(first)
    assert found.index(("console", "installed")) < found.index(("node", "trust"))
    asked = [task["when"] for play in (first, last) for task in play["tasks"] if task["name"] == "Console"]
    assert asked == ["console_enabled | default(false)"] * 2
    refusal = yaml.safe_load((ROLES / "console/tasks/installed.yml").read_text())[-1]["ansible.builtin.assert"]
    assert "playbooks/site.yml first" in refusal["fail_msg"]


def test_nobody_is_asked_to_take_a_node_out_of_ceph_but_a_monitor_that_stays() -> None:
    refusal, asking = yaml.safe_load((ROLES / "ceph/tasks/removal.yml").read_text())
    assert refusal["ansible.builtin.assert"]["that"] == "__ceph_asked | length > 0"
    assert "CEPH_MON_ALONE" in refusal["ansible.builtin.assert"]["fail_msg"]
    assert asking["delegate_to"] == "{{ __ceph_asked | first }}"


def test_corosync_hears_of_a_quorum_device_between_its_certificates_and_its_daemon() -> None:
    site = plays("site.yml")[0]
    assert site["roles"].index("cspp.drover.qdevice") < site["roles"].index("cspp.drover.cluster")
    assert tasks_of(site)[0] == ("qdevice", "daemon")
