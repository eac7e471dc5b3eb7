# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console at its address, also when the node that serves it loses its power."""

from __future__ import annotations

import http.client
import ssl
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab, wait_until_answering
from ..plays import succeed, variable
from .reaching import DECLARED, PORT, answers, ask, console_address, page_url, password

pytestmark = pytest.mark.stage("console")

#: Seconds from a power cut to an answer: noticed, fenced, the address started elsewhere (profile fast). And from a
#: question to the answer of a node that has no quorum.
LIMIT, ALONE = 10.0, 2.0


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
    lose_the_address(lab)


@pytest.fixture
def on_its_way(lab: Lab, declared: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A node that does not serve the address, from which a VM takes its time to leave, in a cluster that notices a
    loss soon (profile fast) and is not led by the node that serves; and as it was.

    A cluster whose leader is lost has a new one, which waits for nothing that is under way. The others are the hard
    case.
    """
    succeed("site", **DECLARED, cluster_timing="fast")
    if served_by() == lab.status().dc:
        lose_the_address(lab)
    server = served_by()
    node, other = (name for name in lab.nodes if name != server)
    # Towards the node that is lost no move would go on.
    slow = {"migration": {"bandwidth": "2MiB", "max_downtime": "300ms"}, "placement": {"prefer": [node, other]}}
    succeed("guests", guests={**declared, "game": {**declared["game"], **slow}})
    if lab.where("game") != node:
        succeed("migrate", guest="game", to=node)
    yield node
    lab.power(server, "on")
    wait_for(
        lambda: {one.name for one in lab.status().nodes if one.usable},
        lambda back: back >= set(lab.nodes) - {node},
        what=f"the return of {server}",
        timeout=180,
    )
    succeed("maintenance", node=node, state="off")
    lab.wait_for_members(timeout=60)
    succeed("site", **DECLARED)


def served_by() -> str:
    server: str = ask(console_address(), "/cluster")[1]["cluster"]["served_by"]
    return server


def lose_the_address(lab: Lab) -> None:
    """Have the console of the node that serves stop answering, until another node serves."""
    server = served_by()
    lab.ssh(server)(["systemctl", "stop", "drover-steward"])

    def elsewhere() -> bool:
        status, look = ask(console_address(), "/cluster")
        return status == 200 and look["cluster"]["served_by"] != server

    try:
        wait_for(elsewhere, bool, what="an answer from another node", timeout=20)
    finally:
        lab.ssh(server)(["systemctl", "start", "drover-steward"])


class Operator:
    """Somebody who has logged in with a password, in a browser that keeps cookies and comes back to the address."""

    def __init__(self) -> None:
        self._page = page_url()
        self._cookies = httpx.Cookies()
        self.ask("POST", "session", {"user": "operator", "password": password("operator")})

    def ask(self, method: str, path: str, document: Any = None, *, patience: float = 30) -> Any:
        """The answer, which has to be a good one. Raises httpx.HTTPError."""
        headers = {"Origin": self._page.rstrip("/"), "Idempotency-Key": uuid.uuid4().hex}
        with httpx.Client(verify=False, timeout=patience, cookies=self._cookies) as client:
            answer = client.request(method, f"{self._page}api/v1/{path}", json=document, headers=headers)
            self._cookies.update(client.cookies)
        return answer.raise_for_status().json()

    def answered(self) -> bool:
        """Whether the page knows them still."""
        try:
            return bool(self.ask("GET", "session", patience=2)["user"] == "operator")
        except httpx.TransportError:
            return False

    def sees(self, operation: str) -> Any:
        """The operation as the page shows it; None while it cannot tell."""
        try:
            return self.ask("GET", f"operations/{operation}", patience=5)["operation"]
        except httpx.HTTPError:
            return None


def test_a_drain_outlives_the_node_that_was_asked_for_it(lab: Lab, on_its_way: str) -> None:
    operator, server = Operator(), served_by()
    asked = operator.ask("POST", f"nodes/{on_its_way}/drain")["operation"]
    wait_for(lambda: lab.migrating("game"), bool, what="the beginning of the move", timeout=30)
    began = time.monotonic()
    lab.power(server, "off")
    # What is on its way from before the cut is no answer.
    time.sleep(0.5)
    wait_for(operator.answered, bool, what="an answer to who is logged in", timeout=LIMIT, interval=0.1)
    print(f"answered {time.monotonic() - began:.1f} s after the power cut")
    assert served_by() != server

    # The cluster would have waited for the end of the move.
    assert lab.last_move("game", on_its_way)["gave_way"]
    found = wait_for(lambda: operator.sees(asked["id"]), bool, what="the drain on another node's page", timeout=10)
    assert (found["id"], found["verb"], found["subject"], found["since"]) == tuple(
        asked[key] for key in ("id", "verb", "subject", "since")
    )
    ended = wait_for(
        lambda: operator.sees(asked["id"]),
        lambda it: it is not None and it["state"] != "running",
        what="the end of the drain",
        timeout=180,
    )
    assert ended["state"] == "done", ended
    assert lab.where_it_runs("game") != on_its_way


def test_without_quorum_each_node_tells_so_itself(lab: Lab) -> None:
    left, *others = lab.nodes
    address = lab.nodes[left].address
    for node in others:
        lab.power(node, "off")
    try:

        def alone() -> bool:
            status, look = ask(address, "/cluster")
            return status == 200 and look["cluster"]["quorum"] is False

        wait_for(alone, bool, what="a page that knows of the loss", timeout=60)
        began = time.monotonic()
        status, look = ask(address, "/cluster")
        assert (status, time.monotonic() - began < ALONE) == (200, True)
        assert {node["name"]: node["state"] for node in look["nodes"]}[left] == "online"
        status, refused = ask(address, f"/nodes/{left}/drain", "POST", **{"Idempotency-Key": uuid.uuid4().hex})
        assert status >= 400 and "quorum" in refused["error"]["message"] and refused["error"]["remedy"]
    finally:
        for node in others:
            lab.power(node, "on")
        lab.wait_for_members(timeout=180)
    for guest in variable("guests").values():
        wait_until_answering(guest, timeout=90)
