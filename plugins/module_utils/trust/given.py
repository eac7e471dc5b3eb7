# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A certificate that somebody gives for TLS, judged before it is installed."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

__all__ = ["unfit"]

#: Bits of an RSA key, below which Debian's OpenSSL refuses to serve.
_SHORTEST = 2048


def unfit(
    certificate: str, key: str, needed: Sequence[str], useful: Sequence[str] = (), now: datetime.datetime | None = None
) -> str:
    """Why browsers would not take the certificate, as a sentence without its end; empty when they would.

    It has to be good for all ``needed`` names and addresses; without any, for one of the ``useful`` ones.
    """
    try:
        held = x509.load_pem_x509_certificates(certificate.encode())[0]
    except (ValueError, IndexError):
        return "the certificate cannot be read: it has to be PEM, the server's own first, then those that signed it"
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        return "the key cannot be read: it has to be a private key in PEM, unencrypted"
    if private.public_key() != held.public_key():
        return "the key is not that of the first certificate: the server's own goes first, then those that signed it"
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < _SHORTEST:
        return f"the key has {private.key_size} bits, and no browser takes less than {_SHORTEST}"
    now = now or datetime.datetime.now(datetime.UTC)
    # With the zone only from cryptography 42 on.
    begins, ends = held.not_valid_before_utc, held.not_valid_after_utc
    if now < begins:
        return f"the certificate begins on {begins:%Y-%m-%d}"
    if now >= ends:
        return f"the certificate ended on {ends:%Y-%m-%d}"
    if not _serves(held):
        return "the certificate is none for a server (extended key usage)"
    return _not_called(held, needed, useful)


def _serves(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return bool({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage))


def _not_called(certificate: x509.Certificate, needed: Sequence[str], useful: Sequence[str]) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "the certificate carries no names (subject alternative name)"
    held = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    addresses = set(names.get_values_for_type(x509.IPAddress))
    good = "it is good for " + (", ".join([*sorted(held), *sorted(map(str, addresses))]) or "no name")
    if missing := [name for name in needed if not _good_for(name, held, addresses)]:
        return f"the certificate is not good for {', '.join(missing)}: {good}"
    if not needed and not any(_good_for(name, held, addresses) for name in useful):
        return f"the certificate is good for none of {', '.join(useful)}: {good}"
    return ""


def _good_for(name: str, held: set[str], addresses: set[Any]) -> bool:
    # An address that stands among the names is none to browsers.
    try:
        return ipaddress.ip_address(name) in addresses
    except ValueError:
        first, _dot, rest = name.lower().partition(".")
        return name.lower() in held or bool(first and rest and f"*.{rest}" in held)
