# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ipmitool as fence agents are given it: with the power controller's password in its environment.

fence_ipmilan puts the password that Pacemaker tells it among ipmitool's arguments, which every user of the node can
read, at every look at the device. So Pacemaker is told none, and the agent starts this program in ipmitool's place.
Passwords lie beside the cluster's other secrets. Only root can read the environment of root's processes.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from ..trust.keyfiles import SECRETS

__all__ = ["AGENTS", "IPMITOOL", "PASSWORD", "PASSWORDS", "main", "place", "rewritten"]

#: Fence agents that start ipmitool.
AGENTS = frozenset(
    {
        "fence_idrac",
        "fence_ilo3",
        "fence_ilo4",
        "fence_ilo5",
        "fence_imm",
        "fence_ipmilan",
        "fence_ipmilanplus",
    }
)
#: Where this program is on a node.
IPMITOOL = "/usr/lib/drover/current/bin/ipmitool"
#: The passwords of power controllers by :func:`place`, as JSON; role fencing writes it.
PASSWORDS = SECRETS / "bmc" / "passwords.json"
#: The variable from which ipmitool takes a password. One that is set already is being tried, and not kept yet.
PASSWORD = "IPMI_PASSWORD"
#: How often a power controller that does not answer is asked. ipmitool's own four times take half a minute, in which
#: nobody knows yet that it is silent.
_TRIES = "2"
_DIRECTORIES = "/usr/bin:/usr/sbin:/bin:/sbin"


def place(address: str, port: int | str) -> str:
    """What a power controller is known by."""
    return f"{address} {port}"


def rewritten(arguments: Sequence[str]) -> tuple[list[str], str]:
    """ipmitool's arguments without the empty password that the agent gives, and which power controller they name."""
    words = list(arguments)
    if "-R" not in words:
        words = ["-R", _TRIES, *words]
    if "-P" in words[:-1] and not words[words.index("-P") + 1]:
        at = words.index("-P")
        del words[at : at + 2]
    named = dict(itertools.pairwise(words))
    return ["-E", *words], place(named.get("-H", ""), named.get("-p", "623"))


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Become ipmitool. Returns only when there is none, or no password."""
    words, controller = rewritten(sys.argv[1:])
    program = shutil.which("ipmitool", path=_DIRECTORIES)
    if program is None:
        sys.stderr.write("ipmitool is not installed: run site.yml\n")
        return 1
    given = dict(environment)
    if PASSWORD not in given:
        try:
            given[PASSWORD] = json.loads(PASSWORDS.read_text(encoding="utf-8"))[controller]
        except (OSError, ValueError, KeyError) as error:
            sys.stderr.write(f"there is no password for the power controller at {controller} ({error}): run site.yml\n")
            return 1
    os.execve(program, [program, *words], given)
    return 1
