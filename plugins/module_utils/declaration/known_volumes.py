# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes that the cluster knows a guest by: one that is missing is lost or away, and no new one takes its place.

What a guest's *live* definition names has held its data. To make it from an image when it is not found would start a
blank guest under the name of one whose data may only be unmounted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.choice import chosen
from ..guest.definition import Definition

__all__ = ["KnownVolumes", "places"]


def places(definition: Definition) -> dict[str, str]:
    """The paths of the volumes with a guest's data: of a VM's disks by target, of a container's ``rootfs``.

    What Drover makes from the YAML whenever it likes, a VM's seed, is none. Reads definitions of any version.
    """
    found = {
        str(disk.get("target")): str((disk.get("source") or {}).get("path"))
        for disk in definition.get("disks") or ()
        if not disk.get("readonly")
    }
    rootfs = definition.get("rootfs") or {}
    return {**found, "rootfs": str(rootfs["path"])} if "path" in rootfs else found


@dataclass(frozen=True)
class KnownVolumes:
    """The volumes that the cluster knows, by guest and place; ``recreate`` names guests (True: all) whose data may
    be given up for new."""

    known: Mapping[str, Mapping[str, str]]
    recreate: Collection[str] | bool = False

    @classmethod
    def of(cls, seen: Mapping[str, Mapping[str, Any]], recreate: Collection[str] | bool) -> KnownVolumes:
        """From what module local_volumes_info said on each node."""
        known: dict[str, Mapping[str, str]] = {}
        for its in seen.values():
            known |= its.get("known") or {}
        return cls(known, recreate)

    def has(self, guest: str, path: str) -> bool:
        """Whether a volume is to be found there, rather than made."""
        return path in self._of(guest).values()

    def new(self, guest: str) -> bool:
        """Whether the cluster knows no volume of the guest."""
        return not self._of(guest)

    def gives_up(self, guest: str) -> bool:
        """Whether the guest's data may be given up for new."""
        return chosen(guest, self.recreate)

    def of_guest(self, guest: str) -> Mapping[str, str]:
        """The paths that the cluster knows a guest's data at, by a disk's target or ``rootfs``."""
        return self._of(guest)

    def elsewhere(self, guest: str, wanted: Definition, begun: Collection[str] = ()) -> Iterator[str]:
        """What is wrong with a guest whose volumes the cluster knows in other places than the declaration has them.

        ``begun`` are the disks whose move there was begun.
        """
        known, new = self._of(guest), places(wanted)
        for place in sorted(known.keys() & new.keys()):
            if known[place] == new[place]:
                continue
            if place == "rootfs":
                yield (
                    f"guests.{guest}.rootfs.pool: its data is at {known[place]}, and no play moves a container to "
                    "another pool. Leave the pool as it was. To move it by hand: stop the guest, "
                    f"{_copying(known[place], new[place])}, and run this again with -e guests_recreate={guest}, which "
                    "takes what it finds there. With nothing there, the same begins anew from the image"
                )
                continue
            stage = "the move there was begun and is not finished" if place in begun else "it is moved only when asked"
            yield (
                f"guests.{guest}.disks[{place}].pool: its data is at {known[place]}, and {stage}: -e "
                f"guests_move_disks={guest} moves it, while the guest runs. With the pool as it was, it stays. To give "
                "the data up and begin anew from the image, or to take what is in the new pool: "
                f"-e guests_recreate={guest}"
            )

    def _of(self, guest: str) -> Mapping[str, str]:
        return {} if chosen(guest, self.recreate) else self.known.get(guest, {})


def _copying(source: str, target: str) -> str:
    """How a person copies a root file system to its place in another pool."""
    return f"copy {source} to {target} with owners, modes and holes (cp --archive --sparse=always)"
