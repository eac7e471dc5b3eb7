# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as a sign of life at an address."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.peer import signs


class Wire:
    """ping and ip, as an address that answers so makes them answer."""

    def __init__(self, pinged: bool = False, card: bool = False) -> None:
        self.pinged, self.card = pinged, card
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], **_how: Any) -> CommandResult:
        self.asked.append(" ".join(argv[:4]))
        if argv[0] == "ping":
            return CommandResult(tuple(argv), 0 if self.pinged else 1, "", "")
        entry = {"dst": "192.0.2.1", "state": ["FAILED"]} | ({"lladdr": "52:54:00:00:00:01"} if self.card else {})
        return CommandResult(tuple(argv), 0, json.dumps([entry]) if "show" in argv else "", "")


@pytest.mark.parametrize(
    ("wire", "port", "seen"),
    [
        (Wire(), TimeoutError, []),
        (Wire(pinged=True), TimeoutError, ["192.0.2.1 answers a ping"]),
        # A firewall that lets no ping through does not answer for its card.
        (Wire(card=True), TimeoutError, ["a network card answers for 192.0.2.1"]),
        (Wire(), ConnectionRefusedError, [f"192.0.2.1 refuses port {port}" for port in (22, 16514, 16515)]),
        (Wire(), OSError, []),
    ],
)
def test_what_answers(monkeypatch: pytest.MonkeyPatch, wire: Wire, port: type[OSError], seen: list[str]) -> None:
    def connect(*_arguments: Any) -> None:
        raise port

    monkeypatch.setattr(signs, "_port", lambda address, number: signs_port(address, number, connect))
    assert signs.at("192.0.2.1", wire) == seen
    # What is remembered from before is forgotten first.
    assert wire.asked[0] == "ip neigh flush to"


signs_port = signs._port


def test_a_port_that_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert signs._port("127.0.0.1", port) == [f"127.0.0.1 answers at port {port}"]


def test_every_address_of_the_node_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "corosync.conf").write_text(
        "nodelist {\n node {\n  name: n1\n  ring0_addr: 192.0.2.1\n  ring1_addr: 198.51.100.1\n }\n"
        " node {\n  name: n2\n  ring0_addr: 192.0.2.2\n }\n}\n"
    )
    (tmp_path / "hosts").write_text(
        "# BEGIN nodes of the cluster\n203.0.113.1 n1\n192.0.2.2 n2\n# END nodes of the cluster\n"
    )
    monkeypatch.setattr(signs, "at", lambda address: [address])
    found = signs.of_node("n1", tmp_path / "corosync.conf", tmp_path / "hosts")
    assert found == ["192.0.2.1", "198.51.100.1", "203.0.113.1"]
