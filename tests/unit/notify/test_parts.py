# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The notifier's spool, and its receivers by the real apprise."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.notify import receivers
from ansible_collections.cspp.drover.plugins.module_utils.notify.spool import Event, Spool, alert
from ansible_collections.cspp.drover.plugins.modules import drill_record, notify_check
from ansible_collections.cspp.drover.tests.unit import nodes
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.needed import needed

SECRET = "s3cr3t-of-nobody"


def told(kind: str, node: str, when: str) -> dict[str, str]:
    return {"CRM_alert_kind": kind, "CRM_alert_node": node, "CRM_alert_timestamp_epoch": when}


def test_what_alerts_leave_is_taken_once(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    # Where no notifier is, an alert does nothing, and does not fail.
    assert alert(told("node", "n1", "7"), folder) == 0
    spool = Spool(folder)
    assert folder.stat().st_mode & 0o777 == 0o730
    assert alert(told("node", "n2", "8"), folder) == 0
    assert alert(told("fencing", "n1", "7"), folder) == 0
    spool.wait(5)
    assert spool.take() == [Event("fencing", "n1", 7.0), Event("node", "n2", 8.0)]
    assert spool.take() == []


def test_what_is_no_event_is_thrown_away(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "secret").write_text(json.dumps({"kind": "node", "node": "n1", "when": 1}))
    (tmp_path / "spool" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "spool" / "pipe")
    (tmp_path / "spool" / "words").write_text("no JSON")
    (tmp_path / "spool" / "list").write_text("[1]")
    (tmp_path / "spool" / "name").write_text(json.dumps({"kind": "node", "node": "../n1", "when": 1}))
    (tmp_path / "spool" / "long").write_text(json.dumps({"kind": "node", "node": "n" * 9999, "when": 1}))
    assert spool.take() == []
    assert list((tmp_path / "spool").iterdir()) == []
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"ops": f"mailto://user:{SECRET}@example.org"}, None),
        ({"ops": f"{SECRET}@example.org"}, "ops: it is no URL"),
        ({"ops": f"json://a b {SECRET}"}, "ops: it is no URL"),
        ({"ops": ""}, "ops: it is no URL"),
        ({"o p s": "json://example.org"}, "a name has letters"),
        ([f"json://{SECRET}"], "no mapping"),
    ],
)
def test_receivers_that_cannot_be_are_named_without_their_urls(declared: Any, words: str | None) -> None:
    found = receivers.malformed(declared)
    assert bool(found) == bool(words)
    assert (words or "") in "".join(found)
    assert SECRET not in "".join(found)


def test_a_message_that_cannot_be_sent_says_why_and_shows_no_url() -> None:
    said: list[tuple[Any, Any]] = []

    def runner(argv: list[str], *, stdin: str, timeout: float) -> CommandResult:
        said.append((argv, stdin))
        raise CommandError("it failed", CommandResult(tuple(argv), 1, "", "its server did not take it"))

    assert receivers.deliver("ops", "Cluster", "Something.", "info", runner) == "its server did not take it"
    [(argv, stdin)] = said
    assert argv[1:] == ["send"]
    assert json.loads(stdin) == {"receiver": "ops", "title": "Cluster", "body": "Something.", "severity": "info"}


class Sink(HTTPServer):
    """Takes what apprise sends as JSON."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


PROGRAM = """
import json, sys
from pathlib import Path
from ansible_collections.cspp.drover.plugins.module_utils.notify import receivers
known = receivers.receivers(Path(sys.argv[1]))
print(json.dumps({name: receivers.fault(url) for name, url in known.items()}))
sys.exit(receivers.send_main(Path(sys.argv[1])))
"""


def test_apprise_judges_urls_and_sends_messages(sink: Sink, tmp_path: Path) -> None:
    # The system's Python has it, on nodes as here; the virtual environment has not.
    needed("apprise")
    declared = {"ops": f"json://user:{SECRET}@127.0.0.1:{sink.server_port}/", "bad": f"nosuch://{SECRET}"}
    file = tmp_path / "notify.json"
    file.write_text(json.dumps({"receivers": declared}))
    here = Path(receivers.__file__).parents[6]
    said = {"receiver": "ops", "title": "Cluster c", "body": "n1 was lost.", "severity": "failure"}
    done = subprocess.run(
        ["/usr/bin/python3", "-c", PROGRAM, str(file)],
        input=json.dumps(said),
        env={**os.environ, "PYTHONPATH": str(here), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    faults = json.loads(done.stdout)
    assert faults["ops"] == ""
    assert "apprise makes nothing of it" in faults["bad"]
    assert SECRET not in done.stdout + done.stderr
    assert [(one["title"], one["message"], one["type"]) for one in sink.got] == [
        ("Cluster c", "n1 was lost.", "failure")
    ]


def test_the_module_refuses_without_a_word_of_the_url(call: Call) -> None:
    told = call(notify_check, receivers={"ops": f"{SECRET} at example.org"})
    assert told["failed"]
    assert "nobody could be told: ops: it is no URL" in told["msg"]
    assert SECRET not in json.dumps(told)
    # In the virtual environment there is no apprise: a dry run judges by the form, and sends nothing.
    fine = {"ops": f"json://user:{SECRET}@example.org"}
    assert call(notify_check, check=True, receivers=fine, test=True)["sent"] == []
    assert "has no apprise" in call(notify_check, receivers=fine)["msg"]


def test_site_refuses_receivers_that_cannot_be_before_it_reaches_for_a_node(tmp_path: Path) -> None:
    hosts = nodes.inventory(tmp_path, {"n1": nodes.DEAD})
    bad = json.dumps({"notify_receivers": {"ops": SECRET, "fine": "json://example.org"}})
    done = nodes.ansible("ansible-playbook", "-i", str(hosts), "playbooks/site.yml", "-e", bad, folder=tmp_path)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2
    assert "Nothing was touched, for nobody could be told: ops: it is no URL" in said
    assert SECRET not in said
    assert "unreachable=0" in said


def test_a_drill_is_put_on_record(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr(book, "record", written.append)
    guests = [{"name": "mc", "answered": 7.25}, {"name": "web", "answered": None}]
    outcome = {
        "drill": "power",
        "variant": "off",
        "node": "n1",
        "when": 1_795_946_400.0,
        "seconds": 30.0,
        "guests": guests,
    }
    assert call(drill_record, check=True, outcome={**outcome, "wrong": []})["changed"] is False
    assert written == []
    call(drill_record, outcome={**outcome, "wrong": []})
    call(drill_record, outcome={**outcome, "wrong": ["mc ran twice"]})
    assert "no outcome of a drill" in call(drill_record, outcome={"drill": "power"})["msg"]
    assert [(one["result"], one["reason"]) for one in written] == [
        ("well", "drill power (off): all as it should be"),
        ("wrong", "mc ran twice"),
    ]
    assert (written[0]["struck"], written[0]["answered"], written[0]["started"]) == (
        "n1",
        {"mc": 7.25},
        "2026-11-29T10:00:00.000Z",
    )
