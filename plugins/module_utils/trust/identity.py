# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's identities: the certificates that it shows, and the authorities that it believes in turn.

Nodes go from one authority to another in three steps, each done by all of them before one does the next, so that at
every moment each node believes what any other shows. Whoever starts anew after an interruption begins with the first:
what is believed then is kept until every node shows what the new authority signed.
"""

from __future__ import annotations

import grp
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..core.command import Runner, expected, run
from ..core.errors import InvalidValue
from ..core.lock import LOCKS, locked
from . import pki
from .keyfiles import Rights, held, put, tighten

__all__ = ["Identity", "Pair", "Step", "Subject", "advance", "alone"]

#: ``trust``: believe who signs from now on, beside everybody who is believed now. ``issue``: make the certificates that
#: have to be made. ``settle``: believe nobody else any more, and let nobody read a key who need not.
Step = Literal["trust", "issue", "settle"]

#: Seconds in which both ends of a migration or a connection that has begun have read what they need.
_OPENING = 5.0
#: Seconds for another change of certificates on this node to end.
_OTHER = 60.0
#: As old as the certificates that libvirt's daemon was last told to read.
_TOLD = Path("/run/drover/libvirt-certificates")


@dataclass(frozen=True)
class Subject:
    """Whom certificates are made out to, and for how long: renewed ``renew_days`` before their end.

    Raises InvalidValue for certificates that would be renewed as soon as they are made.
    """

    name: str
    names: Sequence[str]
    addresses: Sequence[str]
    days: int
    renew_days: int

    def __post_init__(self) -> None:
        if not 0 < self.renew_days < self.days:
            raise InvalidValue(
                f"certificates that are good for {self.days} days cannot be renewed {self.renew_days} days before "
                "their end: renew them later, or make them good for longer"
            )


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Identity:
    """What a node shows to those who believe one authority.

    ``secrets`` has the authority; ``bundle`` are those that the node believes. ``group`` may read the key; root alone
    when it is root's. ``libvirt``: libvirt's daemon reads these files, and only when it starts or is told to.
    """

    secrets: Path
    authority: str
    bundle: Path
    pairs: tuple[Pair, ...]
    group: str = "root"
    libvirt: bool = False

    @classmethod
    def declared(cls, secrets: Path, arguments: Mapping[str, Any]) -> Identity:
        """What one element of the ``identities`` of module certificate says."""
        pairs = tuple(Pair(Path(pair["certificate"]), Path(pair["key"])) for pair in arguments["pairs"])
        return cls(
            secrets,
            arguments["authority"],
            Path(arguments["bundle"]),
            pairs,
            arguments.get("group", "root"),
            arguments.get("libvirt", False),
        )

    @property
    def known(self) -> str:
        """The authority, and those that it replaces at the moment."""
        return self._certificates.read_text()

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.bundle, *(file for pair in self.pairs for file in (pair.certificate, pair.key)))

    def believed(self) -> str:
        """Those who are believed now, also through a link."""
        return self.bundle.read_text() if self.bundle.is_file() else ""

    def reason(self, subject: Subject) -> str:
        """Why a new certificate has to be made; empty when the present one serves."""
        for pair in self.pairs:
            certificate, key = held(pair.certificate), held(pair.key)
            if not certificate or not key:
                return "there is none"
            asked = subject.names, subject.addresses, subject.days, subject.renew_days
            if fault := pki.fault(certificate, key, self.known, *asked):
                return fault
        return ""

    def unsound(self) -> str:
        """Why the present certificate proves nothing to those who believe the authority; empty when it does."""
        faults = (pki.unsound(held(pair.certificate), held(pair.key), self.known) for pair in self.pairs)
        return next((fault for fault in faults if fault), "")

    def believe(self, text: str, *, look: bool) -> bool:
        """Believe these authorities; whether that is (with ``look``: would be) a change."""
        if held(self.bundle) == text:
            return False
        if not look:
            put({self.bundle: (text, Rights())})
        return True

    def issue(self, subject: Subject) -> None:
        """Show a new certificate from now on."""
        authority = self._signing_key.read_text(), self.known
        key, certificate = pki.issue(authority, subject.name, subject.names, subject.addresses, subject.days)
        contents = {}
        for pair in self.pairs:
            contents[pair.key] = (key, self._rights)
            contents[pair.certificate] = (certificate, Rights())
        put(contents)

    def tighten(self, *, look: bool) -> bool:
        """Let only those read a key who have to; whether that is (with ``look``: would be) a change."""
        keys = [pair.key for pair in self.pairs if held(pair.key)]
        changes = [tighten(key, self._rights, look=look) for key in keys]
        return any(changes)

    @property
    def _rights(self) -> Rights:
        # By name only when a file is written: the package that brings the group may still be to come.
        try:
            group = grp.getgrnam(self.group).gr_gid
        except KeyError:
            raise InvalidValue(f"there is no group {self.group} here, which is to read the key") from None
        return Rights(0o600 if self.group == "root" else 0o640, group)

    @property
    def _signing_key(self) -> Path:
        return self.secrets / f"{self.authority}.key"

    @property
    def _certificates(self) -> Path:
        return self.secrets / f"{self.authority}.crt"


def alone() -> AbstractContextManager[None]:
    """While a play or the node itself changes certificates here, wait."""
    return locked(LOCKS / "certificates", _OTHER, what="the end of another change of this node's certificates")


def advance(
    identities: Sequence[Identity],
    step: Step,
    subject: Subject,
    *,
    look: bool,
    run: Runner = run,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Take one step for each of the identities, in their order; with ``look``, only tell what it would change.

    Returns ``changed``, the ``reasons`` for new certificates by authority, and whether all is ``settled``: then the
    later steps have nothing to do. Raises TrustError, CommandError, OSError.
    """
    changed, settled = False, True
    reasons: dict[str, str] = {}
    for one in identities:
        reason = one.reason(subject)
        done = False
        if step == "trust":
            done = one.believe(pki.beside(one.known, one.believed()), look=look)
        elif step == "issue" and reason:
            done = True
            if not look:
                if any(pair.certificate.exists() for pair in one.pairs):
                    _let_pass(one.bundle, sleep)
                one.issue(subject)
        elif step == "settle":
            if one.believed() != one.known and not look:
                _let_pass(one.pairs[0].certificate, sleep)
            done = one.believe(one.known, look=look)
            done |= one.tighten(look=look)
        if one.libvirt and (stale := _stale(one.files, run)):
            done = True
            if not look:
                _tell_libvirt(stale, run)
        changed |= done
        reasons |= {one.authority: reason} if reason else {}
        left = one.reason(subject) or one.believed() != one.known or one.tighten(look=True)
        settled &= not left
    return {"changed": changed, "settled": settled, "reasons": reasons}


