# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is shown on the two nodes, one function a step. Each returns what it saw, or raises Wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from . import plays, site
from .recipe import UNWANTED
from .sbd import sbd
from .shown import Shown, need, patiently
from .site import NODES, Node

__all__ = ["STEPS"]

_CGROUP = f"/sys/fs/cgroup/lxc.payload.{site.CONTAINER}"
_MIB = 1 << 20
#: A user of the node without a name and without rights, as a container's root is.
_ANYBODY = 10_000_000


def debian(shown: Shown) -> str:
    """Debian's own kernel with AppArmor, nobody who swallows its denials; the wire is ifupdown's."""
    kernels = set()
    for node in NODES:
        kernel = shown.shell(node, "uname -r")
        need("deb13" in kernel, f"{node.name} runs kernel {kernel}")
        kernels.add(kernel)
        need(shown.shell(node, "cat /sys/module/apparmor/parameters/enabled") == "Y", f"{node.name} has no AppArmor")
        need(not shown.shell(node, f"command -v {UNWANTED}", ok=None), f"{UNWANTED} is installed on {node.name}")
        taken = shown.shell(node, f"/usr/sbin/ifquery --state {site.PORT}", ok=None)
        need(taken.startswith(site.PORT), f"{site.PORT} of {node.name} is not configured by ifupdown")
        need(
            node.address in shown.shell(node, f"ip -4 -oneline address show {site.PORT}"),
            f"{node.name} lacks its address",
        )
    return f"{', '.join(sorted(kernels))}; AppArmor on; {site.PORT} is ifupdown's"


def site_play(shown: Shown) -> str:
    """playbooks/site.yml, from bare Debian to two guests that run."""
    played = shown.play("site")
    places = {guest: shown.where(guest).name for guest in (site.VM, site.CONTAINER)}
    wait_for(shown.boot_id, bool, what=f"an answer of {site.VM}", timeout=600, interval=5)
    accelerator = json.loads(shown.shell(NODES[0], "cat /etc/drover/accelerator.json"))["accelerator"]
    running = ", ".join(f"{guest} on {node}" for guest, node in places.items())
    return f"site.yml took {played.seconds:.0f} s; {running}; guests run with {accelerator}"


def takeover(shown: Shown) -> str:
    """The wire's interface went from ifupdown to systemd-networkd and into a bridge; the other one was left alone."""
    for node in NODES:
        left = shown.shell(node, "cat /etc/network/interfaces")
        need(f"iface {site.PORT}" not in left, f"{node.name}: /etc/network/interfaces has {site.PORT} still")
        need(f"iface {site.SSH_PORT}" in left, f"{node.name}: {site.SSH_PORT} has left /etc/network/interfaces too")
        before = shown.shell(node, "cat /etc/network/interfaces.before-drover", ok=None)
        need(f"iface {site.PORT}" in before, f"{node.name}: the file as it was is not kept")
        [link] = json.loads(shown.shell(node, f"ip -json link show {site.PORT}"))
        need(link.get("master") == "br0", f"{node.name}: {site.PORT} is no port of br0")
        need(
            node.address in shown.shell(node, "ip -4 -oneline address show br0"),
            f"{node.name}: br0 lacks {node.address}",
        )
        managed = shown.shell(node, f"networkctl --json=short status {site.PORT}")
        need(
            json.loads(managed).get("AdministrativeState") == "configured",
            f"{node.name}: systemd-networkd has {site.PORT} as {json.loads(managed).get('AdministrativeState')}",
        )
    return f"{site.PORT} is systemd-networkd's, in br0 with the address it had; {site.SSH_PORT} is ifupdown's still"


def vlans(listing: str) -> dict[str, dict[int, set[str]]]:
    """The output of `bridge -json vlan show`: by port, the VLANs it carries and their flags.

    A range is told by its two ends.
    """
    ports: dict[str, dict[int, set[str]]] = {}
    for port in json.loads(listing):
        carried = ports.setdefault(port["ifname"], {})
        for vlan in port.get("vlans", []):
            for number in range(vlan["vlan"], vlan.get("vlanEnd", vlan["vlan"]) + 1):
                carried[number] = set(vlan.get("flags", []))
    return ports


def vlan(shown: Shown) -> str:
    """A bridge that knows VLANs: guests have one untagged port in VLAN 42 each, and reach each other between nodes."""
    places = {guest: shown.where(guest) for guest in (site.VM, site.CONTAINER)}
    need(len(set(places.values())) == len(places), "both guests are on one node: nothing goes over the wire")
    for guest, node in places.items():
        ports = vlans(shown.shell(node, "/usr/sbin/bridge -json vlan show"))
        trunk = ports.get(site.PORT, {})
        need(
            "PVID" not in trunk.get(site.GUEST_VLAN, {"PVID"}),
            f"{node.name}: {site.PORT} carries no VLAN {site.GUEST_VLAN}",
        )
        access = [
            name for name, carried in ports.items() if carried.get(site.GUEST_VLAN) == {"PVID", "Egress Untagged"}
        ]
        need(len(access) == 1, f"{node.name}: ports of VLAN {site.GUEST_VLAN}: {access}, where {guest} has one")
    _reach_in_vlan(shown)
    return (
        f"VLAN {site.GUEST_VLAN}, each guest by an untagged port: {site.CONTAINER} reaches {site.VM} on the other node"
    )


