# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sizes that Pacemaker has to be given for a number of guests: of one message, and of a queue of them.

Pacemaker's daemons and tools hand the whole CIB to each other, and Pacemaker 3.0.0 takes no message of more than
``PCMK_ipc_buffer`` bytes after compression: with its own 128 KiB a cluster of three nodes has no scheduler, and so no
recovery, from some 330 guests on. Later versions ignore the setting.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["STOCK_BUFFER", "compressed_cib", "ipc_buffer", "ipc_limit", "running_buffer"]

#: ``PCMK_ipc_buffer`` of a Pacemaker that was told nothing.
STOCK_BUFFER = 131_072
#: Bytes that a guest adds to the compressed CIB: by its configuration, and by the record of each node.
_OF_A_GUEST, _OF_ITS_RECORD = 100, 47
#: After a rolling maintenance every node has more on record; the rest is for names longer than ours, and company.
_SPARE = 3
_LEAST_BUFFER = 2**20
#: Pacemaker's own limit.
_LEAST_LIMIT = 500


def compressed_cib(guests: int, nodes: int) -> int:
    """Bytes of the CIB of a healthy cluster as Pacemaker compresses it (bzip2), by measurement of synthetic ones."""
    return guests * (_OF_A_GUEST + _OF_ITS_RECORD * nodes)


def ipc_buffer(guests: int, nodes: int) -> int:
    """``PCMK_ipc_buffer`` for so many guests on so many nodes, in bytes: a power of two."""
    needed = max(_LEAST_BUFFER, _SPARE * compressed_cib(guests, nodes))
    return 1 << (needed - 1).bit_length()


def ipc_limit(guests: int, nodes: int) -> int:
    """``cluster-ipc-limit``: messages that may wait for a daemon before it is cut off, one for each guest and node."""
    return max(_LEAST_LIMIT, guests * nodes)


def running_buffer(proc: Path = Path("/proc")) -> int | None:
    """The buffer that this node's Pacemaker was started with, in bytes; None when none runs."""
    for process in proc.iterdir():
        with suppress(OSError, ValueError):
            if process.name.isdigit() and (process / "comm").read_text().strip() == "pacemakerd":
                words = (process / "environ").read_text(errors="replace").split("\0")
                told = [word.partition("=")[2] for word in words if word.startswith("PCMK_ipc_buffer=")]
                return max(STOCK_BUFFER, int(told[0])) if told else STOCK_BUFFER
    return None
