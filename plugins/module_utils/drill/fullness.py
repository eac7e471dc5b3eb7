# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Full disks, and their room again: a node's own, and a pool that all nodes see."""

from __future__ import annotations

from .strikes import Scene

__all__ = ["empty_disk", "empty_pool", "fill_disk", "fill_pool"]

#: Where a node keeps what it has to write in order to work.
_PLACES = "/var/lib/pacemaker /var/lib/drover /var/log/pacemaker /var/log/libvirt"
_FILL_UP = r"""
fill_up() { # FILE
    fallocate --length "$(df --output=avail --block-size=1 "${1%/*}" | tail -n 1)" "$1" 2> /dev/null || true
    dd if=/dev/zero of="$1" bs=4k oflag=append conv=notrunc 2> /dev/null || true
}
"""
#: A lab's node has this machine's disk. There a small file system that is full is laid over each of the places.
_FILL_OVER = rf"""
set -e
{_FILL_UP}
for place in {_PLACES}; do
    [ -d "$place" ] || continue
    at=/run/drover-drill$place
    mkdir -p "$at"
    size=$(($(du -sk "$place" | cut -f 1) + 512))k
    mount -t tmpfs -o "size=$size,$(stat -c mode=%a,uid=%u,gid=%g "$place")" drill "$at"
    cp -a "$place/." "$at"
    fill_up "$at/.drover-drill"
    mount --bind "$at" "$place"
done
"""
_TAKE_OFF = f"""
for place in {_PLACES}; do
    for at in "$place" "/run/drover-drill$place"; do
        while [ "$(findmnt --noheadings --first-only --output SOURCE --mountpoint "$at")" = drill ]; do
            umount --lazy "$at"
        done
    done
done
rm -rf /run/drover-drill
"""
_OWN = "/var/lib/.drover-drill"
#: The pool that a file is on has a mark of Drover's.
_POOL = r"""
place=$1
until [ -e "$place/.drover-pool" ]; do
    [ "$place" != / ] || { echo "$1 is on no pool of Drover's" >&2; exit 1; }
    place=$(dirname "$place")
done
"""


def fill_disk(scene: Scene) -> None:
    """Leave a node no room for what it keeps."""
    if scene.ground.own_disks:
        scene.on_node("sh", "-c", f"{_FILL_UP}\nfill_up {_OWN}", timeout=600)
    else:
        scene.on_node("bash", "-c", _FILL_OVER, timeout=60)


def empty_disk(scene: Scene) -> None:
    """Give it back."""
    if scene.ground.own_disks:
        scene.on_node("rm", "-f", _OWN)
    else:
        scene.on_node("sh", "-c", _TAKE_OFF)
    # Pacemaker does not try again by itself to write its configuration once it could not: that has it do so.
    scene.on_node("pkill", "-PIPE", "-x", "pacemaker-based", ok=(0, 1))


def fill_pool(scene: Scene) -> None:
    """Leave no room on the pool on which the guests of the node have their data."""
    scene.on_node("sh", "-ec", f'{_POOL}{_FILL_UP}fill_up "$place/.drover-drill"', "sh", _place(scene), timeout=600)


def empty_pool(scene: Scene) -> None:
    """Give it back, from whichever node is there."""
    line = f'{_POOL}rm -f "$place/.drover-drill"'
    node = next(name for name in (scene.node, *scene.others) if scene.ground.has_power(name))
    scene.ground.runner(node)(["sh", "-ec", line, "sh", _place(scene)])


def _place(scene: Scene) -> str:
    """A path on the pool."""
    return scene.storage
