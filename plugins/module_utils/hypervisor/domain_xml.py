# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the definition of a VM to libvirt's domain XML, and the difference between it and a running domain.

The XML is as small as a server needs: no USB, no sound, and no video unless asked for; that is also what boots fastest.
Everything in it can be migrated live. libvirt turns the machine type ``pc`` into its newest version when
the domain is started, and a migration carries that version along.

The machine is ``pc`` rather than ``q35`` because its devices sit on one bus that takes more of them while it runs.
``q35`` wants a port for every device, and every port is a device too: loading their states took most of the pause
of a migration (20 instead of 36 ms without them).
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from ..ceph.rbd import CLIENT, PREFIX, SECRET
from ..core.quantities import KIB, format_size
from ..guest.definition import Change, Definition, adopted, compact, host_interface, read_anew, restart, shown

__all__ = [
    "METADATA_URI",
    "Accelerator",
    "difference",
    "remembered",
    "render",
    "render_disk",
    "render_interface",
    "source_of",
    "started_from",
]

Accelerator = Literal["kvm", "tcg"]

#: The namespace of the element in <metadata> that carries the definition a domain was started from.
METADATA_URI = "urn:cspp:drover:1"
_METADATA = f"{{{METADATA_URI}}}definition"
#: What can be changed while a VM runs and does not show in libvirt's XML as it was asked for.
_UNTOLD = frozenset({"memory", "vcpus"})


