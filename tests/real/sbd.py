# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The step `sbd`: a disk that both machines have, the kernel's watchdog, and a power controller that does not obey."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from . import site
from .shown import Shown, need, patiently
from .site import FENCING, NODES, Node

__all__ = ["sbd"]

#: Seconds for a node's cluster to start, with SBD's wait before it, and for one that was reset to be a member again.
_START, _RETURN = 600.0, 900.0
#: Seconds until a node that is lost counts as lost, with what the cluster needs for that.
_LOST = 90.0
#: Where /dev/disk/by-id/virtio-shared is taken from the node, as a cut cable does, with the wire.
_CUT = """
disk=$(basename "$(readlink -f /dev/disk/by-id/virtio-shared)")
device=$(basename "$(readlink -f "/sys/block/$disk/device")")
ip link set {port} down
echo "$device" >/sys/bus/virtio/drivers/virtio_blk/unbind
"""
#: What the fencer says when a node counts as off.
_OFF = "targeting {node} by .* OK"


def sbd(shown: Shown) -> str:
    """SBD: where the power controller does not obey, the disk resets a node; and one that loses both resets itself."""
    _declare(shown)
    survivor, victim = NODES
    _bring(shown, site.VM, victim)
    hung = _hang(shown, survivor, victim)
    alone = _cut_off(shown, survivor, victim)
    return f"{hung}; {alone}"


def _declare(shown: Shown) -> None:
    """Declare it while the cluster runs, start the cluster anew under its guests, and have it as a level."""
    shown.play("site", **FENCING)
    need(not _devices(shown), f"SBD is a level although no sbd runs: {_devices(shown)}")
    boot = shown.boot_id()
    shown.play("ha", state="paused")
    for node in NODES:
        shown.shell(node, "systemctl restart corosync pacemaker", timeout=_START)
        _await(shown, node, lambda seen: all(each.online and not each.pending for each in seen.nodes), "both members")
    shown.play("ha", state="active")
    need(boot != "" and shown.boot_id() == boot, f"{site.VM} was started anew when SBD came")
    shown.play("site", **FENCING)
    need(_devices(shown) == ["drover-sbd-node1", "drover-sbd-node2"], f"levels of SBD: {_devices(shown)}")
    again = shown.play("site", **FENCING)
    patched = again.result("Configure the cluster").get("objects")
    need(patched == [], f"another run changes the cluster again: {patched}")


def _devices(shown: Shown) -> list[str]:
    status = Pacemaker(shown.on(NODES[0])).status()
    return sorted(one.name for one in status.resources if one.name.startswith("drover-sbd-"))


def _bring(shown: Shown, guest: str, node: Node) -> None:
    if shown.where(guest) != node:
        patiently(lambda: shown.play("migrate", guest=guest, to=node.name))


def _hang(shown: Shown, survivor: Node, victim: Node) -> str:
    """corosync of a node stands still. It is lost, its power controller fails, and it reads its slot on the disk."""
    before = _fenced(Pacemaker(shown.on(survivor)).status(), victim)
    boot, guest = _boot(shown, victim), shown.boot_id()
    begun = time.monotonic()
    shown.shell(victim, "pkill -STOP -x corosync")
    _wait_for_another_boot(shown, victim, boot, f"the reset of {victim.name} by its slot")
    _await(shown, survivor, lambda seen: _fenced(seen, victim) > before, f"{victim.name} to count as off")
    said = shown.shell(survivor, "journalctl -b -t pacemaker-fenced --no-pager -o cat")
    need("not obeyed" in said, "nobody asked the power controller first")
    _await(shown, survivor, lambda seen: _runs(seen, survivor), f"{site.VM} on {survivor.name}")
    recovered = time.monotonic() - begun
    wait_for(lambda: shown.boot_id() not in ("", guest), bool, what=f"{site.VM}'s new boot", timeout=300, interval=5)
    _await(shown, survivor, lambda seen: _member(seen, victim), f"{victim.name} as a member again", _RETURN)
    return f"{victim.name} hung, was reset by the disk, and {site.VM} ran on {survivor.name} after {recovered:.0f} s"


def _cut_off(shown: Shown, survivor: Node, victim: Node) -> str:
    """The node loses disk and wire. Nobody can tell it anything: its watchdog ends it, before it counts as off."""
    boot, cut = _boot(shown, victim), float(shown.shell(survivor, "date +%s"))
    # What cuts it off outlives the connection.
    shown.shell(victim, f"systemd-run --quiet sh -c '{_CUT.format(port=site.PORT).strip()}'")
    _wait_for_another_boot(shown, victim, boot, f"{victim.name} to reset itself")
    _await(shown, survivor, lambda seen: _member(seen, victim), f"{victim.name} as a member again", _RETURN)
    # By the clocks of both, of which one follows the other: who looks in by SSH is late.
    born = float(shown.shell(victim, 'date +%s -d "$(uptime -s)"'))
    told = (
        f"journalctl -b -t pacemaker-fenced --no-pager -o short-unix -g '{_OFF.format(node=victim.name)}' | tail -n 1"
    )
    counted = float(shown.shell(survivor, told).partition(" ")[0] or 0)
    need(counted > cut, f"{survivor.name} never counted {victim.name} as off")
    need(born < counted, f"{victim.name} counted as off {born - counted:.0f} s before it was")
    return (
        f"cut off from disk and wire, it booted anew after {born - cut:.0f} s, "
        f"{counted - born:.0f} s before it counted as off"
    )


def _wait_for_another_boot(shown: Shown, node: Node, boot: str, what: str) -> None:
    wait_for(
        lambda: _boot(shown, node) not in ("", boot),
        bool,
        what=what,
        timeout=_LOST + 2 * site.WATCHDOG + _RETURN,
        interval=5,
    )


def _boot(shown: Shown, node: Node) -> str:
    """A node's boot; empty while it does not answer."""
    try:
        return shown.shell(node, "cat /proc/sys/kernel/random/boot_id", timeout=30)
    except CommandError:
        shown.machines.hang_up(node)
        return ""


def _await(shown: Shown, node: Node, done: Callable[[ClusterStatus], bool], what: str, timeout: float = _START) -> None:
    """Wait for the cluster as the node sees it, which may not answer meanwhile."""

    def look() -> bool:
        try:
            return done(Pacemaker(shown.on(node)).status())
        except (ClusterError, CommandError):
            return False

    wait_for(look, bool, what=what, timeout=timeout, interval=5)


def _fenced(seen: ClusterStatus, node: Node) -> int:
    return len([one for one in seen.fence_events if (one.target, one.status) == (node.name, "success")])


def _runs(seen: ClusterStatus, node: Node) -> bool:
    guest = seen.resource(site.VM)
    return guest is not None and guest.running and guest.node == node.name


def _member(seen: ClusterStatus, node: Node) -> bool:
    there = seen.node(node.name)
    return there is not None and there.usable
