# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalogue of drills: what is broken, by what means, what is expected to come of it, and how it is mended."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import DroverError
from . import fullness, strikes
from .strikes import Strike

__all__ = ["DRILLS", "Drill", "Variant", "find", "impossible"]

#: Until the guests of the node answer elsewhere.
RECOVERED = "recovered"


@dataclass(frozen=True)
class Variant:
    """One way in which a drill strikes. ``told`` says what happens, with {node} and {guest}.

    ``hold`` is how long it lasts: seconds, or until the guests of the node have recovered and some seconds more.
    ``confirmed`` after so many seconds somebody says that the node is off. ``beyond`` says for whom it cannot be done
    for want of means: ``needs`` are those of Ground.
    """

    name: str
    told: str
    strike: Strike
    mend: Strike = strikes.nothing
    hold: float | str = 0.0
    confirmed: float | None = None
    needs: frozenset[str] = frozenset()
    #: Whether the node is lost, so that it is fenced and its guests are started elsewhere.
    loses_node: bool = True
    #: Whether guests may be held up that are not struck.
    disturbs: bool = False
    #: The fewest nodes that it takes, and the fewest links of corosync's.
    nodes: int = 2
    links: int = 1


@dataclass(frozen=True)
class Drill:
    """What is broken: "node", a "guest", or "all" nodes; in one or more ways, the first of which is usual."""

    name: str
    target: str
    variants: tuple[Variant, ...]


def _needs(*means: str) -> frozenset[str]:
    return frozenset(means)


DRILLS: dict[str, Drill] = {
    drill.name: drill
    for drill in (
        Drill("power", "node", (Variant("power", "{node} loses its power", strikes.cut_power),)),
        Drill(
            "power-with-bmc",
            "node",
            (
                Variant(
                    "confirmed",
                    "{node} loses its power, and its power controller too; after 20 s somebody confirms that it is off",
                    strikes.cut_power_without_bmc,
                    strikes.mend_bmc_and_press_power,
                    hold=RECOVERED,
                    confirmed=20.0,
                    needs=_needs("bmc"),
                ),
            ),
        ),
        Drill(
            "fence-fails",
            "node",
            (
                Variant(
                    "power",
                    "{node} loses its power while its power controller does not answer, which it does again after 20 s",
                    strikes.cut_power_without_bmc,
                    strikes.mend_bmc,
                    hold=20.0,
                    needs=_needs("bmc"),
                ),
            ),
        ),
        Drill(
            "kernel-freeze",
            "node",
            (
                Variant(
                    "freeze",
                    "all processes of {node} stand still until its guests run elsewhere, and then go on",
                    strikes.freeze,
                    strikes.thaw,
                    hold=RECOVERED,
                    needs=_needs("freeze"),
                ),
            ),
        ),
        Drill(
            "partition",
            "node",
            (
                Variant(
                    "minority",
                    "{node} and the other nodes do not hear each other any more",
                    strikes.cut_off("input", "output"),
                    strikes.let_pass,
                    hold=RECOVERED,
                    nodes=3,
                ),
                Variant(
                    "one-way",
                    "{node} does not hear the other nodes any more, which hear it",
                    strikes.cut_off("input"),
                    strikes.let_pass,
                    hold=RECOVERED,
                    nodes=3,
                ),
            ),
        ),
        Drill(
            "link",
            "node",
            (
                Variant(
                    "first",
                    "the first of corosync's links of {node} fails for 20 s",
                    strikes.cut_link,
                    strikes.let_pass,
                    hold=20.0,
                    loses_node=False,
                    links=2,
                ),
            ),
        ),
        Drill(
            "libvirt",
            "node",
            (
                Variant(
                    "killed", "libvirt's daemon on {node} is killed", strikes.signal_libvirt("KILL"), loses_node=False
                ),
                Variant(
                    "hung",
                    "libvirt's daemon on {node} hangs for 40 s",
                    strikes.signal_libvirt("STOP"),
                    strikes.signal_libvirt("CONT"),
                    hold=40.0,
                    loses_node=False,
                ),
            ),
        ),
        Drill(
            "guest-crash",
            "guest",
            (Variant("killed", "{guest} is killed on {node}", strikes.crash_guest, loses_node=False),),
        ),
        Drill(
            "clock-step",
            "node",
            (
                Variant(
                    "hour",
                    "the clock of {node} is an hour ahead for 30 s",
                    strikes.step_clock(3600),
                    strikes.right_clock,
                    hold=30.0,
                    loses_node=False,
                    needs=_needs("clock"),
                ),
            ),
        ),
        Drill(
            "disk-full",
            "node",
            (
                Variant(
                    "node",
                    "{node} has no room on its disk for 40 s, not for its copy of the configuration nor for logs",
                    fullness.fill_disk,
                    fullness.empty_disk,
                    hold=40.0,
                    loses_node=False,
                ),
            ),
        ),
        Drill(
            "storage",
            "node",
            (
                Variant(
                    "pool-full",
                    "the pool with the data of the guests of {node} has no room for 60 s",
                    fullness.fill_pool,
                    fullness.empty_pool,
                    hold=60.0,
                    loses_node=False,
                    needs=_needs("pool"),
                    disturbs=True,
                ),
                *(
                    Variant(
                        f"{task}-killed",
                        f"{what} of {{node}} is killed",
                        strikes.kill_ceph(task),
                        loses_node=False,
                        needs=_needs("ceph"),
                        disturbs=True,
                    )
                    for task, what in (
                        ("osd", "each OSD"),
                        ("mon", "Ceph's monitor"),
                        ("mds", "Ceph's metadata server"),
                    )
                ),
            ),
        ),
        Drill(
            "all-nodes",
            "all",
            (
                Variant(
                    "power",
                    "all nodes lose their power at once, and have it back after 5 s",
                    strikes.cut_all_power,
                    strikes.press_all_power,
                    hold=5.0,
                    needs=_needs("all"),
                ),
            ),
        ),
    )
}

#: Why a drill cannot be done for want of a means.
_WANTING = {
    "bmc": "nobody can break a server's power controller from here: pull the cords of the node and of its controller, "
    "and watch playbooks/status.yml",
    "freeze": "nobody can stop all processes of a server from here",
    "all": "whoever cuts the power of all servers at once takes this machine's way to them along: use the fuse, "
    "and watch playbooks/status.yml",
    "pool": "what the lab's nodes share is this machine's disk; in the lab that make drills makes it is not",
    "ceph": "these nodes run no Ceph",
    "clock": "a lab's nodes have this machine's clock, all of them the same",
}


def find(name: str, variant: str = "") -> tuple[Drill, Variant]:
    """A drill and one of its variants. Raises DroverError."""
    drill = DRILLS.get(name)
    if drill is None:
        raise DroverError(f"there is no drill {name!r}", remedy=f"Choose one of {', '.join(DRILLS)}.")
    for one in drill.variants:
        if variant in ("", one.name):
            return drill, one
    known = ", ".join(one.name for one in drill.variants)
    raise DroverError(f"the drill {name} has no variant {variant!r}", remedy=f"Choose one of {known}.")


def impossible(variant: Variant, means: frozenset[str], nodes: int, links: int) -> list[str]:
    """Why this cannot be done on such a ground; empty if it can."""
    found = [_WANTING[one] for one in sorted(variant.needs - means)]
    if nodes < variant.nodes:
        found.append(f"it takes {variant.nodes} nodes, and there are {nodes}")
    if links < variant.links:
        found.append(
            f"it takes {variant.links} links of corosync's, and there is {links}: what is left is the drill partition"
        )
    return found
