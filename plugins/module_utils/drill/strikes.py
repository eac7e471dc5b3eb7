# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Strikes: what a drill breaks, and how it is mended, on whatever ground."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ..ceph.monitor import FORMED
from ..cluster.pacemaker import Pacemaker
from ..core.command import CommandError, Runner
from .ground import Ground

__all__ = ["Scene", "Strike", "filter_packets", "let_packets_pass"]

#: The nodes' firewall table of whoever keeps packets from passing on purpose.
_TABLE = ("inet", "fault")
_INIT = ("lxc-info", "-P", "/run/drover/lxc", "-p", "-H", "-n")
_CONF = "/etc/corosync/corosync.conf"


@dataclass
class Scene:
    """Where a drill strikes: the node, the guest and its kind, where the drill is about one."""

    ground: Ground
    node: str
    guest: str = ""
    kind: str = ""
    #: A path on the pool where the guests of the node have their data.
    storage: str = ""
    #: What a freeze has stopped.
    frozen: list[int] = field(default_factory=list)

    @property
    def others(self) -> list[str]:
        return [name for name in self.ground.nodes if name != self.node]

    def on_node(self, *argv: str, **how: object) -> str:
        return str(self.ground.runner(self.node)(list(argv), **how).stdout)


Strike = Callable[[Scene], None]


def nothing(_scene: Scene) -> None:
    """There is nothing to be mended."""


def cut_power(scene: Scene) -> None:
    scene.ground.cut_power(scene.node)


def cut_all_power(scene: Scene) -> None:
    for name in scene.ground.nodes:
        scene.ground.cut_power(name)


def press_all_power(scene: Scene) -> None:
    for name in scene.ground.nodes:
        scene.ground.press_power(name)


def cut_power_without_bmc(scene: Scene) -> None:
    """The power of a node goes, and its power controller cannot say so."""
    scene.ground.break_bmc(scene.node)
    scene.ground.cut_power(scene.node)


def mend_bmc(scene: Scene) -> None:
    scene.ground.mend_bmc(scene.node)


def confirm(scene: Scene) -> None:
    """Say in a person's place that the node is off, as it is; then its power controller is back."""
    Pacemaker(scene.ground.runner(scene.others[0])).confirm_off(scene.node)


def mend_bmc_and_press_power(scene: Scene) -> None:
    scene.ground.mend_bmc(scene.node)
    time.sleep(1)
    scene.ground.press_power(scene.node)


def freeze(scene: Scene) -> None:
    scene.frozen = scene.ground.freeze(scene.node)


def thaw(scene: Scene) -> None:
    scene.ground.thaw(scene.frozen)


def cut_off(*hooks: str) -> Strike:
    """Keep all packets between the node and the others from passing, in one direction or both."""
    return lambda scene: filter_packets(
        scene.ground.runner(scene.node), [scene.ground.nodes[name] for name in scene.others], "drop", hooks=hooks
    )


def let_pass(scene: Scene) -> None:
    let_packets_pass(scene.ground.runner(scene.node))


def crash_guest(scene: Scene) -> None:
    """End the guest's QEMU, or its first process."""
    if scene.kind == "vm":
        scene.on_node("pkill", "-KILL", "-f", f"guest={scene.guest},")
    else:
        scene.on_node("kill", "-KILL", scene.on_node(*_INIT, scene.guest).strip())


def signal_libvirt(name: str) -> Strike:
    return lambda scene: _ignore(scene.on_node("pkill", f"-{name}", "-x", "libvirtd", ok=(0, 1)))


def kill_ceph(task: str) -> Strike:
    """End the node's daemons of Ceph's for a task; systemd starts them again. Fails on a node that has none."""
    return lambda scene: _ignore(scene.on_node("pkill", "-KILL", "-x", f"ceph-{task}"))


def has_ceph(runner: Runner) -> bool:
    """Whether a node has a part in a Ceph cluster of the nodes' own."""
    return bool(runner(["test", "-e", str(FORMED)], ok=None).rc == 0)


def step_clock(seconds: int) -> Strike:
    return lambda scene: _ignore(scene.on_node("date", f"--set=@{int(time.time()) + seconds}"))


def right_clock(scene: Scene) -> None:
    scene.on_node("chronyc", "makestep")


def cut_link(scene: Scene) -> None:
    """Keep the first of several links of corosync's from working."""
    own = [line.split(":", 1)[1].strip() for line in _conf(scene) if line.strip().startswith("ring0_addr")]
    filter_packets(scene.ground.runner(scene.node), own, "drop", "udp dport 5405")


def links(runner: Runner) -> int:
    """How many links corosync has."""
    shown = runner(["cat", _CONF]).stdout
    return len({line.split(":")[0].strip() for line in shown.splitlines() if line.strip().startswith("ring")})


def filter_packets(
    runner: Runner,
    addresses: Collection[str],
    verdict: str,
    match: str = "",
    back: str = "",
    *,
    hooks: Sequence[str] = ("input", "output"),
) -> None:
    """Keep packets between a node and some addresses from passing: those that ``match``, and ``back`` in return."""
    families = {"ip": [one for one in addresses if ":" not in one], "ip6": [one for one in addresses if ":" in one]}
    lines = [
        f"{family} {side} {{ {', '.join(among)} }} {one} {verdict}".replace("  ", " ")
        for family, among in families.items()
        for one in [match, *([back] if back else [])]
        for side in ("saddr", "daddr")
        if among
    ]
    rules = "\n".join(lines)
    chains = "\n".join(
        f"chain {hook} {{ type filter hook {hook} priority -300; policy accept;\n{rules}\n}}" for hook in hooks
    )
    runner(["nft", "-f", "-"], stdin=f"table {' '.join(_TABLE)} {{\n{chains}\n}}\n")


def let_packets_pass(runner: Runner) -> None:
    """End that. A node that was fenced meanwhile, or is without power, keeps none from passing."""
    with suppress(CommandError):
        runner(["nft", "delete", "table", *_TABLE], ok=None)


def _conf(scene: Scene) -> list[str]:
    return scene.on_node("cat", _CONF).splitlines()


def _ignore(_output: str) -> None:
    return