def _reach_in_vlan(shown: Shown) -> None:
    rc, said = shown.inside(f"ping -c 5 -W 10 -i 2 {site.VM_TAGGED}", ok=None)
    need(rc == 0, f"{site.CONTAINER} does not reach {site.VM} in VLAN {site.GUEST_VLAN}: {said[-300:]}")


def counters(text: str) -> Mapping[str, int]:
    """A cgroup's file of names and numbers, such as memory.events."""
    return {name: int(number) for name, number in re.findall(r"^(\S+) (\d+)$", text, re.MULTILINE)}


def container(shown: Shown) -> str:
    """An unprivileged container under AppArmor that gets no more memory and processor than it was given."""
    node = shown.where(site.CONTAINER)

    def look(file: str) -> str:
        return shown.shell(node, f"cat {_CGROUP}/{file}")

    leader = shown.shell(node, f"lxc-info -P /run/drover/lxc -n {site.CONTAINER} -pH")
    ids = shown.shell(node, f"cat /proc/{leader}/uid_map").split()
    need(ids[:2] != ["0", "0"], f"root in {site.CONTAINER} is the node's root: {ids}")
    profile = shown.shell(node, f"cat /proc/{leader}/attr/current")
    need(profile.startswith(f"lxc-{site.CONTAINER}_") and profile.endswith("(enforce)"), f"its init is {profile}")

    need(look("memory.max") == str(site.CONTAINER_MEMORY), f"memory.max is {look('memory.max')}")
    before = counters(look("memory.events"))
    rc, _said = shown.inside(f"exec python3 -c 'b = bytearray({3 * site.CONTAINER_MEMORY}); print(len(b))'", ok=None)
    kills = counters(look("memory.events"))["oom_kill"] - before["oom_kill"]
    peak = int(look("memory.peak"))
    need(rc == 137 and kills > 0, f"who asked for three times its memory ended with {rc}, {kills} killed")
    need(peak <= site.CONTAINER_MEMORY, f"it held {peak} bytes")

    need(look("cpu.max") == "100000 100000", f"cpu.max is {look('cpu.max')}")
    shares, throttled = _press(shown, look)
    need(throttled > 0 and shares < 1.1, f"two busy loops got {shares:.2f} processors, throttled {throttled} times")
    return (
        f"root is uid {ids[1]} in {profile}; it held {peak / _MIB:.0f} of {site.CONTAINER_MEMORY // _MIB} MiB at most, "
        f"{kills} killed; "
        f"two busy loops got {shares:.2f} processors of 2, throttled {throttled} times"
    )


def _press(shown: Shown, look: Callable[[str], str]) -> tuple[float, int]:
    """Two busy loops in the container, for ten seconds: how many processors they got, and how often they were held."""
    before, begun = counters(look("cpu.stat")), time.monotonic()
    shown.inside("for n in 1 2; do timeout 10 sh -c 'while :; do :; done' & done; wait", ok=None)
    after, seconds = counters(look("cpu.stat")), time.monotonic() - begun
    used = (after["usage_usec"] - before["usage_usec"]) / 1e6
    return used / seconds, after["nr_throttled"] - before["nr_throttled"]


#: Makes a directory and limits it to 20 MiB, as Drover does for a container with a size.
_LIMITED = """
import sys
sys.path.insert(0, "/usr/lib/drover/current")
from pathlib import Path
from drover.storage import quota
tree = Path(sys.argv[1])
quota.make(tree, 0o755)
tree.chmod(0o777)
quota.limit(tree, 20 << 20)
"""


def quota(shown: Shown) -> str:
    """The size of a directory, kept by XFS and by ext4; for root of the node by XFS alone."""
    script = f"""
set -eu
file=$(mktemp /var/tmp/quota-XXXXXX) place=$(mktemp -d /var/tmp/quota-XXXXXX)
trap 'umount "$place" 2>/dev/null || true; rm -rf "$file" "$place"' EXIT
for kind in xfs ext4; do
    rm -f "$file"
    truncate -s 400M "$file"
    case $kind in
        xfs) mkfs.xfs -q "$file" ;;
        ext4) mkfs.ext4 -q -F -O quota,project "$file" ;;
    esac
    mount -o loop,prjquota "$file" "$place"
    python3 -c '{_LIMITED}' "$place/limited"
    for user in 0 {_ANYBODY}; do
        rm -f "$place/limited/file"
        setpriv --reuid=$user --clear-groups \\
            dd if=/dev/zero of="$place/limited/file" bs=1M count=40 conv=fsync status=none 2>/dev/null || true
        echo $kind $user $(stat -c %s "$place/limited/file")
    done
    umount "$place"
done
"""
    said = [line.split() for line in shown.shell(NODES[0], script, timeout=300).splitlines()]
    wrote = {(kind, int(user)): int(size) / _MIB for kind, user, size in said}
    held = {who: size for who, size in wrote.items() if who != ("ext4", 0)}
    need(len(wrote) == 4 and max(held.values()) <= 20, f"MiB written of 20 by file system and user: {wrote}")
    return f"MiB written of 40 into a directory of 20, by file system and user: {wrote}"


