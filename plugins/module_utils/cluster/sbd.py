# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SBD (storage-based death): what lies on a shared disk by which nodes are told to reset themselves.

Each node's sbd reads its own slot once a second, and a hardware watchdog resets a node whose sbd does so no more. So a
node counts as off ``msgwait`` after a reset was written into its slot, which is twice the watchdog's timeout.

Source: sbd(8) and the header of version 2.1 as Debian 13's sbd 1.5.2 writes it. Numbers are big-endian.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "AGENT",
    "LAYOUT_SECTORS",
    "MOST_DEVICES",
    "SLOTS",
    "WATCHDOG_TIMEOUT",
    "Header",
    "agent_options",
    "majority",
    "msgwait",
    "parse_header",
    "parse_slots",
    "watched",
]

#: The fence agent that writes into slots.
AGENT = "fence_sbd"
#: Disks that one sbd watches, at most.
MOST_DEVICES = 3
#: Seconds after which a watchdog bites, unless the site says otherwise: what shared storage takes to find another path.
WATCHDOG_TIMEOUT = 15
#: Slots of nodes, and sectors that SBD writes: a header, then two for each slot.
SLOTS = 255
LAYOUT_SECTORS = 1 + 2 * SLOTS

_MAGIC, _VERSION = b"SBD_SBD_", 2
#: magic, version, slots, two bytes of padding, sector size, four timeouts, minor version, UUID.
_HEADER = struct.Struct(">8sBB2x5IB16s")
_NAME = 64
_MESSAGES = {0: "clear", 1: "test", 2: "reset", 3: "off", 4: "exit", 5: "crashdump"}
#: Seconds that an order takes beside the wait for its delivery.
_RESERVE = 15
#: What sbd's process for a disk calls itself: "sbd: watcher: /dev/sdc - slot: 0 - uuid: ...".
_WATCHER, _UUID = b"sbd: watcher: ", b" - uuid: "


@dataclass(frozen=True)
class Header:
    """The head of a disk that SBD uses; ``watchdog`` and ``msgwait`` are seconds, by which all nodes go."""

    uuid: str
    sector: int
    watchdog: int
    msgwait: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def msgwait(watchdog: int) -> int:
    """Seconds after which a node that was told to reset itself is off: it has read that, or its watchdog has bitten."""
    return 2 * watchdog


def majority(devices: int) -> int:
    """How many of so many disks sbd has to reach, for an order to count as delivered."""
    return devices // 2 + 1


def parse_header(data: bytes) -> Header | None:
    """What the first sector of a disk says; None where SBD has none, or one from before it had UUIDs."""
    if len(data) < _HEADER.size:
        return None
    magic, version, slots, sector, watchdog, _allocate, _loop, wait, minor, number = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or slots != SLOTS or minor < 1:
        return None
    return Header(str(uuid.UUID(bytes=number)), sector, watchdog, wait)


def parse_slots(data: bytes, sector: int) -> dict[str, str]:
    """The message to each node that has a slot, from the first :data:`LAYOUT_SECTORS` sectors of a disk."""
    found = {}
    for slot in range(SLOTS):
        node, box = data[(1 + 2 * slot) * sector :], data[(2 + 2 * slot) * sector :]
        if node[:1] not in (b"", b"\0"):
            found[_text(node)] = _MESSAGES.get(box[0], "undefined") if box else "undefined"
    return found


def watched(titles: Sequence[bytes]) -> set[str]:
    """The UUIDs of the disks that sbd's processes watch, by what they call themselves."""
    return {
        title.rpartition(_UUID)[2].strip(b"\0 \n").decode("ascii", "replace")
        for title in titles
        if title.startswith(_WATCHER) and _UUID in title
    }


def agent_options(watchdog: int) -> dict[str, str]:
    """What the agent and Pacemaker are told of time, and what becomes of "on"."""
    limit = msgwait(watchdog) + _RESERVE
    return {
        # The agent kills sbd after that, which sleeps for as long as delivery takes.
        "power_timeout": str(limit),
        "pcmk_reboot_timeout": f"{limit + _RESERVE}s",
        "pcmk_off_timeout": f"{limit + _RESERVE}s",
        # It resets, which brings the node back; there is nothing here that could switch it on. The agent's own "on"
        # wipes the slot, and with it perhaps an order that was not read yet.
        "pcmk_reboot_action": "reboot",
        "pcmk_on_action": "status",
    }


def _text(node: bytes) -> str:
    return node[1:_NAME].partition(b"\0")[0].decode("utf-8", "replace")
