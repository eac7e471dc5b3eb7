# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the definition of a container to LXC's configuration, and the difference to a running container's.

Written for LXC 6 on a pure cgroup v2 tree with systemd inside. LXC gives the container its addresses before
its init runs, so a container answers wherever it starts without anything inside having to know where it is.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..core.quantities import format_size
from ..guest.definition import (
    Change,
    Definition,
    adopted,
    compact,
    host_interface,
    read,
    read_anew,
    restart,
    shown,
)
from .lxc_devices import node_of, numbers_of

__all__ = ["SECCOMP", "difference", "limits", "render", "seccomp", "started_from", "updated"]

_COMMON = "/usr/share/lxc/config/common.conf"
_UNPRIVILEGED = "/usr/share/lxc/config/userns.conf"
_MARK = "# drover-definition: "
_CPU_PERIOD_US = 100_000
#: Begins the line that names a container's own :func:`seccomp` profile, which is beside its configuration.
SECCOMP = "lxc.seccomp.profile = "
#: What makes a further subvolume or a snapshot of btrfs (include/uapi/linux/btrfs.h): nothing counts what is put there.
_SUBVOLUME_IOCTLS = (0x50009401, 0x5000940E, 0x50009417, 0x50009418)
#: LXC's log has how a container ends. One that reboots again and again does not fill the node's memory with it.
_LOG = "/run/drover/lxc/{name}/log"
_ONE_RUN = """lxc.hook.post-stop = /bin/sh -c '[ "$LXC_TARGET" != reboot ] || : > {log}'"""
#: Processes and threads of a container: a node has 4 million numbers for those of all.
_MOST_PROCESSES = 16_384


def render(definition: Definition, controllers: Collection[str]) -> str:
    """LXC's configuration text for the container on a node.

    ``controllers`` are the cgroup v2 controllers the node may hand on (``cgroup.controllers``): a limit
    without its controller would keep the container from starting.
    """
    lines = [
        "# Written by Drover whenever the container starts; changes here are lost.",
        _MARK + compact(definition),
        f"lxc.include = {_COMMON}",
    ]
    if not definition["privileged"]:
        idmap = definition["idmap"]
        lines += [
            f"lxc.include = {_UNPRIVILEGED}",
            f"lxc.idmap = u 0 {idmap['start']} {idmap['count']}",
            f"lxc.idmap = g 0 {idmap['start']} {idmap['count']}",
            # systemd sandboxes its services with namespaces of their own. Not for the node's root: with a /proc and a
            # /sys mounted anew, AppArmor would hold it back from nothing.
            "lxc.apparmor.allow_nesting = 1",
        ]
    lines += [
        "lxc.arch = x86_64",
        f"lxc.uts.name = {definition['name']}",
        f"lxc.rootfs.path = dir:{definition['rootfs']['path']}",
        "lxc.start.auto = 0",
        "lxc.signal.halt = SIGRTMIN+3",  # systemd: halt
        "lxc.apparmor.profile = generated",
        *([f"{SECCOMP}/run/drover/lxc/{definition['name']}/seccomp"] if "size" in definition["rootfs"] else []),
        _ONE_RUN.format(log=_LOG.format(name=definition["name"])),
    ]
    for index, nic in enumerate(definition["nics"]):
        lines += _interface(definition["name"], index, nic)
    lines += _of_the_node(definition)
    lines += [f"lxc.cgroup2.{key} = {value}" for key, value in limits(definition, controllers).items()]
    return "\n".join(lines) + "\n"


def seccomp(common: str) -> str:
    """The system calls that a container with a size is refused, from those ``common`` to all: it makes no subvolume."""
    # The kernel looks at the lower half of an ioctl's number alone.
    rules = (f"ioctl errno 1 [1,{number},SCMP_CMP_MASKED_EQ,4294967295]" for number in _SUBVOLUME_IOCTLS)
    return "\n".join([common.rstrip("\n"), *rules, ""])


def limits(definition: Definition, controllers: Collection[str]) -> dict[str, str]:
    """The container's resource limits as cgroup v2 files and their contents, as far as the node can apply them."""
    wanted = {
        "memory": {"memory.max": str(definition["memory"])},
        "cpu": {"cpu.max": f"{definition['vcpus'] * _CPU_PERIOD_US} {_CPU_PERIOD_US}"},
        "pids": {"pids.max": str(_MOST_PROCESSES)},
    }
    return {
        file: text for controller in wanted if controller in controllers for file, text in wanted[controller].items()
    }


def difference(live_config: str, definition: Definition) -> tuple[Change, ...]:
    """What makes a container running from ``live_config`` other than ``definition`` says.

    ``set-limits`` changes are made by writing :func:`limits` to its cgroup and the new configuration to its
    file. A configuration that is not ours differs in everything.
    """
    started = started_from(live_config)
    log = _LOG.format(name=definition["name"])
    unseen = [] if log in live_config or definition.get("on_poweroff", "restart") == "restart" else ["on_poweroff"]
    return (
        *_changes(started, definition),
        *read_anew(started, definition),
        # Nobody would see that one shuts itself down that an older version has started.
        *(restart(key, started.get(key, "restart"), definition[key]) for key in unseen),
    )


