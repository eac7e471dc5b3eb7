# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-in of the system's own users, by PAM (service drover). Each try is a process of its own: python3-pampy is not
made for threads, and what a PAM module leaves behind goes with the process.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import sys

from ..core.command import CommandError, run
from ..core.installed import program

__all__ = ["attempt", "groups", "main"]

_SERVICE = "drover"
#: Seconds for one try: a failure is delayed by PAM itself.
_PATIENCE = 15.0


def attempt(user: str, password: str) -> bool:
    """Whether the system takes this password. Never for root, whose password is not to be tried over the network."""
    if user == "root" or "\0" in user + password:
        return False
    said = json.dumps({"user": user, "password": password})
    try:
        return run([program("steward"), "pam"], stdin=said, timeout=_PATIENCE, ok=(0, 1)).rc == 0
    except CommandError:
        return False


def groups(user: str) -> list[str]:
    """The names of a user's groups; none for a user there is not, or who is root by another name."""
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        return []
    if entry.pw_uid == 0:
        return []
    found = []
    for number in os.getgrouplist(user, entry.pw_gid):
        try:
            found.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return found


def main() -> int:
    """The process of one try: 0 when the password is right."""
    import pam  # python3-pampy

    said = json.load(sys.stdin)
    return 0 if pam.authenticate(said["user"], said["password"], service=_SERVICE) else 1
