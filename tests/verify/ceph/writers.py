# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writers on a node of a lab, to both kinds of Ceph's storage, while something happens to another."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ..lab import Lab

__all__ = ["PLACES", "Writers"]

#: Where they write, by the kind that writer.py takes.
PLACES = {"rbd": "disks/probe", "file": "/srv/drover/roots/probe"}


class Writers:
    """They write for so many ``seconds``, from now on."""

    def __init__(self, lab: Lab, node: str, seconds: float) -> None:
        lab.ssh(node)(["tee", "/root/writer.py"], stdin=Path(__file__).with_name("writer.py").read_text())
        self._seconds = seconds
        self._running = {
            kind: subprocess.Popen(
                [*lab.ssh_argv(node), f"python3 /root/writer.py {kind} {place} {seconds}"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for kind, place in PLACES.items()
        }

    def results(self) -> dict[str, dict[str, Any]]:
        """What each came to, once it has ended: see writer.py."""
        return {kind: json.loads(one.communicate(timeout=self._seconds + 60)[0]) for kind, one in self._running.items()}
