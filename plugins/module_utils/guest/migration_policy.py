# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The migration policy of a guest: what its live migration may do to it, as its definition says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..core.quantities import MIB

__all__ = ["FIRST_LIMIT", "ONE_CHANNEL", "OVERHEAD", "Policy"]

#: The first downtime limit in milliseconds, the lowest that QEMU knows.
FIRST_LIMIT = 1
#: Milliseconds of every pause that do not depend on memory: device state, and the two daemons' agreement.
OVERHEAD = 20
#: Bytes a second that one processor encrypts of a VM's memory, page by page, as QEMU does it (measured in the lab).
ONE_CHANNEL = 200 * MIB
#: Bytes a second, when the wire's speed is not known, for sizing the time limit.
_ASSUMED_BANDWIDTH = 100 * MIB
_LEAST_TIMEOUT = 60.0


@dataclass(frozen=True)
class Policy:
    """What a migration may do to its guest.

    ``max_downtime`` in ms; ``bandwidth`` in bytes a second, None for what the wire has; ``timeout`` in seconds, None
    for one sized from the guest's memory; ``auto_converge``: slow down a guest that changes memory faster than the
    wire; ``post_copy``: let a stalled one go on at the target before all of its memory is there; ``channels``:
    parallel connections, at most.
    """

    max_downtime: int = 50
    bandwidth: int | None = None
    timeout: float | None = None
    auto_converge: bool = True
    post_copy: bool = False
    channels: int = 1

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> Policy:
        """From a guest's definition. What is not known here is left out: definition.read has told it."""
        known = {field.name for field in fields(cls)}
        said = {key: value for key, value in (definition.get("migration") or {}).items() if key in known}
        return cls(**{**said, "post_copy": said.get("post_copy") == "fallback"})

    def patience(self, memory: int) -> float:
        """Seconds a migration of so many bytes may take: four times what one pass does, and a minute."""
        if self.timeout is not None:
            return self.timeout
        return _LEAST_TIMEOUT + 4 * self._one_pass(memory)

    def longest(self, memory: int) -> float:
        """Seconds until one of so many bytes is over at the latest: a post-copy that begins when the patience is at an
        end can no longer be called off, and has most of the memory before it, with the VM waiting for parts of it."""
        return self.patience(memory) + (_LEAST_TIMEOUT + 2 * self._one_pass(memory) if self.post_copy else 0)

    def _one_pass(self, memory: int) -> float:
        return memory / min(self.bandwidth or _ASSUMED_BANDWIDTH, self.channels * ONE_CHANNEL)

    @property
    def budget(self) -> int:
        """The highest downtime limit in ms with which the whole pause stays within ``max_downtime``."""
        return max(FIRST_LIMIT, self.max_downtime - OVERHEAD)
