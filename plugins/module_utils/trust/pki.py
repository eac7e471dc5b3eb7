# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster's secrets: given, else adopted from a member, else made new; and the certificates they sign.

There are three certificate authorities. ``ca`` vouches for nodes: libvirt and the peer service believe it, and whom
they believe is root on a node. ``qemu-ca`` vouches for the two ends of a migration stream: QEMU alone believes it, and
QEMU's user, which a guest might become, can read keys that it signed. ``console-ca`` vouches for the page that people
open: browsers alone believe it, and the console's process, which talks to anybody, can read the keys that it signed.

X.509 is python3-cryptography's work. Everything that crosses this interface is PEM or plain text.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..core.errors import DroverError
from .keyfiles import SECRETS, Disagreement, settled

__all__ = [
    "AUTHORITIES",
    "NAMES",
    "TrustError",
    "beside",
    "choose",
    "ends",
    "fault",
    "issue",
    "new_authority",
    "newest",
    "rotate",
    "unsound",
]

#: The certificate authorities, by what their files are called; their common names begin with these words.
AUTHORITIES = {"ca": "Drover cluster CA", "qemu-ca": "Drover QEMU CA", "console-ca": "Drover console CA"}
#: Who may come to read keys that the others than the nodes' own signed.
_CULPRITS = ("breaks out of a VM", "takes the console over")
_SHARED_KEYS = ("corosync.key", "pacemaker.key", "console.key")
#: The secrets every member keeps (keyfiles.SECRETS), by file name.
NAMES = (*_SHARED_KEYS, *(f"{authority}.{part}" for authority in AUTHORITIES for part in ("key", "crt")))
AUTHORITY_DAYS = 3650
#: Bytes of a key for the console's sessions at least.
SESSIONS_KEY_BYTES = 32
#: corosync takes 128 to 4096 bytes, Pacemaker 32 to 256, the console's sessions at least 32.
SHARED_KEY_BYTES = 128


class TrustError(DroverError):
    """Secrets that contradict each other, or one that cannot be read."""