def updated(config: str, definition: Definition, made: Collection[str], controllers: Collection[str]) -> str:
    """The configuration of a running container after ``definition`` was applied live: what it was started from, save
    the limits in ``made``, and what it is to remember."""
    started = started_from(config)
    if not started:
        return config
    now = {**started, **adopted(started, definition), **{key: definition[key] for key in made if key in definition}}
    if "rootfs.size" in made:
        # Of the rest of it, what waits for a restart is not so yet.
        size = {key: value for key, value in definition["rootfs"].items() if key == "size"}
        now["rootfs"] = {key: value for key, value in started["rootfs"].items() if key != "size"} | size
    if now == started:
        return config
    files = limits(now, controllers)
    kept = [line for line in config.splitlines() if line.partition(" = ")[0] not in {f"lxc.cgroup2.{f}" for f in files}]
    lines = [_MARK + compact(now) if line.startswith(_MARK) else line for line in kept]
    return "\n".join([*lines, *(f"lxc.cgroup2.{file} = {text}" for file, text in files.items())]) + "\n"


def _interface(name: str, index: int, nic: Mapping[str, Any]) -> Iterator[str]:
    prefix = f"lxc.net.{index}"
    yield f"{prefix}.type = veth"
    yield f"{prefix}.link = {nic['bridge']}"
    yield f"{prefix}.flags = up"
    yield f"{prefix}.name = {nic['name']}"
    yield f"{prefix}.hwaddr = {nic['mac']}"
    yield f"{prefix}.veth.pair = {host_interface(name, nic['mac'])}"
    if nic["mtu"] is not None:
        yield f"{prefix}.mtu = {nic['mtu']}"
    if nic["vlan"] is not None:
        yield f"{prefix}.veth.vlan.id = {nic['vlan']}"
    for address in nic["addresses"]:
        yield f"{prefix}.ipv{ipaddress.ip_interface(address).version}.address = {address}"
    for gateway in nic["gateways"]:
        yield f"{prefix}.ipv{ipaddress.ip_address(gateway).version}.gateway = {gateway}"


def _of_the_node(definition: Definition) -> Iterator[str]:
    """What the container has of its node: devices, made for it (see lxc_devices.py), and folders."""
    for device in definition.get("devices", ()):
        place = device.removeprefix("/")
        yield f"lxc.mount.entry = {node_of(definition['name'], device)} {place} none bind,create=file 0 0"
        if definition["privileged"] and (numbers := numbers_of(device)):
            yield f"lxc.cgroup2.devices.allow = {numbers} rw"
    for mount in definition.get("mounts", ()):
        options = ["bind", "nosuid", "nodev", f"create={'dir' if os.path.isdir(mount['source']) else 'file'}"]
        options += ["ro"] if mount["read_only"] else []
        yield f"lxc.mount.entry = {mount['source']} {mount['target'].removeprefix('/')} none {','.join(options)} 0 0"


def _mounts(definition: Definition) -> list[str]:
    return [
        f"{mount['source']} at {mount['target']}{'' if mount.get('read_only', True) else ' (to write)'}"
        for mount in definition.get("mounts", ())
    ]


def started_from(config: str) -> Definition:
    """The definition that a running container's configuration was made from; empty for one that is not ours."""
    for line in config.splitlines():
        if line.startswith(_MARK):
            with suppress(ValueError):
                return read(line.removeprefix(_MARK)).definition
    return {}


def _changes(started: Definition, definition: Definition) -> Iterator[Change]:
    memory, wanted = started.get("memory"), definition["memory"]
    if memory != wanted:
        yield Change("memory", None if memory is None else format_size(memory), format_size(wanted), "set-limits")
    if started.get("vcpus") != definition["vcpus"]:
        yield Change("vcpus", shown(started.get("vcpus")), shown(definition["vcpus"]), "set-limits")
    before, after = ((each.get("rootfs") or {}) for each in (started, definition))
    had, has = before.get("size"), after.get("size")
    if had != has:
        yield Change("rootfs.size", had and format_size(had), has and format_size(has), "set-limits")
    if before.get("path") != after.get("path"):
        yield restart("rootfs", before.get("path"), after.get("path"))
    for key in ("privileged", "idmap"):
        if started.get(key) != definition[key]:
            yield restart(key, started.get(key), definition[key])
    for key, given, gives in (
        ("devices", list(started.get("devices", ())), list(definition.get("devices", ()))),
        ("mounts", _mounts(started), _mounts(definition)),
    ):
        if given != gives:
            yield restart(key, given or None, gives or None)
    before_nics = {nic["mac"]: nic for nic in started.get("nics", ())}
    after_nics = {nic["mac"]: nic for nic in definition["nics"]}
    for mac in {**before_nics, **after_nics}:
        before_nic, after_nic = before_nics.get(mac), after_nics.get(mac)
        if before_nic is None or after_nic is None:
            yield restart(f"nics[{mac}]", (before_nic or {}).get("bridge"), (after_nic or {}).get("bridge"))
            continue
        for key, value in after_nic.items():
            if key != "trusted" and before_nic.get(key) != value:
                yield restart(f"nics[{mac}].{key}", before_nic.get(key), value)
