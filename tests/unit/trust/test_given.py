# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A certificate that somebody gives: what browsers would not take is told before it is installed."""

from __future__ import annotations

import datetime
import functools
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from ansible_collections.cspp.drover.plugins.module_utils.trust.given import unfit

AUTHORITY = pki.new_authority("console-ca")
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)
CALLED = ("node1", "192.0.2.1", "192.0.2.9")


@functools.cache
def pair(*names: str, addresses: tuple[str, ...] = ()) -> tuple[str, str]:
    """A certificate, with its chain, and its key."""
    key, certificate = pki.issue(AUTHORITY, "console", names, addresses, 90)
    return certificate + AUTHORITY[1], key


def bare(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType) -> tuple[str, str]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "console")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return builder.sign(key, hashes.SHA256()).public_bytes(pem).decode(), private.decode()


ON_CURVE = ec.generate_private_key(ec.SECP256R1())
SHORT = rsa.generate_private_key(65537, 1024)
NAMED = x509.SubjectAlternativeName([x509.DNSName("console.example.org")])
CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
GOOD = pair("console.example.org")


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        (GOOD, ["console.example.org"]),
        (GOOD, ["CONSOLE.example.org"]),
        (pair("*.example.org"), ["console.example.org", "other.example.org"]),
        (pair("node1"), []),
        (pair("x", addresses=("192.0.2.9",)), []),
        (pair("x", addresses=("2001:db8::9",)), ["2001:db8:0::9"]),
        (bare(ON_CURVE, NAMED), ["console.example.org"]),
    ],
)
def test_one_that_browsers_take_is_taken(given: tuple[str, str], needed: list[str]) -> None:
    assert unfit(*given, needed, CALLED) == ""


@pytest.mark.parametrize(
    ("given", "needed", "now", "why"),
    [
        (("no PEM", GOOD[1]), [], NOW, "certificate cannot be read"),
        ((GOOD[1], GOOD[0]), [], NOW, "certificate cannot be read"),
        ((GOOD[0], "no PEM"), [], NOW, "key cannot be read"),
        ((GOOD[0], pair("console")[1]), [], NOW, "the key is not that of the first certificate"),
        ((AUTHORITY[1] + GOOD[0], GOOD[1]), [], NOW, "the key is not that of the first certificate"),
        (GOOD, ["console.example.org"], NOW - 2 * DAY, "begins on"),
        (GOOD, ["console.example.org"], NOW + 91 * DAY, "ended on"),
        (
            GOOD,
            ["console.example.org", "other.example.org"],
            NOW,
            "not good for other.example.org: it is good for console",
        ),
        (GOOD, [], NOW, "good for none of node1, 192.0.2.1, 192.0.2.9"),
        (pair("*.example.org"), ["example.org"], NOW, "not good for example.org"),
        (pair("*.example.org"), ["a.b.example.org"], NOW, "not good for a.b.example.org"),
        (pair("192.0.2.9"), [], NOW, "good for none of"),
        (bare(ON_CURVE), [], NOW, "carries no names"),
        (bare(ON_CURVE, NAMED, CLIENTS), ["console.example.org"], NOW, "none for a server"),
        (bare(SHORT, NAMED), ["console.example.org"], NOW, "1024 bits"),
    ],
)
def test_one_that_they_would_not_take_is_refused_with_its_reason(
    given: tuple[str, str], needed: list[str], now: datetime.datetime, why: str
) -> None:
    assert re.search(why, unfit(*given, needed, CALLED, now))


@pytest.mark.parametrize("key", ["no digits", "ab" * 31, f"{'ab' * 32}\nab"])
def test_a_key_for_sessions_that_is_given_and_is_none_is_refused(key: str) -> None:
    with pytest.raises(pki.TrustError, match=r"given console\.key is no key for sessions"):
        pki.choose({"console.key": key}, {})


def test_one_that_is_a_key_is_kept() -> None:
    keys = f"{'ab' * 32}\n{'cd' * 64}\n"
    assert pki.choose({"console.key": keys}, {})[0]["console.key"] == keys
