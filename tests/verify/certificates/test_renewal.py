# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes renew their certificates by themselves while a guest moves; a certificate of no member is worth nothing."""

from __future__ import annotations

import threading

import pytest

from ..lab import Lab
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")

_IMPORT = 'import sys; sys.path.insert(0, "/usr/lib/drover/current")\n'
#: Has this node's certificates made anew for the first number of days, to be renewed before the second.
_MAKE = """
import json
from drover.trust import identity, keyfiles, renewal
text = renewal.DECLARED.read_text()
said = json.loads(text) | {"days": 15, "renew_days": 10}
renewal.DECLARED.write_text(json.dumps(said))
identities, subject = renewal.declared()
renewal.DECLARED.write_text(text)
identity.advance(identities, "issue", subject, look=False)
"""
#: What status would say of this node's certificates in ten days.
_OVERDUE = """
import json, time
from drover.trust import renewal
print(json.dumps(renewal.overdue(renewal.declared()[0], time.time() + 10 * 86400)))
"""
#: The days that the certificate is good for which a node shows at a port.
_SHOWN = """
import socket, ssl, sys, time
node, port = sys.argv[1:]
context = ssl.create_default_context(cafile="/etc/drover/pki/ca.crt")
context.load_cert_chain("/etc/drover/pki/node.crt", "/etc/drover/pki/node.key")
plain = socket.create_connection((node, int(port)), 5)
with context.wrap_socket(plain, server_hostname=node) as stream:
    print(round((ssl.cert_time_to_seconds(stream.getpeercert()["notAfter"]) - time.time()) / 86400))
"""
#: A certificate of the nodes' authority for one that is no member, shown to another node; what comes back.
_POSE = """
import pathlib, socket, ssl, sys, tempfile
from drover.trust import keyfiles, pki
node, port, name = sys.argv[1:]
authority = [(keyfiles.SECRETS / f"ca.{part}").read_text() for part in ("key", "crt")]
with tempfile.TemporaryDirectory() as folder:
    files = [pathlib.Path(folder, part) for part in ("key", "crt")]
    for file, text in zip(files, pki.issue(authority, name, [name], [], 5)):
        file.write_text(text)
    context = ssl.create_default_context(cafile="/etc/drover/pki/ca.crt")
    context.load_cert_chain(files[1], files[0])
plain = socket.create_connection((node, int(port)), 5)
with context.wrap_socket(plain, server_hostname=node) as stream:
    try:
        if port == "16515":
            stream.sendall(b'{"do": "progress"}\\n')
        print(stream.recv(1000))
    except OSError as error:
        print(error)
"""


def python(lab: Lab, node: str, script: str, *words: str) -> str:
    return lab.ssh(node)(["python3", "-I", "-c", _IMPORT + script, *words]).stdout.strip()


def shown(lab: Lab) -> set[int]:
    """The days that the certificates are good for which nodes show to the first of them."""
    first, *others = lab.nodes
    return {int(python(lab, first, _SHOWN, node, port)) for node in others for port in ("16514", "16515")}


def test_nodes_renew_their_certificates_while_a_guest_moves(lab: Lab) -> None:
    assert shown(lab) == {90}
    for node in lab.nodes:
        python(lab, node, _MAKE)
        assert "is good for 4 more days" in python(lab, node, _OVERDUE)
        assert lab.ssh(node)(["systemctl", "is-active", "drover-certificates.timer"]).stdout.strip() == "active"
        assert lab.ssh(node)(["systemctl", "is-enabled", "drover-certificates.service"]).stdout.strip() == "enabled"
    assert shown(lab) == {15}
    source = lab.where("game")
    renewals = [
        threading.Thread(target=lab.ssh(node), args=[["systemctl", "start", "drover-certificates.service"]])
        for node in lab.nodes
    ]
    for renewal in renewals:
        renewal.start()
    succeed("migrate", guest="game")
    for renewal in renewals:
        renewal.join()
    assert lab.where("game") != source
    assert shown(lab) == {90}
    for node in lab.nodes:
        assert python(lab, node, _OVERDUE) == "[]"
    succeed("migrate", guest="game", to=source)


@pytest.mark.parametrize(("port", "refused"), [("16514", "b''"), ("16515", "no member of the cluster")])
def test_a_certificate_of_no_member_is_worth_nothing(lab: Lab, port: str, refused: str) -> None:
    first, second, *_others = lab.nodes
    assert refused not in python(lab, first, _POSE, second, port, first)
    told = python(lab, first, _POSE, second, port, "gone")
    assert refused in told or "reset" in told.lower()
