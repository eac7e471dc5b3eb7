# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console at its address, also when the node that serves it loses its power."""

from __future__ import annotations

import http.client
import ssl
import time

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab
from ..plays import variable
from .reaching import PORT, answers, ask, console_address

pytestmark = pytest.mark.stage("console")

#: Seconds from a power cut to an answer: noticed, fenced, the address started elsewhere (profile safe).
LIMIT = 20.0


def test_every_node_and_the_address_answer(lab: Lab) -> None:
    for address in (console_address(), *(lab.nodes[node].address for node in lab.nodes)):
        wait_for(answers(address), bool, what=f"an answer from {address}", timeout=30)
    status, look = ask(console_address(), "/cluster")
    assert status == 200
    assert {node["name"] for node in look["nodes"]} == set(lab.nodes)
    assert {guest["name"] for guest in look["guests"]} == set(variable("guests"))


def test_the_certificate_is_good_for_the_address(lab: Lab) -> None:
    authority = lab.ssh("node1")(["cat", "/etc/drover/secrets/console-ca.crt"]).stdout
    context = ssl.create_default_context(cadata=authority)
    connection = http.client.HTTPSConnection(console_address(), PORT, timeout=5, context=context)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200


def test_the_console_can_read_no_secret(lab: Lab) -> None:
    for path in ("/etc/drover/secrets/console.key", "/etc/drover/pki/node.key", "/etc/drover/console/users.json"):
        tried = ["runuser", "-u", "drover-console", "--", "cat", path]
        assert lab.ssh("node1")(tried, ok=None).rc != 0


def test_a_console_that_does_not_answer_loses_the_address(lab: Lab) -> None:
    server = ask(console_address(), "/cluster")[1]["cluster"]["served_by"]
    lab.ssh(server)(["systemctl", "stop", "drover-steward"])

    def elsewhere() -> bool:
        status, look = ask(console_address(), "/cluster")
        return status == 200 and look["cluster"]["served_by"] != server

    try:
        wait_for(elsewhere, bool, what="an answer from another node", timeout=LIMIT)
    finally:
        lab.ssh(server)(["systemctl", "start", "drover-steward"])


def test_the_address_answers_again_after_a_power_cut(lab: Lab) -> None:
    server = ask(console_address(), "/cluster")[1]["cluster"]["served_by"]
    began = time.monotonic()
    lab.power(server, "off")
    try:
        # What is on its way from before the cut is no answer.
        time.sleep(0.5)
        wait_for(answers(console_address()), bool, what="an answer at the address", timeout=LIMIT, interval=0.1)
        print(f"answered {time.monotonic() - began:.1f} s after the power cut")
        assert ask(console_address(), "/cluster")[1]["cluster"]["served_by"] != server
    finally:
        lab.power(server, "on")
        lab.wait_for_members(timeout=180)
