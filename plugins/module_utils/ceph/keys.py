# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ceph's keys: made, written as keyrings, and what each may do.

A key is 16 random bytes behind a header (src/auth/Crypto.cc, CryptoKey::encode). Keys go to programs by standard
input or by files that root alone reads, never as arguments.
"""

from __future__ import annotations

import base64
import re
import secrets
import struct
import time
from collections.abc import Iterable, Mapping, Sequence

from ..core.errors import DroverError
from ..trust.keyfiles import SECRETS, Disagreement, settled

__all__ = [
    "ALERT",
    "GUESTS",
    "NAMES",
    "CephKeyError",
    "choose",
    "clients",
    "daemon",
    "keyring",
    "new_key",
    "read_keyring",
]

#: The client that nodes are for guests' disks and root file systems, and the one that says that a node is gone.
GUESTS = "client.drover"
ALERT = "client.drover-alert"
ADMIN = "client.admin"
#: What nodes keep in folder ceph of their secrets, by file name; those of MONITORS on monitors alone.
NAMES = ("fsid", "mon.", ADMIN, GUESTS, ALERT)
MONITORS = ("mon.", ADMIN)
_AES = 1


class CephKeyError(DroverError):
    """Keys of members that contradict each other."""


def new_key() -> str:
    """A new cephx key, as Ceph prints it."""
    now = time.time()
    secret = secrets.token_bytes(16)
    return base64.b64encode(struct.pack("<hIIh", _AES, int(now), 0, len(secret)) + secret).decode()


def keyring(entries: Mapping[str, tuple[str, Mapping[str, str]]]) -> str:
    """A keyring file: by entity its key and its capabilities."""
    lines = []
    for entity, (key, caps) in entries.items():
        lines += [f"[{entity}]", f"\tkey = {key}"]
        for service, cap in caps.items():
            quoted = cap.replace('"', '\\"')
            lines.append(f'\tcaps {service} = "{quoted}"')
    return "\n".join(lines) + "\n"


def read_keyring(text: str) -> dict[str, str]:
    """The keys in a keyring file by entity."""
    found, entity = {}, ""
    for line in text.splitlines():
        if section := re.fullmatch(r"\s*\[(.+)\]\s*", line):
            entity = section[1]
        elif key := re.fullmatch(r"\s*key\s*=\s*(\S+)\s*", line):
            found[entity] = key[1]
    return found


def choose(
    given: Mapping[str, str], found: Mapping[str, Mapping[str, str]], fresh: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """One value per name: as given, else adopted from a member, else of those made ``fresh``; and the names of these.

    ``found`` has what each node holds. Raises CephKeyError when nodes disagree.
    """
    chosen: dict[str, str] = {}
    new = []
    for name in NAMES:
        try:
            value = settled(name, given, found)
        except Disagreement as nodes:
            raise CephKeyError(
                f"{name} of Ceph differs between {nodes}: they are of different Ceph clusters",
                remedy=f"Take {SECRETS}/ceph off the nodes that are to join, or them out of the inventory.",
            ) from None
        if value is None:
            new.append(name)
        chosen[name] = fresh[name] if value is None else value
    if "fsid" not in new and set(MONITORS) & set(new):
        raise CephKeyError(
            "nodes know a Ceph cluster, and no monitor that answers holds its keys",
            remedy="Run this with its monitors, or give the keys (ceph_secrets_given) from a backup.",
        )
    return chosen, new


def clients(rbd: Sequence[str], cephfs: Sequence[str]) -> dict[str, dict[str, str]]:
    """The capabilities of Drover's own clients: guests' disks and file systems, and that a node is gone."""
    mon, osd = ["profile rbd"], [f"profile rbd pool={pool}" for pool in rbd]
    guests = {"mon": "", "osd": "", "mgr": ", ".join(osd)}
    for name in cephfs:
        mon.append(f"allow r fsname={name}")
        osd.append(f"allow rw tag cephfs data={name}")
    guests["mon"], guests["osd"] = ", ".join(mon), ", ".join(osd)
    if cephfs:
        guests["mds"] = ", ".join(f"allow rwp fsname={name}" for name in cephfs)
    # A writer of a file system's name in the map of monitors could do far more than these orders (tried): no "allow
    # rw".
    looks = ("osd tree", "osd dump", "fs dump")
    orders = ("osd down", "osd blocklist", "mds fail")
    alert = [f'allow command "{command}"' for command in (*looks, *orders)]
    alert += [f"allow w fsname={name}" for name in cephfs]
    return {
        ADMIN: {"mon": "allow *", "mgr": "allow *", "osd": "allow *", "mds": "allow *"},
        GUESTS: {service: cap for service, cap in guests.items() if cap},
        ALERT: {"mon": ", ".join(alert)},
    }


def daemon(task: str, node: str) -> tuple[str, dict[str, str]]:
    """The entity and the capabilities of a daemon: a manager, a metadata server, or what makes OSDs."""
    if task == "mgr":
        return f"mgr.{node}", {"mon": "profile mgr", "osd": "allow *", "mds": "allow *"}
    if task == "mds":
        caps = {"mon": "profile mds", "osd": "allow rw tag cephfs *=*", "mds": "allow", "mgr": "profile mds"}
        return f"mds.{node}", caps
    # As monitors make it themselves.
    return "client.bootstrap-osd", {"mon": "allow profile bootstrap-osd"}


def entities(tasks: Mapping[str, Iterable[str]]) -> dict[str, dict[str, str]]:
    """The capabilities of all daemons but monitors and OSDs, by entity."""
    wanted = [(task, node) for task in ("mgr", "mds", "osd") for node in tasks[task]]
    return dict(daemon(task, node) for task, node in wanted)
