# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab's credentials: the password of its BMCs, the SSH key that opens its nodes, and its nodes' host keys."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from ..core.atomic import write
from ..core.command import Runner
from .layout import Lab

__all__ = ["bmc_password", "ensure", "make_key", "write_known_hosts"]


def ensure(lab: Lab, runner: Runner) -> None:
    """Make the password and the key of a lab that has none yet."""
    if not lab.secrets.exists():
        write(lab.secrets, json.dumps({"bmc_password": secrets.token_hex(8)}) + "\n")
    if not lab.ssh_key.with_suffix(".pub").exists():
        make_key(lab.ssh_key, f"drover-lab-{lab.name}", runner)


def bmc_password(lab: Lab) -> str:
    """The password that all BMCs of the lab take."""
    return str(json.loads(lab.secrets.read_text())["bmc_password"])


def write_known_hosts(lab: Lab, nodes: int) -> None:
    """Have SSH know the first so many nodes by their host keys."""
    keys = []
    for node in lab.nodes(nodes):
        kind, key = (node.directory / "ssh_host_ed25519_key.pub").read_text().split()[:2]
        keys.append(f"{node.address} {kind} {key}\n")
    lab.known_hosts.write_text("".join(keys))


def make_key(file: Path, comment: str, runner: Runner) -> None:
    """Make an SSH key pair without a passphrase anew: ``file`` and its .pub."""
    for part in (file, file.with_suffix(".pub")):
        part.unlink(missing_ok=True)
    runner(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file)])
