# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""People are told what happens, once each, also when the node that would tell is the one that dies; and what Prometheus
is told meanwhile."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..console.reaching import DECLARED, TOKEN, ask
from ..lab import Lab
from ..plays import play, succeed
from ..stages import sample

pytestmark = pytest.mark.stage("console")

SECRET = "s3cr3t-of-the-lab"
#: Seconds in which a message that has come could come a second time: all turns of the nodes' notifiers, or these twice.
AGAIN = sample(60.0, 150.0)


class Sink(ThreadingHTTPServer):
    """Takes what apprise sends as JSON, with the time at which it came."""

    def __init__(self, address: str) -> None:
        self.got: list[tuple[float, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.got.append((time.monotonic(), said["message"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        super().__init__((address, 0), Handler)

    def of(self, words: str) -> list[str]:
        return [text for _when, text in self.got if words in text]


@pytest.fixture(scope="module")
def sink(lab: Lab) -> Iterator[Sink]:
    with Sink(lab.description["gateway"]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def told(lab: Lab, sink: Sink) -> Iterator[dict[str, Any]]:
    """The variables with which people are told."""
    url = f"json://drover:{SECRET}@{lab.description['gateway']}:{sink.server_port}/"
    found = {**DECLARED, "notify_receivers": {"sink": url}}
    outcome = succeed("site", notify_test=True, **found)
    assert SECRET not in outcome.output
    yield found
    succeed("site", **DECLARED)
    for node in lab.nodes:
        assert lab.ssh(node)(["systemctl", "is-active", "drover-notify"], ok=None).stdout.strip() == "inactive"
        assert lab.ssh(node)(["test", "-e", "/etc/drover/notify.json"], ok=None).rc == 1
    assert "drover-notify-alert" not in lab.cib()


def comes(sink: Sink, words: str, timeout: float) -> str:
    """The one message with these words, as soon as it is there."""
    found: list[str] = wait_for(lambda: sink.of(words), bool, what=f"a message about {words}", timeout=timeout)
    [text] = found
    return text


def metrics(address: str) -> dict[str, float]:
    """What Prometheus would be told, by name and labels."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, 8443, timeout=5, context=context)
    connection.request("GET", "/api/v1/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert answer.status == 200
    lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_a_receiver_that_cannot_be_is_refused_before_anything_is_touched(lab: Lab) -> None:
    before = lab.version()
    for url, words in (
        (f"{SECRET} is no URL", "bad: it is no URL"),
        (f"nosuch://{SECRET}", "bad: apprise makes nothing"),
    ):
        outcome = play("site", **DECLARED, notify_receivers={"bad": url})
        assert outcome.rc != 0
        assert words in outcome.told
        assert SECRET not in outcome.output
        for node in lab.nodes:
            assert lab.ssh(node)(["test", "-e", "/etc/drover/notify.json"], ok=None).rc == 1
    assert lab.version() == before


def test_a_test_message_comes_and_a_second_run_changes_nothing(lab: Lab, sink: Sink, told: dict[str, Any]) -> None:
    assert len(sink.of("This is a test")) == 1
    assert succeed("site", **told).changed == set()
    for node in lab.nodes:
        there = lab.ssh(node)
        assert there(["stat", "-c", "%a %U", "/etc/drover/notify.json"]).stdout.split() == ["600", "root"]
        assert SECRET not in there(["ps", "-eo", "args"]).stdout
        # journalctl would log the words that it was asked for.
        assert SECRET not in there(["journalctl", "--no-pager", "--output=cat", "--since=-10min"]).stdout


def test_a_guest_that_ends_is_told_once(lab: Lab, sink: Sink, told: dict[str, Any]) -> None:
    there = lab.where("game")
    lab.ssh(there)(["sh", "-c", "kill -KILL $(cat /run/libvirt/qemu/game.pid)"])
    text = comes(sink, "game ended", 90)
    assert f"VM game ended on {there}, and nobody had asked for that; it was started again" in text


def test_an_empty_node_is_told(lab: Lab, sink: Sink, told: dict[str, Any]) -> None:
    node = next(iter(lab.nodes))
    succeed("maintenance", node=node, state="on")
    try:
        text = comes(sink, f"{node} is in maintenance and empty", 90)
        assert f"playbooks/maintenance.yml -e node={node} -e state=off" in text
    finally:
        succeed("maintenance", node=node, state="off")


def test_the_node_that_would_tell_loses_its_power_and_that_is_told_once(
    lab: Lab, sink: Sink, told: dict[str, Any]
) -> None:
    # The first by name is the one that tells.
    first = min(lab.nodes)
    lab.power(first, "off")
    try:
        text = comes(sink, f"{first} was lost", 120)
        assert "cut its power" in text
        assert f"{first} is switched on again by itself" in text or f"{first} is up again" in text
    finally:
        lab.power(first, "on")
        lab.wait_for_members(timeout=240)
    until = time.monotonic() + AGAIN
    while time.monotonic() < until:
        assert len(sink.of(f"{first} was lost")) == 1
        time.sleep(5)
    status, found = ask(lab.nodes[first].address, "/failovers")
    assert status == 200
    newest = found["failovers"][0]
    assert newest["node"] == first
    assert [step["what"] for step in newest["steps"]][:2] == ["noticed", "fenced"]


def test_numbers_are_there_also_during_a_move(lab: Lab, told: dict[str, Any]) -> None:
    target = next(node for node in lab.nodes if node != lab.where("game"))
    moved = threading.Thread(target=lambda: succeed("migrate", guest="game", to=target))
    moved.start()
    slowest, seen = 0.0, []
    try:
        while moved.is_alive():
            for node in lab.nodes.values():
                began = time.monotonic()
                found = metrics(node.address)
                slowest = max(slowest, time.monotonic() - began)
                seen.append('drover_guest_cpu_seconds_total{guest="game",kind="vm"}' in found)
            time.sleep(0.5)
    finally:
        moved.join()
    assert slowest < 3
    assert any(seen)

    def everywhere() -> bool:
        all_of_them = [metrics(node.address) for node in lab.nodes.values()]
        where = [one for one in all_of_them if 'drover_guest_cpu_seconds_total{guest="game",kind="vm"}' in one]
        return len(where) == 1 and all(one["drover_drift_known"] == 1 for one in all_of_them)

    wait_for(everywhere, bool, what="one node alone that tells of the VM", timeout=60)
    numbers = metrics(next(iter(lab.nodes.values())).address)
    assert numbers["drover_quorum"] == 1
    assert numbers["drover_drifted_guests"] == 0
    assert numbers['drover_moves_total{kind="vm",result="moved"}'] >= 1
    assert numbers["drover_stories_untold"] == 0


def drifted(lab: Lab) -> Callable[[], list[str]]:
    return lambda: sorted(ask(lab.nodes["node1"].address, "/cluster")[1]["declaration"]["drift"] or {})


def test_what_is_changed_by_hand_has_drifted(lab: Lab, told: dict[str, Any]) -> None:
    succeed("guests")
    assert drifted(lab)() == []
    lab.ssh("node1")(
        ["crm_resource", "--resource", "game", "--meta", "--set-parameter", "priority", "--parameter-value", "7"]
    )
    wait_for(drifted(lab), lambda names: names == ["game"], what="drift", timeout=20)
    document = succeed("status", "-eformat=json").output
    assert "update resource game" in document
    succeed("guests")
    wait_for(drifted(lab), lambda names: names == [], what="the end of the drift", timeout=20)


@pytest.mark.whole
def test_the_exporters_answer_and_go(lab: Lab, told: dict[str, Any]) -> None:
    succeed("site", **told, monitoring_enabled=True)
    assert succeed("site", **told, monitoring_enabled=True).changed == set()
    for node in lab.nodes.values():
        for port, words in ((9100, "node_memory_MemTotal_bytes"), (9664, "ha_cluster_pacemaker_nodes")):
            there = lab.ssh(node.name)
            fetch = (
                f"import urllib.request as u; print(u.urlopen('http://{node.address}:{port}/metrics').read().decode())"
            )
            assert words in there(["python3", "-c", fetch], timeout=30).stdout
    succeed("site", **told)
    for name in lab.nodes:
        running = lab.ssh(name)(["systemctl", "is-active", "prometheus-node-exporter"], ok=None).stdout.strip()
        assert running == "inactive"


def test_every_message_has_come_once(sink: Sink, told: dict[str, Any]) -> None:
    texts = [text for _when, text in sink.got]
    assert len(texts) == len(set(texts)), texts
