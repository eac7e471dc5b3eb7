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
import threading
import time
from pathlib import Path

from ..core.command import CommandError, run
from ..core.installed import program

__all__ = ["attempt", "credential", "groups", "main"]

_SERVICE = "drover"
#: Seconds for one try: a failure is delayed by PAM itself.
_PATIENCE = 15.0
#: Tries at a time, each some 20 MB: the others wait, for the steward's unit has its limit.
_TOGETHER = threading.BoundedSemaphore(4)
_SHADOW = Path("/etc/shadow")


def attempt(user: str, password: str) -> bool:
    """Whether the system takes this password. Never for root, whose password is not to be tried over the network."""
    if user == "root" or "\0" in user + password:
        return False
    said = json.dumps({"user": user, "password": password})
    try:
        with _TOGETHER:
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


def credential(user: str, shadow: Path = _SHADOW) -> str:
    """What is another as soon as the user has a new password, is locked, or is somebody else by the same name; empty
    for one there is not, or whose account has expired. Of a directory's users it is their number alone: the node does
    not see their passwords."""
    try:
        number = pwd.getpwnam(user).pw_uid
        lines = shadow.read_text(encoding="utf-8", errors="replace").splitlines()
    except (KeyError, ValueError):
        return ""
    # Name, hash, days of the last change, of the least, the greatest, the warning, the grace, and that of the end.
    fields = next((line.split(":") for line in lines if line.startswith(f"{user}:")), [])
    if len(fields) > 7 and fields[7].isdigit() and int(fields[7]) * 86_400 <= time.time():
        return ""
    return f"{number}:{fields[1] if len(fields) > 1 else ''}"


def main() -> int:
    """The process of one try: 0 when the password is right."""
    import pam  # python3-pampy

    said = json.load(sys.stdin)
    return 0 if pam.authenticate(said["user"], said["password"], service=_SERVICE) else 1
