# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console at its address, also when the node that serves it loses its power."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab
from ..plays import ROOT, play, variable

pytestmark = pytest.mark.stage("console")

#: The token of molecule/console/console.json, which has its digest.
TOKEN = "drv_" + "a" * 43
DECLARED = json.loads((ROOT / "molecule" / "console" / "console.json").read_text(encoding="utf-8"))
ADDRESS = DECLARED["console_address"].partition("/")[0]
#: Seconds from a power cut to an answer: noticed, fenced, the address started elsewhere (profile safe).
LIMIT = 20.0


def ask(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    """Status and document of an answer; 0 while nobody answers."""
    context = ssl.create_default_context()
    # The lab's authority is nobody's; names and authority are looked at in a test of their own.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, 8443, timeout=2, context=context)
    try:
        connection.request(method, f"/api/v1{path}", headers={"Authorization": f"Bearer {TOKEN}", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()


def answers(address: str) -> Callable[[], bool]:
    return lambda: ask(address, "/cluster")[0] == 200


def test_a_second_run_changes_nothing() -> None:
    assert play("site", **DECLARED).changed == set()


def test_every_node_and_the_address_answer(lab: Lab) -> None:
    for address in (ADDRESS, *(lab.nodes[node].address for node in lab.nodes)):
        wait_for(answers(address), bool, what=f"an answer from {address}", timeout=30)
    status, look = ask(ADDRESS, "/cluster")
    assert status == 200
    assert {node["name"] for node in look["nodes"]} == set(lab.nodes)
    assert {guest["name"] for guest in look["guests"]} == set(variable("guests"))


def test_the_certificate_is_good_for_the_address(lab: Lab) -> None:
    authority = lab.ssh("node1")(["cat", "/etc/drover/secrets/console-ca.crt"]).stdout
    context = ssl.create_default_context(cadata=authority)
    connection = http.client.HTTPSConnection(ADDRESS, 8443, timeout=5, context=context)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200


def test_the_console_can_read_no_secret(lab: Lab) -> None:
    for path in ("/etc/drover/secrets/console.key", "/etc/drover/pki/node.key", "/etc/drover/console/users.json"):
        tried = ["runuser", "-u", "drover-console", "--", "cat", path]
        assert lab.ssh("node1")(tried, ok=None).rc != 0


def test_a_console_that_does_not_answer_loses_the_address(lab: Lab) -> None:
    server = ask(ADDRESS, "/cluster")[1]["cluster"]["served_by"]
    lab.ssh(server)(["systemctl", "stop", "drover-steward"])

    def elsewhere() -> bool:
        status, look = ask(ADDRESS, "/cluster")
        return status == 200 and look["cluster"]["served_by"] != server

    try:
        wait_for(elsewhere, bool, what="an answer from another node", timeout=LIMIT)
    finally:
        lab.ssh(server)(["systemctl", "start", "drover-steward"])


def test_the_address_answers_again_after_a_power_cut(lab: Lab) -> None:
    server = ask(ADDRESS, "/cluster")[1]["cluster"]["served_by"]
    began = time.monotonic()
    lab.power(server, "off")
    try:
        # What is on its way from before the cut is no answer.
        time.sleep(0.5)
        wait_for(answers(ADDRESS), bool, what="an answer at the address", timeout=LIMIT, interval=0.1)
        print(f"answered {time.monotonic() - began:.1f} s after the power cut")
        assert ask(ADDRESS, "/cluster")[1]["cluster"]["served_by"] != server
    finally:
        lab.power(server, "on")
        lab.wait_for_members(timeout=180)
