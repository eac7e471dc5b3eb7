# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The spool: where Pacemaker's alerts leave what happened, for the notifier of the node to look at once.

Alerts run as user hacluster and may do nothing but leave a file here. What is in it is believed no further than as a
time: the notifier looks at the cluster itself.
"""

from __future__ import annotations

import grp
import json
import os
import re
import select
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.arrivals import Arrivals

__all__ = ["FOLDER", "Event", "Spool", "alert"]

FOLDER = Path("/run/drover-notify")
#: The group that Pacemaker's daemons are in.
_GROUP = "haclient"
#: Bytes of a file that are read.
_LONGEST = 4096
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,64}")


@dataclass(frozen=True)
class Event:
    """Something that Pacemaker told: of a ``kind`` (node, fencing, resource), about a node, at ``when`` (unix time)."""

    kind: str
    node: str
    when: float


class Spool:
    """The folder as the notifier has it, which makes it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(KeyError, PermissionError):
            os.chown(folder, -1, grp.getgrnam(_GROUP).gr_gid)
        # Whoever is of the group may leave files, and neither read nor list those of others.
        folder.chmod(0o730)
        self._arrivals = Arrivals(str(folder))

    def wait(self, seconds: float) -> None:
        """Wait until something arrives, or so long."""
        select.select([self._arrivals], [], [], seconds)

    def take(self) -> list[Event]:
        """What has arrived, the oldest first; it is gone from the folder then."""
        self._arrivals.read()
        # What begins with a dot is still being written.
        names = [name for name in sorted(os.listdir(self._folder)) if not name.startswith(".")]
        found = [event for name in names if (event := self._read(self._folder / name)) is not None]
        return sorted(found, key=lambda event: event.when)

    def _read(self, path: Path) -> Event | None:
        try:
            number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(number, "rb") as file:
                # Whoever may leave files may leave a pipe as well.
                said = json.loads(file.read(_LONGEST)) if stat.S_ISREG(os.fstat(number).st_mode) else {}
            event = Event(str(said["kind"]), str(said["node"]), float(said["when"]))
        except (OSError, ValueError, KeyError, TypeError):
            event = None
        with suppress(OSError):
            path.unlink()
        return event if event is not None and _NAME.fullmatch(event.node) else None


def alert(environment: Mapping[str, str] = os.environ, folder: Path = FOLDER) -> int:
    """Leave word of an event of Pacemaker's. Without a notifier on this node there is nobody to tell."""
    told = {name: environment.get(f"CRM_alert_{name}", "") for name in ("kind", "node", "timestamp_epoch")}
    if not folder.is_dir():
        return 0
    try:
        when = float(told["timestamp_epoch"])
    except ValueError:
        when = time.time()
    name = f"{time.time_ns()}-{os.getpid()}"
    draft = folder / f".{name}"
    # Where that fails, the notifier looks by itself some seconds later.
    with suppress(OSError):
        draft.write_text(json.dumps({"kind": told["kind"], "node": told["node"], "when": when}), encoding="utf-8")
        draft.rename(folder / name)
    return 0
