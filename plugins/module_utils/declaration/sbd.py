# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SBD as the inventory declares it and as the nodes have it: what speaks against it, and whom it can reset by now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster import sbd

__all__ = ["fencing_devices", "sbd_declared", "sbd_pending", "sbd_problems", "sbd_unseen", "watchdog_timeout"]

Host = Mapping[str, Any]

_WATCHDOG, _SOFTDOG = "/dev/watchdog", "softdog"
#: A path that /etc/default/sbd and the agent's parameters can hold, where others end at a comma or a semicolon.
_DEVICE = re.compile(r"/dev/[\w/.:=+@-]+", re.ASCII)
#: Seconds that a watchdog may be given: below, a busy disk resets nodes; above, verbs give up fencing under way.
_SHORTEST, _LONGEST = 5, 50


@dataclass(frozen=True)
class _Wish:
    """What one node is to have."""

    node: str
    devices: tuple[str, ...]
    watchdog: str
    timeout: Any

    @classmethod
    def of(cls, host: Host) -> _Wish:
        given = host.get("fencing_sbd_devices") or []
        return cls(
            str(host["inventory_hostname"]),
            tuple(map(str, given)) if isinstance(given, list | tuple) else (str(given),),
            str(host.get("fencing_watchdog") or _WATCHDOG),
            host.get("fencing_watchdog_timeout", sbd.WATCHDOG_TIMEOUT),
        )


def watchdog_timeout(hosts: Sequence[Host]) -> int | None:
    """Seconds of the nodes' watchdogs, where they have SBD and agree on that; None otherwise."""
    wishes = [wish for wish in map(_Wish.of, hosts) if wish.devices]
    return _seconds(wishes[0]) if wishes else None


def sbd_declared(hosts: Sequence[Host]) -> dict[str, Any]:
    """SBD by the inventory alone: the ``devices`` (none: no SBD is wanted), the ``timeout`` of watchdogs and the
    ``msgwait``, and ``problems``. ``hosts`` are the variables of each host."""
    wishes = [_Wish.of(host) for host in hosts]
    having = [wish for wish in wishes if wish.devices]
    if not having:
        return {"devices": [], "timeout": 0, "msgwait": 0, "problems": []}
    timeout = _seconds(having[0]) or 0
    return {
        "devices": list(having[0].devices),
        "timeout": timeout,
        "msgwait": sbd.msgwait(timeout),
        "problems": list(_contradictions(wishes, having)),
    }


def _contradictions(wishes: Sequence[_Wish], having: Sequence[_Wish]) -> Iterator[str]:
    without = [wish.node for wish in wishes if not wish.devices]
    if without:
        yield (
            f"sbd_partly: {_names(having)} have fencing_sbd_devices and {', '.join(without)} not, who could tell "
            "nobody to reset itself: set it for all nodes, as a variable of the group"
        )
    for devices in sorted({wish.devices for wish in having}):
        if len(devices) > sbd.MOST_DEVICES or len(set(devices)) != len(devices):
            yield f"sbd_devices: {', '.join(devices)}: take one to {sbd.MOST_DEVICES} different disks"
        unusable = [path for path in devices if not _DEVICE.fullmatch(path)]
        if unusable:
            yield (
                f"sbd_devices: {', '.join(unusable)}: name disks by paths such as "
                "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4"
            )
    if len({wish.devices for wish in having}) > 1:
        yield (
            "sbd_devices: the nodes differ in fencing_sbd_devices, and one that resets another names the disk by its "
            "own path: take names below /dev/disk/by-id, which are the same on all nodes, as a variable of the group"
        )
    for wish in having:
        if wish.watchdog != _SOFTDOG and not _DEVICE.fullmatch(wish.watchdog):
            yield f"sbd_watchdog: fencing_watchdog of {wish.node} is {wish.watchdog}: take {_WATCHDOG} or {_SOFTDOG}"
    if len({str(wish.timeout) for wish in having}) > 1 or _seconds(having[0]) is None:
        told = ", ".join(f"{wish.node} {wish.timeout}" for wish in having)
        yield (
            f"sbd_timeout: fencing_watchdog_timeout has to be one number of seconds for all nodes, {_SHORTEST} to "
            f"{_LONGEST} ({told})"
        )


def sbd_problems(hosts: Sequence[Host], seen: Mapping[str, Mapping[str, Any]], *, laid_out: bool = False) -> list[str]:
    """What the nodes have that SBD cannot work with. ``seen`` is what cspp.drover.sbd_info told, by node; ``laid_out``
    says that every disk is to have been laid out by now."""
    declared = sbd_declared(hosts)
    if not declared["devices"]:
        return []
    wishes = {wish.node: wish for wish in map(_Wish.of, hosts)}
    found = [
        line for node, told in seen.items() for line in _of_watchdog(wishes[node], told["watchdog"], told["running"])
    ]
    for at, path in enumerate(declared["devices"]):
        disks = {node: told["devices"][at] for node, told in seen.items()}
        found += _of_disk(path, disks, declared["timeout"], laid_out=laid_out)
    return found


