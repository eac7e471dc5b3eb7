# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on a node: writes numbered records, each flushed to the disks of three nodes before it counts.

Usage: writer.py rbd|file PLACE SECONDS. Says, as JSON, how many records were written, the longest pause in seconds, and
how many of them are not there afterwards. The records are in a ring of so many sectors, each with its number.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable

RECORD, RING = 4096, 4096


def record(number: int) -> bytes:
    return f"{number:020d}\n".encode().ljust(RECORD, b".")


def on_rbd(place: str) -> tuple[Callable[[int, bytes], None], Callable[[int], bytes]]:
    import rados
    import rbd

    cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.drover")
    cluster.connect()
    pool, name = place.split("/")
    context = cluster.open_ioctx(pool)
    with contextlib.suppress(rbd.ImageExists):
        rbd.RBD().create(context, name, RECORD * RING)
    image = rbd.Image(context, name)

    def write(offset: int, data: bytes) -> None:
        image.write(data, offset)
        image.flush()

    return write, lambda offset: image.read(offset, RECORD)


def on_file(place: str) -> tuple[Callable[[int, bytes], None], Callable[[int], bytes]]:
    opened = os.open(place, os.O_RDWR | os.O_CREAT)

    def write(offset: int, data: bytes) -> None:
        os.pwrite(opened, data, offset)
        os.fsync(opened)

    return write, lambda offset: os.pread(opened, RECORD, offset)


def main(kind: str, place: str, seconds: str) -> None:
    write, read = (on_rbd if kind == "rbd" else on_file)(place)
    end = time.monotonic() + float(seconds)
    number, longest, at, last = 0, 0.0, 0.0, time.monotonic()
    while time.monotonic() < end:
        write(number % RING * RECORD, record(number))
        now = time.monotonic()
        if number and now - last > longest:
            longest, at = now - last, time.time()
        last = now
        number += 1
        time.sleep(0.01)
    there = [read(one % RING * RECORD) == record(one) for one in range(max(0, number - RING), number)]
    print(json.dumps({"written": number, "longest": round(longest, 2), "ended": at, "lost": there.count(False)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