def _let_pass(written: Path, sleep: Callable[[float], None]) -> None:
    """Wait for those who began before the file was written, with what was valid then."""
    age = time.time() - written.stat().st_mtime if written.exists() else _OPENING
    if 0 <= age < _OPENING:
        sleep(_OPENING - age)


#: What libvirt's daemon answers that was started without TLS. With it, it starts anew and reads what is there then.
_NO_TLS = "no tls service found"


def _stale(files: Sequence[Path], run: Runner) -> int:
    """The time of the newest file, in nanoseconds, when libvirt's daemon runs and has read an older one; else 0."""
    newest = max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)
    if newest <= (_TOLD.stat().st_mtime_ns if _TOLD.exists() else 0):
        return 0
    asked = "--property=ActiveState,ExecMainStartTimestampMonotonic"
    said: Mapping[str, str] = dict(
        line.partition("=")[::2] for line in run(["systemctl", "show", "libvirtd.service", asked]).stdout.splitlines()
    )
    if said.get("ActiveState") != "active":
        return 0
    ago = time.monotonic_ns() - int(said["ExecMainStartTimestampMonotonic"]) * 1000
    return newest if newest > time.time_ns() - ago else 0


def _tell_libvirt(newest: int, run: Runner) -> None:
    """Have libvirt's daemon read the files. A restart would do as well, and call off migrations that are under way."""
    told = run(["virt-admin", "server-update-tls", "libvirtd"], ok=None)
    # One that runs since the boot, before anybody has given it a TLS socket, has read nothing of it.
    if _NO_TLS not in told.stderr:
        expected(told, (0,))
    _TOLD.parent.mkdir(parents=True, exist_ok=True)
    _TOLD.touch()
    os.utime(_TOLD, ns=(newest, newest))