def _of_watchdog(wish: _Wish, told: Mapping[str, Any], running: object) -> Iterator[str]:
    node, device = wish.node, told["device"]
    if wish.watchdog == _SOFTDOG:
        if not told["module"]:
            yield f"sbd_softdog_missing: the kernel of {node} has no module softdog: boot one of Debian's kernels"
        elif told["present"] and not told["software"]:
            yield (
                f"sbd_hardware_watchdog: {node} has a watchdog of its own at {device} "
                f"({told['identity'] or 'unknown'}), which is stronger than softdog: set fencing_watchdog: {device}"
            )
    elif not told["present"]:
        yield (
            f"sbd_watchdog_missing: {node} has no {device}: have its watchdog switched on in the firmware, or its "
            "driver loaded (iTCO_wdt, ipmi_watchdog, ...); where there is none, fencing_watchdog: softdog is the "
            "weaker way"
        )
    if told["present"] and told["active"] and not running:
        yield (
            f"sbd_watchdog_busy: another program of {node} has {device} open: RuntimeWatchdogSec in systemd's "
            "system.conf, or the package watchdog; SBD needs it for itself"
        )
    if told["longest"] is not None and told["longest"] < (_seconds(wish) or 0):
        yield (
            f"sbd_watchdog_short: {device} of {node} takes {told['longest']} s at most: set fencing_watchdog_timeout "
            "for all nodes to no more"
        )


def _of_disk(path: str, disks: Mapping[str, Mapping[str, Any]], timeout: int, *, laid_out: bool) -> Iterator[str]:
    for node, disk in disks.items():
        if disk["fault"]:
            yield f"sbd_device_missing: {path} on {node}: {disk['fault']}: attach the shared disk to it"
        elif disk["content"]:
            yield (
                f"sbd_device_not_empty: {path} holds {disk['content']}, as {node} sees it, and is left alone: name "
                f"another disk, or when nothing of that is needed: "
                f"wipefs -a {path}; dd if=/dev/zero of={path} bs=1M count=4"
            )
    headers = {node: disk["header"] for node, disk in disks.items() if not (disk["fault"] or disk["content"])}
    ids: dict[str, list[str]] = {}
    for node, header in headers.items():
        ids.setdefault(header["uuid"] if header else "", []).append(node)
    if len(ids) > 1:
        parts = " and ".join(", ".join(names) for names in ids.values())
        yield (
            f"sbd_device_not_shared: {path} is one disk on {parts} each: SBD takes a disk that all nodes share. Name "
            "one, by a path that leads to the same disk on each"
        )
    elif laid_out and list(ids) == [""]:
        yield f"sbd_device_blank: {path} has no SBD header: run site.yml again"
    for header in {one["uuid"]: one for one in headers.values() if one}.values():
        if (header["watchdog"], header["msgwait"]) != (timeout, sbd.msgwait(timeout)):
            yield (
                f"sbd_timeouts: {path} was laid out with timeouts of {header['watchdog']} s (watchdog) and "
                f"{header['msgwait']} s (msgwait), and {timeout} s and {sbd.msgwait(timeout)} s are declared: "
                f"{_same(header)}stop the cluster on all nodes (systemctl stop corosync) and type on one: "
                f"sbd -d {path} -1 {timeout} -4 {sbd.msgwait(timeout)} create"
            )
    yield from _slots(path, disks)


def _same(header: Mapping[str, Any]) -> str:
    if header["msgwait"] != sbd.msgwait(header["watchdog"]):
        return ""
    return f"set fencing_watchdog_timeout: {header['watchdog']}, or "


def _slots(path: str, disks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Nodes see each other's slots; one that sees another UUID was told of already."""
    names = {node: set(disk["slots"]) for node, disk in disks.items() if disk["header"]}
    first = next(iter(names), "")
    if any(each != names[first] for each in names.values()):
        yield (
            f"sbd_device_not_shared: {path} has other slots on {first} than elsewhere, as a copy of a disk "
            "has: name one disk"
        )


def sbd_pending(hosts: Sequence[Host], seen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The nodes whose sbd does not watch the declared disks although their cluster runs, with which it is started."""
    declared = sbd_declared(hosts)["devices"]
    return [node for node, told in seen.items() if declared and told["cluster"] and not _watches(told)]


def _watches(told: Mapping[str, Any]) -> bool:
    ids = [disk["header"]["uuid"] for disk in told["devices"] if disk["header"]]
    return len(set(ids) & set(told["watches"])) >= sbd.majority(len(told["devices"]))


def sbd_unseen(hosts: Sequence[Host], seen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The nodes that should have SBD and were not asked: a run of some nodes alone knows nothing of them."""
    return [wish.node for wish in map(_Wish.of, hosts) if wish.devices and wish.node not in seen]


def fencing_devices(hosts: Sequence[Host], pending: Sequence[str]) -> list[dict[str, Any]]:
    """SBD as fencing devices: one for each node, except those ``pending``, which nothing would reset."""
    declared = sbd_declared(hosts)
    if declared["problems"]:
        return []
    return [
        {
            "node": wish.node,
            "agent": sbd.AGENT,
            "address": ",".join(wish.devices),
            "options": sbd.agent_options(declared["timeout"]),
            "level": 3,
        }
        for wish in map(_Wish.of, hosts)
        if wish.devices and wish.node not in pending
    ]


def _seconds(wish: _Wish) -> int | None:
    try:
        seconds = int(wish.timeout)
    except (TypeError, ValueError):
        return None
    return seconds if _SHORTEST <= seconds <= _LONGEST and not isinstance(wish.timeout, bool) else None


def _names(wishes: Sequence[_Wish]) -> str:
    return ", ".join(wish.node for wish in wishes)
