# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The storage that the nodes of a lab share, as a file system of its own: filled, it harms nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import Chassis
from ansible_collections.cspp.drover.tests.clients import answers

from ..verify.lab import Lab

__all__ = ["own_file_system"]

_SIZE = "4G"


@contextmanager
def own_file_system(lab: Lab) -> Iterator[None]:
    """Put one under what the nodes share, which are bare yet. They see it once they have been switched off and on."""
    place, image = lab.folder / "shared", lab.folder / "shared.img"
    run(["truncate", f"--size={_SIZE}", str(image)])
    run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", str(image)])
    run(["mount", "-o", "loop", str(image), str(place)])
    try:
        ground = LabGround(lab.folder)
        for name, address in ground.nodes.items():
            # One that is still being cleared away would count as on, and would answer once more.
            Chassis.load(lab.folder / "nodes" / name).cut_power()
            ground.press_power(name)
            wait_for(
                lambda address=address: answers(address, 22, greeting=True),  # type: ignore[misc]
                bool,
                what=f"the return of {name}",
                timeout=60,
            )
        yield
    finally:
        # The nodes have it until they are gone.
        run(["umount", "--lazy", str(place)])
