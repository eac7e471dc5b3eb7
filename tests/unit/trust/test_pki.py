# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster's secrets and certificates: given, adopted, made, replaced."""

from __future__ import annotations

import datetime
import time
from functools import cache

import pytest
from cryptography import x509

from ansible_collections.cspp.drover.plugins.module_utils.trust import pki

SHARED = {"corosync.key": "c", "pacemaker.key": "p", "console.key": "s"}
NAMES, ADDRESSES = ["node1"], ["192.0.2.1", "2001:db8::1"]


@cache
def authority(number: int) -> tuple[str, str]:
    return pki.new_authority()


AUTHORITIES = ["ca.key", "ca.crt", "qemu-ca.key", "qemu-ca.crt", "console-ca.key", "console-ca.crt"]
QEMU = {"qemu-ca.key": authority(9)[0], "qemu-ca.crt": authority(9)[1]}
CONSOLE = {"console-ca.key": authority(8)[0], "console-ca.crt": authority(8)[1]}


def holding(pair: tuple[str, str], **more: str) -> dict[str, str]:
    return {**SHARED, "ca.key": pair[0], "ca.crt": pair[1], **QEMU, **CONSOLE, **more}


def test_a_fresh_cluster_gets_everything_new_and_never_the_same() -> None:
    first, new = pki.choose({}, {"node1": {}, "node2": {}})
    assert sorted(new) == sorted(pki.NAMES) == sorted(first)
    assert pki.choose({}, {})[0]["corosync.key"] != first["corosync.key"] != first["pacemaker.key"]
    # Second run: the members hold it.
    assert pki.choose({}, {"node1": first, "node2": first}) == (first, [])


@pytest.mark.parametrize(
    ("given", "found", "corosync", "new"),
    [
        ({}, {"node1": holding(authority(1)), "node2": {}}, "c", []),
        ({"corosync.key": "mine"}, {"node1": holding(authority(1))}, "mine", []),
        ({"corosync.key": "mine"}, {"node1": {}}, "mine", ["pacemaker.key", "console.key", *AUTHORITIES]),
        ({}, {"node1": SHARED}, "c", AUTHORITIES),
        ({}, {"node1": {**SHARED, **QEMU, **CONSOLE}}, "c", ["ca.key", "ca.crt"]),
        # A cluster from before QEMU had one of its own.
        ({}, {"node1": {**holding(authority(1)), "qemu-ca.key": "", "qemu-ca.crt": ""}}, "c", AUTHORITIES[2:4]),
        ({**QEMU, **CONSOLE}, {"node1": SHARED}, "c", ["ca.key", "ca.crt"]),
        # A pair of which half is lost is none.
        ({}, {"node1": {**SHARED, **QEMU, **CONSOLE, "ca.crt": authority(1)[1]}}, "c", ["ca.key", "ca.crt"]),
    ],
)
def test_given_then_adopted_then_new(
    given: dict[str, str], found: dict[str, dict[str, str]], corosync: str, new: list[str]
) -> None:
    chosen, made = pki.choose(given, found)
    assert (chosen["corosync.key"], made) == (corosync, new)
    assert set(chosen) == set(pki.NAMES)


def test_an_authority_given_goes_before_one_found() -> None:
    key, certificate = authority(2)
    chosen, _new = pki.choose({"ca.key": key, "ca.crt": certificate}, {"node1": holding(authority(1))})
    assert (chosen["ca.key"], chosen["ca.crt"]) == (key, certificate)


def test_an_authority_of_qemus_own_given_goes_before_one_found() -> None:
    key, certificate = authority(2)
    given = {"qemu-ca.key": key, "qemu-ca.crt": certificate}
    chosen, new = pki.choose(given, {"node1": holding(authority(1))})
    assert (chosen["qemu-ca.key"], chosen["qemu-ca.crt"], new) == (key, certificate, [])
    assert chosen["ca.crt"] == authority(1)[1]
    with pytest.raises(pki.TrustError, match=r"qemu-ca\.key is given without"):
        pki.choose({"qemu-ca.key": key}, {})


def test_one_authority_for_both_is_refused() -> None:
    key, certificate = authority(1)
    with pytest.raises(pki.TrustError, match="are the same authority"):
        pki.choose({"qemu-ca.key": key, "qemu-ca.crt": certificate}, {"node1": holding(authority(1))})


def test_who_is_believed_so_far_is_believed_beside_the_new_authority() -> None:
    old, new = authority(1)[1], authority(2)[1]
    assert pki.beside(new, old) == new + old
    for present in (new, "", "rubbish"):
        assert pki.beside(new, present) == new
    for present in (new + old, old + new):
        assert pki.beside(new, present) == new + old


