# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.certificate: made, kept, made anew when it has to be; check mode tells why and writes nothing."""

from __future__ import annotations

import grp
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.trust import identity, keyfiles
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki as trust
from ansible_collections.cspp.drover.plugins.module_utils.trust.identity import Identity, Pair, Subject, advance
from ansible_collections.cspp.drover.plugins.modules import certificate

Call = Callable[..., dict[str, Any]]
AUTHORITY, OTHER = trust.new_authority(), trust.new_authority()
STEPS: tuple[identity.Step, ...] = ("trust", "issue", "settle")


@pytest.fixture(autouse=True)
def anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every tester may give files to root, and none has to wait for readers."""
    mine = os.getuid(), os.getgid()
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr(os, "chown", lambda *_, **_how: None)
    monkeypatch.setattr(keyfiles, "_QUIET", 0.0)
    monkeypatch.setattr(identity, "_OPENING", 0.0)
    monkeypatch.setattr(keyfiles, "_ROOT", mine[0])


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments for a node that holds the cluster's secrets."""
    monkeypatch.setattr(certificate, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(identity, "LOCKS", tmp_path / "locks")
    (tmp_path / "secrets").mkdir()
    hold(tmp_path, AUTHORITY)
    pair = {"certificate": str(tmp_path / "pki" / "node.crt"), "key": str(tmp_path / "pki" / "node.key")}
    return {
        "name": "node1",
        "names": ["node1"],
        "addresses": ["192.0.2.1"],
        "days": 20,
        "renew_days": 10,
        "identities": [
            {
                "authority": "ca",
                "bundle": str(tmp_path / "pki" / "ca.crt"),
                "pairs": [pair],
                "group": grp.getgrgid(os.getgid()).gr_name,
            }
        ],
    }


def hold(folder: Path, authority: tuple[str, str], name: str = "ca") -> None:
    (folder / "secrets" / f"{name}.key").write_text(authority[0])
    (folder / "secrets" / f"{name}.crt").write_text(authority[1])


def pki(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder / "pki").glob("*")}


