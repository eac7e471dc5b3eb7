# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renewal of a node's certificates by the node itself, each day and when it boots, without a play.

Role kvm writes down what the certificates are to be. The authorities are on every node, so that a node which was away
for longer than its certificates lasted is believed again by the time that it asks others for anything.

Only the same authority's signature is renewed: whoever believes the present certificate believes the next one. From
one authority to another goes a play, which takes all nodes along (certificates.yml).
"""

from __future__ import annotations

import json
import syslog
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import DroverError
from .identity import Identity, Subject, advance, alone
from .keyfiles import SECRETS, held
from .pki import ends

__all__ = ["CONSOLE", "DECLARED", "declared", "files", "main", "overdue", "renew"]

_DAY = 86400.0
#: Days before its end at which somebody has to know of a certificate that was not renewed, and of an authority.
_LATE, _AUTHORITY_LATE = 14, 180
_MEND = "`journalctl -t drover-certificates` on the node says why it did not renew it, site.yml does"
#: What the certificates are to be: the options of module certificate, without its step.
DECLARED = Path("/etc/drover/certificates.json")
#: The same of the console, where there is one: it has more names and addresses, and an authority of its own.
CONSOLE = Path("/etc/drover/console-certificates.json")


def files() -> list[Path]:
    """What declares certificates on this node: the nodes' own, and the console's where there is one."""
    return [DECLARED, *([CONSOLE] if CONSOLE.exists() else [])]


def declared(path: Path | None = None, secrets: Path | None = None) -> tuple[list[Identity], Subject]:
    """What this node's certificates are to be. Raises OSError, ValueError, KeyError, DroverError."""
    said = json.loads((path or DECLARED).read_text(encoding="utf-8"))
    subject = Subject(*(said[key] for key in ("name", "names", "addresses", "days", "renew_days")))
    return [Identity.declared(secrets or SECRETS, one) for one in said["identities"]], subject


def renew(
    identities: Sequence[Identity], subject: Subject, advance: Callable[..., dict[str, Any]] = advance
) -> tuple[list[str], list[str]]:
    """Renew what is due; tell what was renewed, and what a play has to see to."""
    sound, troubles = [], []
    for one in identities:
        if fault := one.unsound():
            troubles.append(f"the certificate of {one.authority} is left as it is, for {fault}: run certificates.yml")
        else:
            sound.append(one)
    done = advance(sound, "issue", subject, look=False)
    return [f"renewed the certificate of {name}: {reason}" for name, reason in done["reasons"].items()], troubles


def overdue(identities: Sequence[Identity], now: float) -> list[str]:
    """What ends soon here that should have been renewed, or that a play has to replace; a sentence each."""
    lines = []
    for one in identities:
        parts = [(held(pair.certificate), "certificate", _LATE, _MEND) for pair in one.pairs[:1]]
        parts.append((one.known, "authority", _AUTHORITY_LATE, "run certificates.yml"))
        for text, what, days, remedy in parts:
            left = (ends(text).timestamp() - now) / _DAY if text else 0.0
            if left < days:
                lines.append(f"the {what} {one.authority} is good for {max(0, int(left))} more days; {remedy}")
    return lines


def main() -> int:
    """Renew this node's certificates where they are due. The exit status tells systemd whether somebody has to look."""
    syslog.openlog("drover-certificates", syslog.LOG_PID, syslog.LOG_DAEMON)
    # A fault in what is declared for the one keeps nobody from hearing of the other.
    done = [_renewed(path) for path in files()]
    for renewed, troubles in done:
        for line in renewed:
            syslog.syslog(syslog.LOG_INFO, line)
        for line in troubles:
            syslog.syslog(syslog.LOG_ERR, line)
    return 1 if any(troubles for _, troubles in done) else 0


def _renewed(path: Path) -> tuple[list[str], list[str]]:
    """:func:`renew` for what a file declares; a fault in it is a trouble as well."""
    try:
        with alone():
            return renew(*declared(path))
    except (DroverError, OSError, ValueError, KeyError, TypeError) as error:
        return [], [f"the certificates could not be looked after: {error}; run site.yml"]
