# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates between a quorum device and nodes: who makes what, once, and what goes between them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.host import quorum_certificate
from ansible_collections.cspp.drover.plugins.module_utils.host.quorum_certificate import (
    NodeSide,
    QuorumCertificateError,
    ServerSide,
)
from ansible_collections.cspp.drover.plugins.modules.quorum_certificate import carry_out

PEM = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"


class Tools:
    """The tools of both daemons, as far as files go: each certificate names the request that it was signed for."""

    def __init__(self, root: Path) -> None:
        self.server, self.node = root / "qnetd", root / "qdevice/net"
        self.server.mkdir(parents=True)
        self.calls: list[str] = []
        self.fails = ""

    def __call__(self, argv: Sequence[str], **_more: Any) -> CommandResult:
        tool, step = argv[0].removeprefix("corosync-").removesuffix("-certutil"), argv[1]
        self.calls.append(f"{tool} {step}")
        if self.fails == f"{tool} {step}":
            raise CommandError("certutil: no")
        words = {} if step == "-i" and tool == "qnetd" else dict(zip(argv[2::2], argv[3::2], strict=True))
        database = (self.server if tool == "qnetd" else self.node) / "nssdb"
        if step == "-i":
            assert not (database / "cert9.db").exists(), "the tools refuse to begin anew"
            database.mkdir(parents=True, exist_ok=True)
            for name in ("cert9.db", "key4.db"):
                (database / name).touch()
            if tool == "qnetd":
                (database / "qnetd-cacert.crt").write_text(f"Certificate:\n  Data\n{PEM}\n")
            else:
                assert Path(words["-c"]).read_text() == f"{PEM}\n"
        elif step == "-r":
            (database / "qdevice-net-node.crq").write_bytes(f"of {words['-n']}".encode())
        elif step == "-s":
            (database / f"cluster-{words['-n']}.crt").write_bytes(b"signed " + Path(words["-c"]).read_bytes())
        elif step == "-M":
            (database / "qdevice-net-node.p12").write_bytes(b"key and " + Path(words["-c"]).read_bytes())
        return CommandResult(tuple(argv), 0, "", "")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.setattr(ServerSide.sign, "__defaults__", (tmp_path / "lock",))
    return Tools(tmp_path)


def step(tools: Tools, name: str, *, check: bool = False, **wish: Any) -> dict[str, Any]:
    usual = dict.fromkeys(("authority", "request", "certificate")) | {"cluster": "it"}
    sides = NodeSide(tools, tools.node), ServerSide(tools, tools.server)
    return carry_out({**usual, "step": name, **wish}, *sides, check=check)


def enrolled(tools: Tools, cluster: str = "it") -> list[bool]:
    """A run of the role: what changed in it."""
    authority = step(tools, "authority")
    asked = step(tools, "request", authority=authority["authority"], cluster=cluster)
    if asked["request"]:
        signed = step(tools, "sign", request=asked["request"], cluster=cluster)
        assert base64.b64decode(signed["certificate"]) == f"signed of {cluster}".encode()
        step(
            tools,
            "take",
            certificate=signed["certificate"],
            authority=authority["authority"],
            cluster=cluster,
        )
    return [authority["changed"], asked["changed"]]


def test_everything_is_made_once(tools: Tools) -> None:
    foretold = [step(tools, name, check=True)["changed"] for name in ("authority", "request")]
    assert tools.calls == []
    assert enrolled(tools) == foretold == [True, True]
    assert tools.calls == ["qnetd -i", "qdevice-net -i", "qdevice-net -r", "qnetd -s", "qdevice-net -M"]
    assert enrolled(tools) == [False, False]
    # Neither the key's copy nor what went between the two is left.
    left = [path.name for place in (tools.node, tools.server) for path in (place / "nssdb").iterdir()]
    assert sorted(left) == ["cert9.db", "cert9.db", "key4.db", "key4.db", "qnetd-cacert.crt"]


def test_another_authority_and_another_name_of_the_cluster_make_new_ones(tools: Tools) -> None:
    enrolled(tools)
    assert enrolled(tools, "other") == [False, True]
    (tools.server / "nssdb/qnetd-cacert.crt").unlink()
    assert enrolled(tools, "other") == [True, False], "it is the same one to the node"
    authority = tools.server / "nssdb/qnetd-cacert.crt"
    authority.write_text(authority.read_text().replace("MII", "MIJ"))
    asked = step(tools, "request", authority=step(tools, "authority")["authority"], check=True)
    assert asked["changed"]


def test_a_certificate_that_is_not_taken_is_begun_anew(tools: Tools) -> None:
    tools.fails = "qdevice-net -M"
    with pytest.raises(QuorumCertificateError, match=r"Run site\.yml again"):
        enrolled(tools)
    tools.fails = ""
    assert enrolled(tools) == [False, True]


def test_an_authority_without_a_certificate_is_told(tools: Tools) -> None:
    enrolled(tools)
    (tools.server / "nssdb/qnetd-cacert.crt").write_text("Certificate:\n")
    with pytest.raises(QuorumCertificateError, match=r"Remove .*nssdb on this host"):
        step(tools, "authority")


def test_what_is_not_used_any_more_is_forgotten(tools: Tools) -> None:
    assert not step(tools, "forget")["changed"]
    enrolled(tools)
    assert step(tools, "forget", check=True)["changed"] and NodeSide(tools, tools.node).there
    assert step(tools, "forget")["changed"] and not NodeSide(tools, tools.node).there
    assert Path("/etc/corosync/qdevice/net") == quorum_certificate.NODE
