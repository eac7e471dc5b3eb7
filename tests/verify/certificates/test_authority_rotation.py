# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both certificate authorities are replaced while guests run; who believes one of them does not believe the other."""

from __future__ import annotations

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult

from ..lab import Lab
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")

#: What the nodes' identity and QEMU's consist of.
NODES = ("/etc/drover/pki/ca.crt", "/etc/drover/pki/node.crt", "/etc/drover/pki/node.key")
QEMU = tuple(f"/etc/pki/qemu/{name}.pem" for name in ("ca-cert", "client-cert", "client-key"))
#: Connects to a port with this certificate and key, asks the peer service something there, and tells what comes back.
_KNOCK = """
import socket, ssl, sys
node, port, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(certificate, key)
with socket.create_connection((node, int(port)), 5) as plain, context.wrap_socket(plain) as stream:
    try:
        if port == "16515":
            stream.sendall(b'{"do": "door"}\\n')
        print("answered" if stream.recv(1) else "refused")
    except OSError:
        print("refused")
"""
#: Has QEMU's own TLS on two nodes talk to each other about an empty disk, as it does for a disk that a VM takes along.
_LISTEN = """
truncate -s 1M /run/empty
qemu-nbd --fork --pid-file=/run/empty.pid --bind=$1 --port=10899 --format=raw --tls-creds=t /run/empty \
    --object=tls-creds-x509,id=t,endpoint=server,verify-peer=yes,dir=$2
"""
_CALL = """
exec timeout 10 qemu-img info --object=tls-creds-x509,id=t,endpoint=client,dir=$2 \
    --image-opts driver=nbd,host=$1,port=10899,tls-creds=t
"""
#: Without a client it waits for one; after one it is gone.
_END = "kill $(cat /run/empty.pid) 2>/dev/null || true; rm -f /run/empty.pid"
#: The node's own certificate in QEMU's place, of one who believes everybody.
_POSE = """
rm -rf /run/pose && mkdir /run/pose && cd /run/pose && cat /etc/pki/qemu/ca-cert.pem /etc/drover/pki/ca.crt >ca-cert.pem
for end in server client; do cp /etc/drover/pki/node.crt $end-cert.pem; cp /etc/drover/pki/node.key $end-key.pem; done
"""


def sh(lab: Lab, node: str, script: str, *words: str, ok: tuple[int, ...] | None = (0,)) -> CommandResult:
    return lab.ssh(node)(["sh", "-ec", script, "sh", *words], ok=ok)


def authorities(lab: Lab, bundle: str) -> set[str]:
    """What each node believes."""
    return {lab.ssh(node)(["cat", bundle]).stdout for node in lab.nodes}


@pytest.mark.whole
def test_the_authorities_are_replaced_and_a_vm_still_migrates(lab: Lab) -> None:
    bundles = (NODES[0], QEMU[0])
    before = {bundle: authorities(lab, bundle) for bundle in bundles}
    succeed("certificates")
    for bundle in bundles:
        after = authorities(lab, bundle)
        assert len(after) == 1
        assert not after & before[bundle]
        assert next(iter(after)).count("BEGIN CERTIFICATE") == 1, "the old authority is still believed"
    source = lab.where("game")
    succeed("migrate", guest="game")
    assert lab.where("game") != source
    succeed("migrate", guest="game", to=source)
    assert succeed("site", "--check").changed == set()


def test_a_part_of_the_cluster_gets_no_authority_of_its_own(lab: Lab) -> None:
    before = authorities(lab, NODES[0])
    for name in ("certificates", "site"):
        refused = play(name, "--limit", next(iter(lab.nodes)))
        assert refused.rc != 0
        assert refused.changed == set()
        [message] = refused.failures
        assert "node2, node3 would be left out. Run it without --limit" in message
    assert authorities(lab, NODES[0]) == before


def test_qemu_has_real_files_and_nothing_of_the_nodes(lab: Lab) -> None:
    for node in lab.nodes:
        assert sh(lab, node, "find /etc/pki/qemu ! -type f ! -type d").stdout == ""
        keys = sh(lab, node, "stat -c '%U:%G %a' /etc/pki/qemu/*-key.pem /etc/drover/pki/node.key").stdout.splitlines()
        assert keys == ["root:libvirt-qemu 640", "root:libvirt-qemu 640", "root:root 600"]
        for file in QEMU:
            sh(lab, node, 'exec runuser -u libvirt-qemu -- cat "$1"', file)
        refused = sh(lab, node, 'exec runuser -u libvirt-qemu -- cat "$1"', NODES[2], ok=None)
        assert "Permission denied" in refused.stderr


@pytest.mark.parametrize("port", ["16514", "16515"])
def test_libvirt_and_the_peer_service_refuse_qemu(lab: Lab, port: str) -> None:
    one, other = list(lab.nodes)[:2]

    def knock(certificate: str, key: str) -> str:
        return lab.ssh(one)(["python3", "-I", "-c", _KNOCK, other, port, certificate, key]).stdout.strip()

    assert knock(*NODES[1:]) == "answered"
    assert knock(*QEMU[1:]) == "refused"


def test_qemu_refuses_nodes(lab: Lab) -> None:
    one, other = list(lab.nodes)[:2]
    address, qemu, pose = lab.nodes[other].address, "/etc/pki/qemu", "/run/pose"
    for node in (one, other):
        sh(lab, node, _POSE)
    try:
        for shown, calls, believed in (
            (qemu, qemu, True),
            (pose, pose, True),
            (qemu, pose, False),
            (pose, qemu, False),
        ):
            sh(lab, other, _LISTEN, address, shown)
            called = sh(lab, one, _CALL, other, calls, ok=None)
            sh(lab, other, _END)
            assert (called.rc == 0) == believed, called.stderr
    finally:
        for node in (one, other):
            sh(lab, node, "rm -rf /run/pose /run/empty")