@pytest.mark.parametrize(
    ("key", "certificate", "words"),
    [
        (authority(1)[0], "", "ca.key is given without ca.crt"),
        ("", authority(1)[1], "ca.crt is given without ca.key"),
        (authority(1)[0], authority(2)[1], "not the key of"),
        ("rubbish", authority(2)[1], "cannot be read"),
    ],
)
def test_an_authority_given_in_part_or_mixed_up_is_refused(key: str, certificate: str, words: str) -> None:
    with pytest.raises(pki.TrustError, match=words):
        pki.choose({"ca.key": key, "ca.crt": certificate}, {"node1": holding(authority(1))})


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (
            holding(authority(1)),
            holding(authority(1), **{"corosync.key": "x"}),
            "corosync.key differs between node1, node2",
        ),
        (
            holding(authority(1)),
            holding(authority(1), **{"pacemaker.key": "x"}),
            "pacemaker.key differs between node1, node2",
        ),
        (holding(authority(1)), holding(authority(2)), "different certificate authorities"),
        (holding(authority(1)), holding((authority(1)[0], "rubbish")), "ca.crt cannot be read"),
        (
            holding(authority(1)),
            holding(authority(1), **dict(zip(QEMU, authority(2), strict=True))),
            r"different certificate authorities \(qemu-ca.crt\)",
        ),
    ],
)
def test_members_that_contradict_each_other_are_refused(one: dict[str, str], two: dict[str, str], words: str) -> None:
    with pytest.raises(pki.TrustError, match=words):
        pki.choose({}, {"node1": one, "node2": two})


def test_an_authority_is_replaced_without_anybody_losing_faith() -> None:
    old = authority(1)
    both = pki.rotate(old)
    # A node that was down still has the old one: all follow the bundle.
    chosen, new = pki.choose({}, {"node1": holding(both), "node2": holding(old)})
    assert ((chosen["ca.key"], chosen["ca.crt"]), new) == (both, [])
    key, certificate = pki.issue(both, "node1", NAMES, ADDRESSES, 90)
    assert pki.fault(certificate, key, both[1], NAMES, ADDRESSES, 90, 30) is None
    # What the old authority signed is to be renewed, yet still believed by the bundle.
    key, certificate = pki.issue(old, "node1", NAMES, ADDRESSES, 90)
    assert pki.fault(certificate, key, both[1], NAMES, ADDRESSES, 90, 30) == "another authority signed it"
    assert both[1].endswith(old[1])
    only = pki.newest(both[1])
    assert both[1] == only + old[1]
    assert pki.newest(only) == only


def test_a_certificate_serves_as_server_and_client_and_no_authority() -> None:
    _key, pem = pki.issue(authority(1), "node1", NAMES, ADDRESSES, 90)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    extensions = certificate.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usages = {usage.dotted_string for usage in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}
    assert usages == {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == NAMES
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ADDRESSES
    ca = x509.load_pem_x509_certificate(authority(1)[1].encode())
    identity = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == identity.digest
    # Clocks may differ a little.
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 90


KEY, CERTIFICATE = pki.issue(authority(1), "node1", NAMES, ADDRESSES, 91)


def _early() -> tuple[str, str]:
    """As made by a node whose clock was ahead."""

    class Ahead(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Ahead:
            return cls.fromtimestamp(time.time() + 86400 * 400, tz)

    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(datetime, "datetime", Ahead)
        return pki.issue(authority(1), "node1", NAMES, ADDRESSES, 91)


EARLY_KEY, EARLY = _early()


@pytest.mark.parametrize(
    ("certificate", "key", "by", "names", "addresses", "days", "renew_days", "reason"),
    [
        (CERTIFICATE, KEY, 1, NAMES, ADDRESSES, 91, 90, None),
        (CERTIFICATE, KEY, 1, NAMES, ADDRESSES[::-1], 91, 90, None),
        (CERTIFICATE, KEY, 1, NAMES, ADDRESSES, 93, 92, "it ends on "),
        (CERTIFICATE, KEY, 1, NAMES, ADDRESSES, 60, 30, "it is good for 91 days rather than 60"),
        (EARLY, EARLY_KEY, 1, NAMES, ADDRESSES, 91, 90, "it begins on "),
        (CERTIFICATE, KEY, 1, ["node1", "node9"], ADDRESSES, 91, 90, "the node's names or addresses changed"),
        (CERTIFICATE, KEY, 1, NAMES, ADDRESSES[:1], 91, 90, "the node's names or addresses changed"),
        (CERTIFICATE, KEY, 2, NAMES, ADDRESSES, 91, 90, "another authority signed it"),
        (CERTIFICATE, authority(2)[0], 1, NAMES, ADDRESSES, 91, 90, "the key is another's"),
        (authority(1)[1], authority(1)[0], 1, NAMES, ADDRESSES, 91, 90, "it carries no names"),
        ("", KEY, 1, NAMES, ADDRESSES, 91, 90, "it cannot be read"),
        (CERTIFICATE[:200], KEY, 1, NAMES, ADDRESSES, 91, 90, "it cannot be read"),
        (CERTIFICATE, "rubbish", 1, NAMES, ADDRESSES, 91, 90, "it cannot be read"),
    ],
)
def test_why_a_certificate_is_made_anew(
    certificate: str,
    key: str,
    by: int,
    names: list[str],
    addresses: list[str],
    days: int,
    renew_days: int,
    reason: str | None,
) -> None:
    found = pki.fault(certificate, key, authority(by)[1], names, addresses, days, renew_days)
    assert found == reason if reason is None else (found or "").startswith(reason)