def watchdog(shown: Shown) -> str:
    """The kernel's own watchdog timer, where a machine has no other."""
    for node in NODES:
        shown.shell(node, "modprobe softdog")
        need(
            shown.shell(node, "stat -c %F /dev/watchdog", ok=None) == "character special file",
            f"{node.name}: no /dev/watchdog",
        )
        name = shown.shell(node, "cat /sys/class/watchdog/watchdog0/identity")
        need(name == "Software Watchdog", f"{node.name}: /dev/watchdog is {name}")
    return "softdog is /dev/watchdog on both nodes"


def paging(shown: Shown) -> str:
    """The device for fetching memory on demand, which is QEMU's and nobody else's, also after a boot."""
    for node in NODES:
        # What udev does with every device at a boot.
        shown.shell(node, "udevadm trigger --action=add --settle /sys/class/misc/userfaultfd")
        look = "stat -c '%G %a' /dev/userfaultfd && cat /proc/sys/vm/unprivileged_userfaultfd"
        said = shown.shell(node, look).split()
        need(said == ["libvirt-qemu", "660", "0"], f"{node.name}: group and mode, and what everybody may: {said}")
    return "root:libvirt-qemu 0660, and unprivileged_userfaultfd is 0"


def confinement(shown: Shown, node: Node) -> str:
    """The AppArmor profile of the VM's QEMU, and its mode."""
    find = f"pgrep -f '^/usr/bin/qemu-system-x86_64 .*guest={site.VM},' | head -n 1"
    return shown.shell(node, f'cat "/proc/$({find})/attr/current"')


def migration(shown: Shown) -> str:
    """A live migration over TLS between two QEMUs that are confined."""
    source = shown.where(site.VM)
    [target] = [node for node in NODES if node != source]
    boot = shown.boot_id()
    need(bool(boot), f"{site.VM} does not answer before its move")
    profiles = [confinement(shown, source)]
    for node in NODES:
        forced = shown.shell(node, "grep -c '^migrate_tls_force = 1$' /etc/libvirt/qemu.conf", ok=None)
        need(forced == "1", f"libvirt of {node.name} would migrate without TLS")
    played = patiently(lambda: shown.play("migrate", guest=site.VM, to=target.name))
    need(shown.where(site.VM) == target, f"{site.VM} is not on {target.name}")
    need(shown.boot_id() == boot, f"{site.VM} was started anew, or does not answer")
    _reach_in_vlan(shown)
    profiles.append(confinement(shown, target))
    for profile in profiles:
        need(re.fullmatch(r"libvirt-[0-9a-f-]{36} \(enforce\)", profile) is not None, f"QEMU runs as {profile}")
    return (
        f"{source.name} to {target.name} in {played.seconds:.0f} s, the same boot of {site.VM}; "
        f"QEMU in {profiles[-1]} on both; "
        f"{_outcome(played)}"
    )


def _outcome(played: plays.Played) -> str:
    outcome = played.result("Outcome").get("msg", "")
    return "; ".join(outcome) if isinstance(outcome, list) else str(outcome)


def denials(shown: Shown) -> str:
    """No AppArmor denial in the kernel's log of either node, and nobody who would have taken it from there."""
    for node in NODES:
        need(not shown.shell(node, f"command -v {UNWANTED}", ok=None), f"{UNWANTED} is installed on {node.name}")
        denied = shown.shell(node, "journalctl -k -b --no-pager -o cat -g 'apparmor=\"DENIED\"'", ok=None)
        denied = "\n".join(line for line in denied.splitlines() if "DENIED" in line)
        need(not denied, f"{node.name}'s kernel tells of {len(denied.splitlines())} denials:\n{denied}")
        loaded = shown.shell(node, "journalctl -k -b --no-pager -o cat -g 'apparmor=\"STATUS\"' | wc -l")
        need(int(loaded) > 0, f"{node.name}'s kernel log tells nothing of AppArmor at all")
    return "none on either node"


#: By name, in the order in which they are shown.
STEPS: Mapping[str, Callable[[Shown], str]] = {
    "debian": debian,
    "site": site_play,
    "takeover": takeover,
    "vlan": vlan,
    "container": container,
    "quota": quota,
    "watchdog": watchdog,
    "paging": paging,
    "migration": migration,
    "denials": denials,
    # Last, for it restarts a node, whose kernel then has a new log.
    "sbd": sbd,
}
