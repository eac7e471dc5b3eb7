# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory of guests, as Ansible reads it from nodes that answer and nodes that do not."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.inventory.guests import groups_of, variables
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.plugin_utils.remote import Silent, first_answer
from ansible_collections.cspp.drover.tests.unit import nodes
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB

HERE: dict[str, Any] = {}


def listed(
    folder: Path, *options: str, hosts: dict[str, Any] | None = None, arguments: tuple[str, ...] = ("--list",)
) -> subprocess.CompletedProcess[str]:
    """What `ansible-inventory` says with these lines in the file of the guests."""
    file = folder / "guests.drover.yml"
    file.write_text("\n".join(["plugin: cspp.drover.guests", *options]))
    known = nodes.inventory(folder, {"n2": nodes.DEAD, "n1": HERE} if hosts is None else hosts)
    return nodes.ansible("ansible-inventory", "-i", str(known), "-i", str(file), *arguments, folder=folder)


def plain(value: Any) -> Any:
    """What was told, without the marks that it is nobody's template."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {k: plain(v) for k, v in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = plain(json.loads(done.stdout))
    return found


def test_guests_are_hosts_and_a_node_that_is_down_is_passed_over(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    found = read(
        listed(
            tmp_path,
            "keyed_groups: [{key: drover_kind, prefix: is}]",
            "compose: {ansible_user: \"'debian' if drover_kind == 'vm' else 'root'\"}",
            "filters: [\"drover_node == 'n2'\"]",
            "hostname: \"'guest-' ~ drover_name\"",
            "include_nodes: true",
        )
    )
    assert found["guests"]["hosts"] == ["guest-mc"]
    known = found["_meta"]["hostvars"]["guest-mc"]
    assert (known["drover_node"], known["drover_state"], known["ansible_user"]) == ("n2", "running", "debian")
    assert [way["host"] for way in known["drover_nodes"]] == ["127.0.0.1", "n1"]
    for group in ("drover_kind_vm", "drover_state_running", "drover_node_n2", "is_vm"):
        assert found[group]["hosts"] == ["guest-mc"]
    assert found["_meta"]["hostvars"]["n1"]["drover_state"] == "online"


def test_what_a_guest_is_called_is_nobodys_template(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    evil = "{{ lookup('pipe', 'touch " + str(tmp_path / "taken") + "') }}"
    (tmp_path / "cib.xml").write_text(
        CIB.replace("&quot;kind&quot;", f"&quot;description&quot;: &quot;{evil}&quot;, &quot;kind&quot;")
    )
    (tmp_path / "bin" / "cibadmin").write_text(f"#!/bin/sh\nexec cat {tmp_path}/cib.xml\n")
    listing = read(listed(tmp_path, "compose: {what: drover_description}"))
    assert listing["_meta"]["hostvars"]["mc"]["what"] == evil
    hosts = ["-i", str(tmp_path / "hosts.json"), "-i", str(tmp_path / "guests.drover.yml")]
    spoken = nodes.ansible(
        "ansible", "mc", *hosts, "-m", "debug", "-a", "msg='{{ drover_description }}'", folder=tmp_path
    )
    assert "lookup" in spoken.stdout
    assert not (tmp_path / "taken").exists()


def test_nobody_answers_and_each_node_has_its_cause(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    (tmp_path / "bin" / "cibadmin").write_text("#!/bin/sh\necho 'no corosync' >&2\nexit 102\n")
    done = listed(tmp_path)
    assert "n2: " in done.stderr
    assert "n1: " in done.stderr
    assert "No node tells which guests there are" in done.stderr


def test_the_cache_spares_the_question_and_helps_where_nobody_answers(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    cached = ("cache: true", "cache_plugin: jsonfile", f"cache_connection: {tmp_path}/cache", "silent: cache")
    first = read(listed(tmp_path, *cached))
    asked = (tmp_path / "asked").read_text()
    assert read(listed(tmp_path, *cached))["guests"] == first["guests"]
    assert (tmp_path / "asked").read_text() == asked
    done = listed(tmp_path, *cached, hosts={"n2": nodes.DEAD}, arguments=("--list", "--flush-cache"))
    assert read(done)["guests"] == first["guests"]
    assert "the cache does" in done.stderr


def test_without_nodes_the_order_is_the_remedy(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    assert "Give the file of the nodes before this one" in " ".join(listed(tmp_path, hosts={}).stderr.split())


def test_two_hosts_of_one_name_are_refused(tmp_path: Path) -> None:
    nodes.tools(tmp_path)
    done = listed(tmp_path, hosts={"mc": HERE})
    assert "Guest mc is to be called mc in the inventory, and another host is" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("state", "node", "groups"),
    [
        ("running", "lab-1", ["drover_kind_vm", "drover_state_running", "drover_node_lab_1", "drover_tag_web"]),
        ("stopped (declared)", None, ["drover_kind_vm", "drover_state_stopped_declared", "drover_tag_web"]),
    ],
)
def test_names_of_groups_are_such_that_ansible_takes_them(state: str, node: str | None, groups: list[str]) -> None:
    plain_values = {"name": "mc", "kind": "vm", "ha": True, "priority": 0, "memory": 1, "vcpus": 1}
    guest = {**plain_values, "state": state, "addresses": [], "description": "", "tags": ["web"]}
    assert groups_of(variables({**guest, "nodes": [node] if node else []})) == groups


def test_a_node_that_is_slow_keeps_nobody_waiting() -> None:
    def ask(node: str) -> str:
        if node == "dead":
            raise CommandError("no route")
        if node == "slow":
            time.sleep(5)
        return node

    begun = time.monotonic()
    assert first_answer(["dead", "slow", "n3"], ask, lambda _answer: True, head_start=0.1) == ("n3", "n3")
    assert first_answer(["dead", "n3"], ask, lambda answer: answer == "none") == ("n3", "n3")
    assert time.monotonic() - begun < 3
    with pytest.raises(Silent, match="dead: no route"):
        first_answer(["dead"], ask, lambda _answer: True)