def choose(given: Mapping[str, str], found: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Settle on one value per secret.

    ``given`` are the operator's, ``found`` each member's by node name; both by the names in NAMES.
    Returns the chosen values and the names of those made new. Raises TrustError when members disagree, and for a
    given authority that is none.
    """
    chosen: dict[str, str] = {}
    _check_sessions_key(given.get("console.key", ""))
    for name in _SHARED_KEYS:
        try:
            value = settled(name, given, found)
        except Disagreement as contrary:
            raise TrustError(
                f"{name} differs between {contrary}: these nodes belong to different clusters. "
                f"Remove {SECRETS} on the nodes that are to join, or take them out of the inventory."
            ) from None
        if value is not None:
            chosen[name] = value
    new = [name for name in _SHARED_KEYS if name not in chosen]
    chosen.update({name: secrets.token_hex(SHARED_KEY_BYTES) for name in new})
    for authority in AUTHORITIES:
        pair = _choose_authority(authority, given, found)
        if pair is None:
            pair = new_authority(authority)
            new += [f"{authority}.key", f"{authority}.crt"]
        chosen[f"{authority}.key"], chosen[f"{authority}.crt"] = pair
    nodes, *others = ({*_certificates(chosen[f"{authority}.crt"])} for authority in AUTHORITIES)
    for name, others_own, culprit in zip(list(AUTHORITIES)[1:], others, _CULPRITS, strict=True):
        if nodes & others_own:
            raise TrustError(
                f"ca.crt and {name}.crt are the same authority: whoever {culprit} could pose as a node. "
                "Give two, or leave one to Drover."
            )
    return chosen, new


def _check_sessions_key(given: str) -> None:
    """Keys for sessions are one on each line, and the console takes no short ones: steward/sessions.py."""
    try:
        short = [line for line in given.split() if len(bytes.fromhex(line)) < SESSIONS_KEY_BYTES]
    except ValueError:
        short = [given]
    if short:
        raise TrustError(
            "the given console.key is no key for sessions: it has to be hexadecimal digits, "
            f"{SESSIONS_KEY_BYTES} bytes at least, such as `openssl rand -hex 64` makes."
        )


def _choose_authority(
    name: str, given: Mapping[str, str], found: Mapping[str, Mapping[str, str]]
) -> tuple[str, str] | None:
    """The authority all can follow: while one is replaced, the bundle that holds both the new and the old."""
    file, bundle_file = f"{name}.key", f"{name}.crt"
    if given.get(file) or given.get(bundle_file):
        return _given_authority(name, given)
    held = {
        node: (of[file], _certificates(of[bundle_file], bundle_file))
        for node, of in found.items()
        if of.get(file) and of.get(bundle_file)
    }
    if not held:
        return None
    node, (key, bundle) = max(held.items(), key=lambda item: len(item[1][1]))
    for other, (_key, certificates) in held.items():
        if not set(certificates) <= set(bundle):
            raise TrustError(
                f"{node} and {other} have different certificate authorities ({bundle_file}): these nodes belong to "
                f"different clusters. Remove {SECRETS} on the nodes that are to join."
            )
    return key, _pem(bundle)


def _given_authority(name: str, given: Mapping[str, str]) -> tuple[str, str]:
    file, bundle_file = f"{name}.key", f"{name}.crt"
    key, certificate = given.get(file), given.get(bundle_file)
    if not key or not certificate:
        there, lacks = (file, bundle_file) if key else (bundle_file, file)
        raise TrustError(f"{there} is given without {lacks}: give both, or neither and let Drover make them.")
    try:
        public = serialization.load_pem_private_key(key.encode(), None).public_key()
    except (ValueError, TypeError) as error:
        raise TrustError(f"the given {file} cannot be read: it has to be a private key in PEM, unencrypted") from error
    if public != _certificates(certificate, bundle_file)[0].public_key():
        raise TrustError(f"the given {file} is not the key of the first certificate in the given {bundle_file}.")
    return key, certificate


def rotate(authority: tuple[str, str], name: str = "ca") -> tuple[str, str]:
    """A new authority in front of the present one, so that certificates of either are believed."""
    key, certificate = new_authority(name)
    return key, certificate + _pem(_certificates(authority[1]))


def beside(authority: str, believed: str) -> str:
    """The authority, followed by whoever else is believed so far; what cannot be read is not believed."""
    wanted = _certificates(authority)
    try:
        present = _certificates(believed)
    except TrustError:
        present = []
    more = [certificate for certificate in present if certificate not in wanted]
    return authority + _pem(more)


def newest(authority: str) -> str:
    """The authority that signs, without those it replaced."""
    return _pem(_certificates(authority)[:1])


def new_authority(name: str = "ca", days: int = AUTHORITY_DAYS) -> tuple[str, str]:
    """A new certificate authority: its private key and its certificate, valid ``days`` days."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{AUTHORITIES[name]} {secrets.token_hex(4)}")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        _builder(subject, subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        # RFC 5280, 4.2.1.1 and 4.2.1.2; strict verifiers, Python 3.13 for one, insist on both.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _key_pem(key), _pem([certificate])


def issue(
    authority: tuple[str, str], name: str, names: Sequence[str], addresses: Sequence[str], days: int
) -> tuple[str, str]:
    """A node's private key and certificate, for TLS as server and as client."""
    ca_key = serialization.load_pem_private_key(authority[0].encode(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TrustError("the authority's key is not one on an elliptic curve")
    ca = _certificates(authority[1])[0]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        _builder(subject, ca.subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(_alternatives(names, addresses)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return _key_pem(key), _pem([certificate])


def unsound(certificate: str, key: str, authority: str) -> str | None:
    """Why the certificate proves nothing to those who believe the authority, or None when it does."""
    try:
        held = _certificates(certificate)[0]
        public = serialization.load_pem_private_key(key.encode(), None).public_key()
    except (TrustError, ValueError, IndexError, TypeError):
        return "it cannot be read"
    if public != held.public_key():
        return "the key is another's"
    try:
        held.verify_directly_issued_by(_certificates(authority)[0])
    except (ValueError, TypeError, InvalidSignature):
        return "another authority signed it"
    return None


def fault(
    certificate: str,
    key: str,
    authority: str,
    names: Sequence[str],
    addresses: Sequence[str],
    days: int,
    renew_days: int,
) -> str | None:
    """Why the certificate has to be made anew, or None when it serves.

    One that is good for longer than ``days`` is made anew as well: it was made when certificates lived longer.
    """
    if reason := unsound(certificate, key, authority):
        return reason
    held = _certificates(certificate)[0]
    try:
        alternatives = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "it carries no names"
    if set(alternatives) != set(_alternatives(names, addresses)):
        return "the node's names or addresses changed"
    now, begin, end = datetime.datetime.now(datetime.UTC), held.not_valid_before_utc, held.not_valid_after_utc
    if begin > now:
        return f"it begins on {begin:%Y-%m-%d}, as the clock was when it was made"
    if end - now < datetime.timedelta(days=renew_days):
        return f"it ends on {end:%Y-%m-%d}"
    if end - begin > datetime.timedelta(days=days + 1):
        return f"it is good for {(end - begin).days} days rather than {days}"
    return None


def ends(certificate: str) -> datetime.datetime:
    """When the certificate ends; of several, the first. Raises TrustError."""
    return _certificates(certificate)[0].not_valid_after_utc


def _certificates(pem: str, name: str = "a certificate") -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise TrustError(f"{name} cannot be read: {error}") from error


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _alternatives(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # Nodes' clocks may differ a little when the first certificate is made.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        # An elliptic curve has no use for it, but libvirt before 9.1 refuses a certificate without.
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
