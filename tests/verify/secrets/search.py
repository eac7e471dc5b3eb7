# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a node lets secrets be seen: its journal, arguments of processes, and files that others than root get at.

The scripts run on nodes, and are told the secrets on standard input, as JSON by name.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..lab import Lab

__all__ = ["looking_at_processes", "needle", "places", "within"]

#: Tells, for each secret, the files that have it, and which of them a user without rights can read or change; and
#: the journal's lines that have it, all fields.
_PLACES = r"""
import json, os, subprocess, sys
needles = {name: text.encode() for name, text in json.load(sys.stdin).items()}
SKIPPED = ("/proc", "/sys", "/dev", "/srv", "/usr", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log/journal")
found = {"files": [], "exposed": [], "journal": []}
paths = []
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]
    for name in names:
        path = os.path.join(folder, name)
        try:
            if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) > 1 << 23:
                continue
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            continue
        paths += [(secret, path) for secret, needle in needles.items() if needle in text]
found["files"] = [list(pair) for pair in paths]
with subprocess.Popen(["journalctl", "--no-pager", "--output=export"], stdout=subprocess.PIPE) as journal:
    for line in journal.stdout:
        found["journal"] += [[secret, line[:60].decode(errors="replace")] for secret, n in needles.items() if n in line]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for secret, path in paths:
    if os.access(path, os.R_OK) or os.access(path, os.W_OK) or os.access(os.path.dirname(path), os.W_OK):
        found["exposed"].append([secret, path])
print(json.dumps(found))
"""
#: Looks at all processes' arguments until standard input ends; then tells which program had which secret there.
_PROCESSES = r"""
import json, os, select, sys
needles = {name: text.encode() for name, text in json.loads(sys.stdin.readline()).items()}
found, looks = set(), 0
while not select.select([sys.stdin], [], [], 0.02)[0]:
    looks += 1
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                words = file.read()
        except OSError:
            continue
        program = words.split(b"\0")[0].decode(errors="replace")
        found |= {(secret, program) for secret, needle in needles.items() if needle in words}
print(json.dumps({"looks": looks, "found": sorted(found)}))
"""


def needle(text: str) -> str:
    """What of a secret is looked for: of a private key in PEM, a line that no other key has."""
    lines = text.strip().splitlines()
    return lines[2] if lines[0].startswith("-----BEGIN") else lines[0]


def within(text: str, secrets: Mapping[str, str]) -> list[str]:
    """The names of the secrets that a text has."""
    return sorted(name for name, secret in secrets.items() if secret in text)


def places(lab: Lab, node: str, secrets: Mapping[str, str]) -> dict[str, list[list[str]]]:
    """Where a node has these secrets: ``files``, those of them that are ``exposed``, and lines of the ``journal``."""
    told = lab.ssh(node)(["python3", "-I", "-c", _PLACES], stdin=json.dumps(secrets), timeout=300)
    found: dict[str, list[list[str]]] = json.loads(told.stdout)
    return found


@contextmanager
def looking_at_processes(lab: Lab, nodes: Iterable[str], secrets: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Look at the processes of these nodes all the while. Afterwards there is by node what was ``found``."""
    watches = {}
    for node in nodes:
        argv = [*lab.ssh_argv(node), f"exec python3 -I -c '{_PROCESSES}'"]
        watches[node] = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = {}
    try:
        for watch in watches.values():
            assert watch.stdin is not None
            watch.stdin.write(json.dumps(secrets) + "\n")
            watch.stdin.flush()
        yield told
        for node, watch in watches.items():
            told[node] = json.loads(watch.communicate(timeout=60)[0])
    finally:
        for watch in watches.values():
            watch.kill()
            watch.wait()