def render(definition: Definition, accelerator: Accelerator) -> str:
    """The domain XML of a VM on a node with this accelerator."""
    root = ET.Element("domain", type="kvm" if accelerator == "kvm" else "qemu")
    _text(root, "name", definition["name"])
    _text(root, "uuid", definition["uuid"])
    ET.register_namespace("drover", METADATA_URI)
    _text(ET.SubElement(root, "metadata"), _METADATA, compact(definition))
    _text(root, "memory", definition["max_memory"] // KIB, unit="KiB")
    _text(root, "currentMemory", definition["memory"] // KIB, unit="KiB")
    _text(root, "vcpu", definition["max_vcpus"], placement="static", current=str(definition["vcpus"]))
    root.append(_os(definition))
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    root.append(_cpu(definition, accelerator))
    clock = ET.SubElement(root, "clock", offset="utc")
    ET.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
    ET.SubElement(clock, "timer", name="pit", tickpolicy="delay")
    ET.SubElement(clock, "timer", name="hpet", present="no")
    _text(root, "on_poweroff", "destroy")
    _text(root, "on_reboot", "restart")
    # A crashed guest is gone for Pacemaker, which then starts it again as its policy says.
    _text(root, "on_crash", "destroy")
    root.append(_devices(definition))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def render_disk(disk: Mapping[str, Any]) -> str:
    """One disk of a definition as a <disk> element."""
    return _pretty(_disk(disk))


def render_interface(name: str, nic: Mapping[str, Any]) -> str:
    """One interface of the guest ``name`` as an <interface> element."""
    return _pretty(_interface(name, nic))


def difference(
    live_xml: str, definition: Definition, sizes: Mapping[str, int] | None = None, in_use: int | None = None
) -> tuple[Change, ...]:
    """What would make the running domain ``live_xml`` what ``definition`` says, in the order to apply it.

    ``sizes`` are the present capacities of its disks in bytes, by target; disks not in it are taken as they are.
    ``in_use`` is how many of its processors it uses, None where nobody knows.
    After applying any of it, put :func:`remembered` into the domain's metadata.
    """
    live = ET.fromstring(live_xml)
    started = started_from(live_xml)
    return (
        *_vcpu_changes(live, started, definition, in_use),
        *_memory_changes(live, started, definition),
        *_boot_changes(live, started, definition),
        *_disk_changes(live, definition, sizes or {}),
        *_interface_changes(live, started, definition),
        *read_anew(started, definition),
    )


def remembered(live_xml: str, definition: Definition, made: Collection[str]) -> str | None:
    """The metadata element (namespace METADATA_URI) of a running domain after ``definition`` was applied live.

    It remembers what libvirt's own XML cannot tell: what a VM was given when it booted, and the memory it was
    asked to live with. ``made`` are the keys that were applied. None says that it remembers all of that.
    """
    started = started_from(live_xml)
    now = {**started, **adopted(started, definition), **{key: definition[key] for key in made if key in _UNTOLD}}
    if now == started or not started:
        return None
    element = ET.Element("definition")
    element.text = compact(now)
    return ET.tostring(element, encoding="unicode")


def started_from(live_xml: str) -> Definition:
    """The definition the domain was started from, as far as remembered; {} for a domain that is not ours."""
    text = ET.fromstring(live_xml).findtext(f"metadata/{_METADATA}")
    definition: Definition = json.loads(text) if text else {}
    return definition


# --- rendering -----------------------------------------------------------------------------------------------


def _os(definition: Definition) -> ET.Element:
    element = ET.Element("os")
    _text(element, "type", "hvm", arch="x86_64", machine="pc")
    kernel = definition["kernel"]
    if kernel:
        _text(element, "kernel", kernel["kernel"])
        _text(element, "initrd", kernel["initrd"])
        _text(element, "cmdline", kernel["cmdline"])
    else:
        ET.SubElement(element, "boot", dev="hd")
    return element


def _cpu(definition: Definition, accelerator: Accelerator) -> ET.Element:
    if accelerator == "tcg":
        # An emulated CPU is the same on every node, whatever the node's own is.
        element = ET.Element("cpu", mode="custom", match="exact", check="none")
        _text(element, "model", "qemu64")
        return element
    model = definition["cpu"] or "host-model"
    if model in ("host-model", "host-passthrough"):
        return ET.Element("cpu", mode=model, check="partial" if model == "host-model" else "none")
    element = ET.Element("cpu", mode="custom", match="exact", check="partial")
    _text(element, "model", model, fallback="forbid")
    return element


def _devices(definition: Definition) -> ET.Element:
    name = definition["name"]
    disks, nics = definition["disks"], definition["nics"]
    element = ET.Element("devices")
    for disk in disks:
        element.append(_disk(disk))
    ET.SubElement(element, "controller", type="usb", model="none")
    for nic in nics:
        element.append(_interface(name, nic))
    serial = ET.SubElement(element, "serial", type="pty")
    ET.SubElement(serial, "log", file=f"/var/log/libvirt/qemu/{name}.console.log", append="on")
    ET.SubElement(ET.SubElement(element, "console", type="pty"), "target", type="serial", port="0")
    if definition.get("screen"):
        # It listens nowhere: libvirt alone opens it, for who may see it (libvirt_console.py).
        ET.SubElement(ET.SubElement(element, "graphics", type="vnc"), "listen", type="none")
        ET.SubElement(ET.SubElement(element, "video"), "model", type="vga", vram="16384")
    channel = ET.SubElement(element, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    ET.SubElement(element, "memballoon", model="virtio")
    # By it a kernel that panics says so, and the VM ends as on_crash has it; else it would hang for ever.
    ET.SubElement(element, "panic", model="isa")
    # Silent until a daemon in the guest starts it; from then on a system that hangs is reset, in place.
    ET.SubElement(element, "watchdog", model="i6300esb", action="reset")
    rng = ET.SubElement(element, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    return element


def _disk(disk: Mapping[str, Any]) -> ET.Element:
    source = disk["source"]
    if source["type"] not in ("file", "rbd"):
        raise ValueError(f"disk {disk['target']}: no such kind of source: {source['type']}")
    in_ceph = source["type"] == "rbd"
    element = ET.Element("disk", type="network" if in_ceph else "file", device="disk")
    # Past the page cache: what the guest has flushed is on the shared storage, and migration is safe.
    driver = {"name": "qemu", "type": source["format"], "cache": "none"}
    # A VM whose lock somebody else has taken is refused its writes: it stops at the first rather than going on with a
    # file system that has lost some.
    driver |= {"error_policy": "stop", "rerror_policy": "stop"} if in_ceph else {"io": "native"}
    if not disk["readonly"]:
        driver["discard"] = "unmap"
    ET.SubElement(element, "driver", driver)
    if in_ceph:
        auth = ET.SubElement(element, "auth", username=CLIENT)
        ET.SubElement(auth, "secret", type="ceph", usage=SECRET)
        # Where its monitors are, QEMU reads in ceph.conf.
        ET.SubElement(element, "source", protocol="rbd", name=source["path"].removeprefix(PREFIX))
    else:
        ET.SubElement(element, "source", file=source["path"])
    ET.SubElement(element, "target", dev=disk["target"], bus="virtio")
    if disk["readonly"]:
        ET.SubElement(element, "readonly")
    return element


def _interface(name: str, nic: Mapping[str, Any]) -> ET.Element:
    element = ET.Element("interface", type="bridge")
    ET.SubElement(element, "mac", address=nic["mac"])
    ET.SubElement(element, "source", bridge=nic["bridge"])
    if nic["vlan"] is not None:
        ET.SubElement(ET.SubElement(element, "vlan"), "tag", id=str(nic["vlan"]))
    ET.SubElement(element, "target", dev=host_interface(name, nic["mac"]))
    ET.SubElement(element, "model", type="virtio")
    if nic["mtu"] is not None:
        ET.SubElement(element, "mtu", size=str(nic["mtu"]))
    return element


def _text(parent: ET.Element, tag: str, text: object, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = str(text)
    return element


def _pretty(element: ET.Element) -> str:
    ET.indent(element)
    return ET.tostring(element, encoding="unicode")


# --- difference ----------------------------------------------------------------------------------------------


def _vcpu_changes(
    live: ET.Element, started: Definition, definition: Definition, in_use: int | None
) -> Iterator[Change]:
    ceiling = int(live.findtext("vcpu", "1"))
    present = int(live.find("vcpu").get("current", ceiling))  # type: ignore[union-attr]
    wanted = definition["vcpus"]
    if ceiling != definition["max_vcpus"]:
        yield restart("max_vcpus", ceiling, definition["max_vcpus"])
    if present < wanted <= ceiling and live.get("type") == "kvm":
        yield Change("vcpus", str(present), str(wanted), "set-vcpus", value=wanted)
    elif present != wanted:
        # Those a VM was started with cannot be taken from it. One that is emulated is no virtual machine to Linux, but
        # one of metal, which has no slots for processors to come.
        yield restart("vcpus", present, wanted)
    elif in_use is not None and in_use < present and started.get("vcpus", present) < present:
        # They are there, and the system in the VM has not brought them online.
        yield restart("vcpus", in_use, wanted)


def _memory_changes(live: ET.Element, started: Definition, definition: Definition) -> Iterator[Change]:
    ceiling = _bytes(live.find("memory"))
    # What was asked of the VM; <currentMemory> is what its balloon driver, if it has one, has made of that.
    present = started.get("memory", _bytes(live.find("currentMemory")))
    wanted = definition["memory"]
    if ceiling != definition["max_memory"]:
        yield restart("max_memory", format_size(ceiling), format_size(definition["max_memory"]))
    if present == wanted:
        return
    shown = format_size(present), format_size(wanted)
    if wanted <= ceiling:
        yield Change("memory", *shown, "set-memory", value=wanted)
    else:
        yield restart("memory", *shown)


def _bytes(element: ET.Element | None) -> int:
    """Bytes in libvirt's <memory> or <currentMemory>, which it always prints in KiB."""
    return 0 if element is None else int(element.text or 0) * KIB


def _boot_changes(live: ET.Element, started: Definition, definition: Definition) -> Iterator[Change]:
    cpu = started.get("cpu", definition["cpu"])  # libvirt prints host-model expanded
    if cpu != definition["cpu"]:
        yield restart("cpu", cpu or "host-model", definition["cpu"] or "host-model")
    screen = live.find("devices/graphics") is not None
    if screen != definition.get("screen", False):
        yield restart("screen", *("yes" if there else "no" for there in (screen, not screen)))
    uuid = live.findtext("uuid")
    if uuid != definition["uuid"]:
        yield restart("uuid", uuid, definition["uuid"])
    wanted = definition["kernel"] or {}
    for key in ("kernel", "initrd", "cmdline"):
        present = live.findtext(f"os/{key}")
        if present != wanted.get(key):
            yield restart(f"kernel.{key}", present, wanted.get(key))


def _disk_changes(live: ET.Element, definition: Definition, sizes: Mapping[str, int]) -> Iterator[Change]:
    present = {disk.find("target").get("dev", ""): disk for disk in live.findall("devices/disk")}  # type: ignore[union-attr]
    wanted = {disk["target"]: disk for disk in definition["disks"]}
    for target, element in present.items():
        if target not in wanted:
            yield Change(f"disks[{target}]", source_of(element), None, "detach-disk", device=_pretty(element))
    for target, disk in wanted.items():
        path, source = f"disks[{target}]", disk["source"]["path"]
        if target not in present:
            yield Change(path, None, source, "attach-disk", device=render_disk(disk))
        elif source_of(present[target]) != source:
            yield restart(f"{path}.source", source_of(present[target]), source)
        elif not disk["readonly"] and sizes.get(target, disk["size"]) < disk["size"]:
            shown = format_size(sizes[target]), format_size(disk["size"])
            yield Change(f"{path}.size", *shown, "grow-disk", value=disk["size"], target=target)


def source_of(disk: ET.Element) -> str | None:
    """The place of a disk's volume, as a definition writes it; None for a drive that is empty."""
    source = disk.find("source")
    if source is not None and source.get("protocol") == "rbd":
        return f"{PREFIX}{source.get('name')}"
    return None if source is None else source.get("file")


def _interface_changes(live: ET.Element, started: Definition, definition: Definition) -> Iterator[Change]:
    name = definition["name"]
    present = {nic.find("mac").get("address", ""): nic for nic in live.findall("devices/interface")}  # type: ignore[union-attr]
    wanted = {nic["mac"]: nic for nic in definition["nics"]}
    given = {nic["mac"]: nic for nic in started.get("nics", ())}
    for mac, element in present.items():
        if mac not in wanted:
            bridge = _place(element)["bridge"]
            yield Change(f"nics[{mac}]", bridge, None, "detach-interface", device=_pretty(element))
    for mac, nic in wanted.items():
        path = f"nics[{mac}]"
        if mac not in present:
            yield Change(path, None, nic["bridge"], "attach-interface", device=render_interface(name, nic))
            continue
        place = _place(present[mac])
        for key in ("bridge", "vlan"):
            after = shown(nic[key])
            if place[key] != after:
                device = render_interface(name, nic)
                yield Change(f"{path}.{key}", place[key], after, "update-interface", device=device)
        if place["mtu"] != shown(nic["mtu"]):
            yield restart(f"{path}.mtu", place["mtu"], nic["mtu"])
        # A VM reads its addresses when it boots; one attached while it ran has never read them.
        for key in ("addresses", "gateways"):
            before = given.get(mac, {}).get(key, ())
            if list(before) != list(nic[key]):
                yield restart(f"{path}.{key}", before, nic[key])


def _place(interface: ET.Element) -> dict[str, str | None]:
    """Where an interface is attached: bridge, VLAN and MTU."""

    def attribute(path: str, name: str) -> str | None:
        element = interface.find(path)
        return None if element is None else element.get(name)

    return {
        "bridge": attribute("source", "bridge"),
        "vlan": attribute("vlan/tag", "id"),
        "mtu": attribute("mtu", "size"),
    }