def all_steps(call: Call, node: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    return [call(certificate, **how, **node, step=step) for step in STEPS]


def test_made_kept_and_made_anew(call: Call, node: dict[str, Any], tmp_path: Path) -> None:
    for predicted in all_steps(call, node, check=True):
        assert (predicted["reasons"], predicted["settled"]) == ({"ca": "there is none"}, False)
    assert pki(tmp_path) == {}
    hidden = tmp_path / "secrets" / "ca.key"
    key = hidden.read_text()
    hidden.unlink()
    # Before the cluster has an authority, check mode tells the same.
    assert [step["changed"] for step in all_steps(call, node, check=True)] == [True, True, False]
    hidden.write_text(key)

    believed, made, settled = all_steps(call, node)
    assert (believed["changed"], believed["settled"]) == (True, False)
    assert (made["changed"], made["settled"], made["reasons"]) == (True, True, {"ca": "there is none"})
    assert (settled["changed"], settled["settled"]) == (False, True)
    first = pki(tmp_path)
    assert sorted(first) == ["ca.crt", "node.crt", "node.key"]

    for check in (True, False):
        for again in all_steps(call, node, check=check):
            assert (again["changed"], again["settled"], again["reasons"]) == (False, True, {})
    assert pki(tmp_path) == first


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"names": ["node1", "node1.example"]}, "the node's names or addresses changed"),
        ({"addresses": ["192.0.2.2"]}, "the node's names or addresses changed"),
        ({"days": 90, "renew_days": 30}, "it ends on "),
        ({"days": 10, "renew_days": 5}, "it is good for 20 days rather than 10"),
    ],
)
def test_an_option_changed_makes_a_new_one(
    call: Call, node: dict[str, Any], tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    all_steps(call, node)
    before = pki(tmp_path)
    changed = {**node, **change}
    assert call(certificate, **changed, step="trust")["settled"] is False
    predicted = call(certificate, check=True, **changed, step="issue")
    assert pki(tmp_path) == before
    done = call(certificate, **changed, step="issue")
    assert (done["changed"], done["reasons"]) == (predicted["changed"], predicted["reasons"])
    assert done["reasons"]["ca"].startswith(reason)
    assert pki(tmp_path)["node.key"] != before["node.key"]


@pytest.mark.parametrize("file", ["node.crt", "node.key"])
@pytest.mark.parametrize("harm", ["lost", "empty", "another's", "a link"])
def test_a_damaged_pair_is_replaced(call: Call, node: dict[str, Any], tmp_path: Path, file: str, harm: str) -> None:
    all_steps(call, node)
    path = tmp_path / "pki" / file
    if harm == "a link":
        path.rename(tmp_path / file)
        path.symlink_to(tmp_path / file)
    else:
        path.unlink()
    if harm == "empty":
        path.write_text("")
    elif harm == "another's":
        path.write_text(OTHER[file == "node.crt"])
    assert call(certificate, **node, step="issue")["reasons"]
    assert not path.is_symlink()
    assert [step["changed"] for step in all_steps(call, node)] == [False, False, False]


def test_keys_are_for_those_who_need_them(call: Call, node: dict[str, Any], tmp_path: Path) -> None:
    all_steps(call, node)
    key = tmp_path / "pki" / "node.key"
    right = key.stat().st_mode & 0o777
    assert right == (0o600 if os.getgid() == 0 else 0o640)
    key.chmod(0o644)
    assert call(certificate, **node, step="trust")["settled"] is False
    for step in ("trust", "issue"):
        assert call(certificate, **node, step=step)["changed"] is False
    assert key.stat().st_mode & 0o777 == 0o644, "tightened while another node may need it as it is"
    assert call(certificate, check=True, **node, step="settle")["changed"] is True
    assert call(certificate, **node, step="settle")["changed"] is True
    assert key.stat().st_mode & 0o777 == right


def test_a_new_authority_is_followed(call: Call, node: dict[str, Any], tmp_path: Path) -> None:
    all_steps(call, node)
    first = pki(tmp_path)
    bundle = trust.rotate(AUTHORITY)
    hold(tmp_path, bundle)
    believed, issued, settled = all_steps(call, node)
    assert believed["reasons"] == issued["reasons"] == {"ca": "another authority signed it"}
    assert settled["changed"] is False
    assert pki(tmp_path)["ca.crt"] == bundle[1]
    # The old one is retired: the bundle shrinks in the last step, the certificate stays.
    second = pki(tmp_path)["node.crt"]
    assert second != first["node.crt"]
    hold(tmp_path, (bundle[0], trust.newest(bundle[1])))
    assert [step["changed"] for step in all_steps(call, node)] == [False, False, True]
    assert pki(tmp_path)["ca.crt"] == trust.newest(bundle[1])
    assert pki(tmp_path)["node.crt"] == second
    assert [step["changed"] for step in all_steps(call, node)] == [False, False, False]


def test_without_an_authority_there_is_none(call: Call, node: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "secrets" / "ca.key").unlink()
    predicted = call(certificate, check=True, **node, step="trust")
    assert (predicted["changed"], predicted["settled"]) == (True, False)
    assert predicted["reasons"] == {"ca": "the cluster has no such authority yet"}
    assert "let the role `node` run first" in call(certificate, **node, step="trust")["msg"]


# From one key for everything to a key of QEMU's own.

SUBJECT = {name: Subject(name, [name], [f"192.0.2.{name[-1]}"], 90, 30) for name in ("node1", "node2")}
GROUP = grp.getgrgid(os.getgid()).gr_name


class Node:
    """A node as it was before QEMU had an authority of its own: links to the node's one key."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.qemu, self.pki = name, folder / name / "qemu", folder / name / "pki"
        secrets = folder / "secrets"
        for place in (self.qemu, self.pki):
            place.mkdir(parents=True)
        key, signed = trust.issue(AUTHORITY, name, SUBJECT[name].names, SUBJECT[name].addresses, 90)
        for file, text in {"node.key": key, "node.crt": signed, "ca.crt": AUTHORITY[1]}.items():
            (self.pki / file).write_text(text)
        (self.pki / "node.key").chmod(0o644)
        for end in ("server", "client"):
            (self.qemu / f"{end}-cert.pem").symlink_to(self.pki / "node.crt")
            (self.qemu / f"{end}-key.pem").symlink_to(self.pki / "node.key")
        (self.qemu / "ca-cert.pem").symlink_to(self.pki / "ca.crt")
        ends = [Pair(self.qemu / f"{end}-cert.pem", self.qemu / f"{end}-key.pem") for end in ("server", "client")]
        self.identities = (
            Identity(secrets, "qemu-ca", self.qemu / "ca-cert.pem", tuple(ends), GROUP),
            Identity(secrets, "ca", self.pki / "ca.crt", (Pair(self.pki / "node.crt", self.pki / "node.key"),), GROUP),
        )

    def do(self, step: identity.Step, *, look: bool = False) -> dict[str, Any]:
        return advance(self.identities, step, SUBJECT[self.name], look=look)

    def pair(self, end: str) -> tuple[str, str]:
        return (self.qemu / f"{end}-cert.pem").read_text(), (self.qemu / f"{end}-key.pem").read_text()


def believes(one: Node, other: Node) -> bool:
    """Whether QEMU on the one node accepts what QEMU on the other shows."""
    signers = (one.qemu / "ca-cert.pem").read_text().split("-----BEGIN")[1:]
    asked = SUBJECT[other.name].names, SUBJECT[other.name].addresses, 90, 0
    certificate, key = other.pair("server")
    return any(trust.fault(certificate, key, f"-----BEGIN{signer}", *asked) is None for signer in signers)


@pytest.mark.parametrize("begin", [0, 1, 2, 3, 4, 5, 6])
def test_qemus_of_all_nodes_believe_each_other_at_every_moment(tmp_path: Path, begin: int) -> None:
    (tmp_path / "secrets").mkdir()
    hold(tmp_path, AUTHORITY)
    hold(tmp_path, OTHER, "qemu-ca")
    nodes = [Node(tmp_path, "node1"), Node(tmp_path, "node2")]
    moves = [(node, step) for step in STEPS for node in nodes]
    # A run is cut short after some moves; the next begins with the first.
    for node, step in [*moves[:begin], *moves]:
        before = advance(node.identities, step, SUBJECT[node.name], look=True)["changed"]
        assert node.do(step)["changed"] == before
        for one in nodes:
            for other in nodes:
                assert believes(one, other), f"{one.name} does not believe {other.name} after {step} on {node.name}"
    for node in nodes:
        assert (node.qemu / "ca-cert.pem").read_text() == OTHER[1]
        assert (node.pki / "ca.crt").read_text() == AUTHORITY[1]
        assert not any(file.is_symlink() for file in node.qemu.iterdir())
        assert node.pair("server") == node.pair("client")
        assert node.pair("server")[1] != (node.pki / "node.key").read_text()
        assert (node.pki / "node.key").stat().st_mode & 0o777 == node.identities[1]._rights.mode
        for step in STEPS:
            assert (node.do(step)["changed"], node.do(step)["settled"]) == (False, True)


def test_who_has_begun_to_read_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_OPENING", 5.0)
    (tmp_path / "secrets").mkdir()
    hold(tmp_path, AUTHORITY)
    hold(tmp_path, OTHER, "qemu-ca")
    node, slept = Node(tmp_path, "node1"), list[float]()
    for step in STEPS:
        advance(node.identities, step, SUBJECT["node1"], look=True, sleep=slept.append)
        advance(node.identities, step, SUBJECT["node1"], look=False, sleep=slept.append)
    # Before the certificate is replaced, and before the old authority is forgotten.
    assert [round(seconds) for seconds in slept] == [5, 5]


class Daemon:
    """libvirt's daemon, started so many seconds ago, or not running; ``trouble`` is what it says when it is told."""

    def __init__(self, started: float | None, trouble: str = "") -> None:
        self.started, self.told, self.trouble = started, 0, trouble

    def __call__(self, argv: list[str], **_how: Any) -> CommandResult:
        said = "ActiveState=inactive\nExecMainStartTimestampMonotonic=0\n"
        if argv[0] == "virt-admin":
            self.told += 1
            return CommandResult(tuple(argv), int(bool(self.trouble)), "", self.trouble)
        if self.started is not None:
            began = (time.monotonic_ns() - int(self.started * 1e9)) // 1000
            said = f"ActiveState=active\nExecMainStartTimestampMonotonic={began}\n"
        return CommandResult(tuple(argv), 0, said, "")


NO_TLS = "error: internal error: no tls service found, unable to update tls files"


@pytest.mark.parametrize(
    ("started", "trouble", "told"), [(None, "", 0), (60.0, "", 1), (-60.0, "", 0), (60.0, NO_TLS, 1)]
)
def test_libvirt_is_told_when_it_has_read_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: float | None, trouble: str, told: int
) -> None:
    monkeypatch.setattr(identity, "_TOLD", tmp_path / "run" / "told")
    (tmp_path / "secrets").mkdir()
    hold(tmp_path, AUTHORITY)
    pair = Pair(tmp_path / "pki" / "node.crt", tmp_path / "pki" / "node.key")
    one = Identity(tmp_path / "secrets", "ca", tmp_path / "pki" / "ca.crt", (pair,), GROUP, libvirt=True)
    silent, daemon = Daemon(None), Daemon(started, trouble)
    for step in STEPS:
        advance([one], step, SUBJECT["node1"], look=False, run=silent)
    # As if that run had been cut short: the files are right, and libvirt was not told.
    for look in (True, False):
        done = advance([one], "trust", SUBJECT["node1"], look=look, run=daemon)
        assert done["changed"] == bool(told)
    assert daemon.told == told
    assert advance([one], "trust", SUBJECT["node1"], look=False, run=daemon)["changed"] is False


def test_libvirt_that_cannot_be_told_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_TOLD", tmp_path / "told")
    (tmp_path / "secrets").mkdir()
    hold(tmp_path, AUTHORITY)
    pair = Pair(tmp_path / "pki" / "node.crt", tmp_path / "pki" / "node.key")
    one = Identity(tmp_path / "secrets", "ca", tmp_path / "pki" / "ca.crt", (pair,), GROUP, libvirt=True)
    with pytest.raises(CommandError, match="certificate has expired"):
        advance([one], "trust", SUBJECT["node1"], look=False, run=Daemon(60.0, "error: certificate has expired"))
    assert not (tmp_path / "told").exists()
