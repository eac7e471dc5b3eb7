# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every node, after site.yml: a member, encrypted, trusted, fenced, and with nobody but Pacemaker starting guests."""

from __future__ import annotations

import socket
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker

from ..lab import Lab

pytestmark = pytest.mark.stage("built")

TLS_PORT = 16514
#: Connects without a certificate. libvirt's word of welcome only comes once it has believed the client's.
_KNOCK = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
plain = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
try:
    with context.wrap_socket(plain) as stream:
        print("refused" if stream.recv(1) != b"\\x01" else "believed")
except OSError:
    print("refused")
"""


@pytest.fixture
def node(host: Host) -> str:
    """The name of the node under test."""
    return str(host.check_output("hostname"))


def test_sees_every_node_as_a_member_with_quorum(lab: Lab, node: str) -> None:
    seen = Pacemaker(lab.ssh(node)).status()
    assert {member.name: member.word for member in seen.nodes} == dict.fromkeys(lab.nodes, "online")
    assert seen.quorum
    assert seen.dc in lab.nodes
    assert seen.failures == ()


def test_talks_to_the_others_encrypted(host: Host) -> None:
    settings = {line.partition(" ")[0]: line.rpartition("= ")[2] for line in cmap(host, "totem.")}
    assert (settings["totem.crypto_cipher"], settings["totem.crypto_hash"]) == ("aes256", "sha256")
    packets = [line for line in cmap(host, "stats.knet.handle.", "-m", "stats") if "tx_crypt_packets" in line]
    assert [line for line in packets if not line.endswith("= 0")], packets


def test_refuses_whoever_has_no_key(host: Host) -> None:
    for path in ("corosync.key", "pacemaker.key", "console.key", "ca.key", "qemu-ca.key", "console-ca.key"):
        assert host.file(f"/etc/drover/secrets/{path}").mode == 0o600
    assert host.file("/etc/drover/secrets").mode == 0o700
    for path, group, mode in (
        ("/etc/drover/pki/node.key", "root", 0o600),
        ("/etc/pki/qemu/server-key.pem", "libvirt-qemu", 0o640),
        ("/etc/pki/qemu/client-key.pem", "libvirt-qemu", 0o640),
    ):
        key = host.file(path)
        assert (key.is_symlink, key.user, key.group, key.mode) == (False, "root", group, mode)


@pytest.mark.parametrize("unit", ["corosync", "pacemaker", "libvirtd", "libvirtd-tls.socket", "chrony"])
def test_runs_what_it_needs(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


@pytest.mark.parametrize("unit", ["libvirt-guests", "lxc", "lxc-net"])
def test_leaves_guests_to_pacemaker(host: Host, unit: str) -> None:
    assert host.service(unit).is_masked


def test_libvirt_listens_on_the_cluster_address_only(host: Host, lab: Lab, node: str) -> None:
    listening = {line.split()[3] for line in host.check_output("ss -Hltn").splitlines()}
    assert {place for place in listening if place.endswith(f":{TLS_PORT}")} == {f"{lab.nodes[node].address}:{TLS_PORT}"}
    # Neither plain TCP.
    assert not {place for place in listening if place.endswith(":16509")}


def test_libvirt_answers_a_member_and_refuses_a_client_without_certificate(host: Host, lab: Lab, node: str) -> None:
    for other in lab.nodes:
        assert host.check_output(f"virsh --quiet --connect qemu+tls://{other}/system hostname") == other
        assert lab.ssh(node)(["python3", "-I", "-c", _KNOCK, other, str(TLS_PORT)]).stdout.strip() == "refused"


def test_libvirt_does_not_hear_whoever_is_no_node(lab: Lab, node: str) -> None:
    """This machine has an address in the nodes' network. Nothing comes back: there is no connection to be held."""
    with pytest.raises(TimeoutError):
        socket.create_connection((lab.nodes[node].address, TLS_PORT), 2)


@pytest.mark.parametrize(
    ("authority", "certificate", "others"),
    [
        ("/etc/drover/pki/ca.crt", "/etc/drover/pki/node.crt", "/etc/pki/qemu/ca-cert.pem"),
        ("/etc/pki/qemu/ca-cert.pem", "/etc/pki/qemu/server-cert.pem", "/etc/drover/pki/ca.crt"),
        ("/etc/pki/qemu/ca-cert.pem", "/etc/pki/qemu/client-cert.pem", "/etc/drover/pki/ca.crt"),
    ],
)
def test_its_certificates_are_valid_for_its_name_and_address(
    host: Host, lab: Lab, node: str, authority: str, certificate: str, others: str
) -> None:
    host.check_output(f"openssl verify -x509_strict -CAfile {authority} {certificate}")
    assert host.run(f"openssl verify -x509_strict -CAfile {others} {certificate}").rc != 0
    for check in (f"-checkhost {node}", f"-checkip {lab.nodes[node].address}"):
        assert "does match" in host.check_output(f"openssl x509 -noout -in {certificate} {check}")
    # 30 days are left at least, or the node had renewed it; and no more than 90.
    left = [host.run(f"openssl x509 -noout -in {certificate} -checkend {days * 24 * 3600}").rc for days in (30, 91)]
    assert left == [0, 1]


def test_can_fence_every_node(lab: Lab, node: str) -> None:
    for bmc in lab.nodes.values():
        device = f"ip={bmc.bmc_address}\nipport={bmc.bmc_port}\nusername={bmc.bmc_user}\npassword={bmc.bmc_password}\n"
        lab.ssh(node)(["fence_ipmilan"], stdin=f"{device}lanplus=1\naction=status\n", timeout=20)


@pytest.mark.parametrize("agent", ["vm", "container"])
def test_has_our_agents_and_they_describe_themselves(host: Host, agent: str) -> None:
    metadata = ET.fromstring(host.check_output(f"crm_resource --show-metadata ocf:drover:{agent}"))
    assert {p.get("name") for p in metadata.iterfind("parameters/parameter")} == {"definition", "boot"}
    reloadable = {p.get("name") for p in metadata.iterfind("parameters/parameter") if p.get("reloadable") == "1"}
    assert reloadable == {"definition"}
    actions = {action.get("name") for action in metadata.iterfind("actions/action")}
    usual = {"start", "stop", "monitor", "reload-agent", "validate-all", "meta-data"}
    assert actions >= usual | {"migrate_to", "migrate_from"}


def test_knows_how_it_runs_vms(host: Host) -> None:
    assert '"accelerator"' in host.file("/etc/drover/accelerator.json").content_string


def cmap(host: Host, prefix: str, *options: str) -> list[str]:
    """corosync's keys with this prefix, as "name (type) = value"."""
    shown = host.check_output(f"corosync-cmapctl {' '.join(options)}")
    return [line for line in shown.splitlines() if line.startswith(prefix)]
