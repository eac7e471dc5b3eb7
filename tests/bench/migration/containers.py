# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers that move: on shared storage, and on local storage beside the naive way, which is to stop, rsync, start.

For the naive way there are containers of the same image and content that Pacemaker does not know. They are started by
Drover's code and announced like Drover's, and copied without encryption, so that the copying is all the difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.clients import OutageProbe, answers

from ...verify.lab import Lab
from ...verify.plays import succeed
from .figures import schedule
from .rig import FOLDER, BenchError, Rig
from .ways import Drover

__all__ = ["SIZES", "Containers", "run"]

_POOL, _STATE, _SSH = "/srv/drover/local", "/run/drover/lxc", 22
_PORT = 8730
#: Bytes and files in a container's root file system; the image has as many as the smaller ones ask for.
SIZES = {"local-200MB": (200_000_000, 5_000), "local-2GB": (2_000_000_000, 50_000)}
SHARED = "shared"

#: Tops a folder up with random files of different sizes, to so many bytes and files in all.
_FILL = """
import os
root, size, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for folder, _folders, names in os.walk(root):
    for name in names:
        files -= 1
        size -= os.lstat(os.path.join(folder, name)).st_size
for number in range(max(0, files)):
    folder = f"{root}/srv/data/{number % 200}"
    if number < 200:
        os.makedirs(folder)
    with open(f"{folder}/{number}", "wb") as file:
        file.write(os.urandom(size // files * (1 + number % 9) // 5))
print(json.dumps(None))
"""

_START = """
from drover.hypervisor.lxc_config import render
from drover.hypervisor.lxc_host import LxcHost, controllers
definition = json.load(open(sys.argv[1]))
host = LxcHost()
host.start(definition["name"], render(definition, controllers()), 30)
host.announce(definition["name"], definition["nics"])
print(json.dumps(None))
"""

_RSYNCD = f"""
uid = root
gid = root
use chroot = no
munge symlinks = no
[in]
path = {_POOL}/containers
read only = no
"""


@dataclass(frozen=True)
class Containers:
    """Containers on a lab, by (way, load): each is there once, and answers."""

    rig: Rig
    names: dict[tuple[str, str], str]
    addresses: dict[str, str]

    @classmethod
    @contextmanager
    def build(cls, lab: Lab) -> Iterator[Containers]:
        """Make them; at the end they are gone."""
        names = {("drover", SHARED): "shared", ("drover", "local-200MB"): "small", ("drover", "local-2GB"): "big"}
        names |= {("naive", "local-200MB"): "plain-small", ("naive", "local-2GB"): "plain-big"}
        prefix = str(lab.description["subnet"]).rsplit(".", 1)[0]
        addresses = {name: f"{prefix}.{170 + i}" for i, name in enumerate(names.values())}
        made = cls(Rig(lab, {}), names, addresses)
        try:
            made._make()
            yield made
        finally:
            made._remove()

    @property
    def _naive(self) -> list[str]:
        return [name for (way, _load), name in self.names.items() if way == "naive"]

    def move(self, way: str, load: str) -> dict[str, Any]:
        """One move, measured by somebody who keeps opening connections to its SSH server."""
        name = self.names[way, load]
        nodes = list(self.rig.lab.nodes)
        source = self._where(name)
        target = nodes[(nodes.index(source) + 1) % len(nodes)]
        probe = OutageProbe(self.addresses[name], _SSH, greeting=True, interval=0.02)
        probe.start()
        time.sleep(1)
        begun, error = time.time(), None
        carry_out = self._naively if way == "naive" else self._by_drover
        try:
            carry_out(name, source, target)
            wait_for(lambda: probe.up, bool, what=f"an answer of {name}", timeout=60, interval=0.05)
        except CommandError as failure:
            error = str(failure)
        total = time.time() - begun
        time.sleep(1)
        outage = probe.stop()
        if way == "drover":
            self._settle(name, source, target)
        return {
            "way": way,
            "load": load,
            "from": source,
            "to": target,
            "at": datetime.fromtimestamp(begun, UTC).isoformat(timespec="milliseconds"),
            "error": error if outage.over else error or f"{name} does not answer",
            "silence_ms": round(outage.length * 1000),
            "total_ms": round(total * 1000),
        }

    def _by_drover(self, name: str, source: str, target: str) -> None:
        self.rig.script(source, Drover.MOVE, name, target)
        wait_for(
            lambda: self.rig.lab.status().resource(name),
            lambda seen: seen is not None and seen.running and seen.node == target,
            what=f"the arrival of {name} on {target}",
            timeout=600,
        )

    def _settle(self, name: str, source: str, target: str) -> None:
        self.rig.script(target, Drover.FINISH, name)
        self.rig.settled(name)
        old = ["test", "-e", f"{_POOL}/containers/{name}"]
        on_source = self.rig.lab.ssh(source)
        wait_for(lambda: on_source(old, ok=None).rc != 0, bool, what=f"the end of the old copy of {name}", timeout=120)

    def _naively(self, name: str, source: str, target: str) -> None:
        folder = f"{_POOL}/containers/{name}"
        with self._receiving(target):
            stop = f"lxc-stop -P {_STATE} -n {name} -t 30"
            # All that Drover keeps is kept.
            copy = f"rsync -aHAXS --numeric-ids {folder} rsync://{target}:{_PORT}/in/"
            _begun, rc, said = self.rig.shell(source, f"{stop} && {copy}", timeout=600)
            if rc:
                raise CommandError(said)
            self.rig.script(target, _START, f"{FOLDER}/{name}.json")
        self.rig.shell(source, f"rm -rf {folder}", timeout=120)

    @contextmanager
    def _receiving(self, node: str) -> Iterator[None]:
        conf, pid = "/run/bench-rsyncd.conf", "/run/bench-rsyncd.pid"
        on_node = self.rig.lab.ssh(node)
        on_node(["sh", "-c", f"mkdir -p {_POOL}/containers; cat > {conf}"], stdin=f"pid file = {pid}{_RSYNCD}")
        on_node(["rsync", "--daemon", f"--config={conf}", f"--port={_PORT}"])
        try:
            yield
        finally:
            on_node(["sh", "-c", f"kill $(cat {pid}); rm -f {conf}"], ok=None)

    def _where(self, name: str) -> str:
        def runs(node: str) -> bool:
            said = self.rig.lab.ssh(node)(["lxc-info", "-P", _STATE, "-n", name, "-s", "-H"], ok=None).stdout
            return said.strip() == "RUNNING"

        found = [node for node in self.rig.lab.nodes if runs(node)]
        if len(found) != 1:
            raise BenchError(f"{name} runs on {found or 'no node'}")
        return found[0]

    def _declared(self, **more: Any) -> dict[str, Any]:
        lab = self.rig.lab.description
        bits = str(lab["subnet"]).partition("/")[2]
        return {
            name: {
                "kind": "container",
                "memory": "128MiB",
                "rootfs": {"image": "debian-13", "pool": "shared" if load == SHARED else "local"},
                "nics": [{"bridge": "br0", "address": f"{self.addresses[name]}/{bits}", "gateway": lab["gateway"]}],
                **more,
            }
            for (_way, load), name in self.names.items()
        }

    def _make(self) -> None:
        lab = self.rig.lab
        guests = self._declared()
        succeed("guests", guests=guests)
        primitives = lab.configuration().primitives
        first = next(iter(lab.nodes))
        for name in self._naive:
            definition = primitives[name].params["definition"]
            lab.ssh(first)(["sh", "-c", f"mkdir -p {FOLDER}; cat > {FOLDER}/{name}.json"], stdin=definition)
        homes = {name: self._where(name) for name in self.names.values()}
        for (_way, load), name in self.names.items():
            if load in SIZES:
                size, files = SIZES[load]
                self.rig.script(homes[name], _FILL, f"{_POOL}/containers/{name}/rootfs", str(size), str(files))
        for name in self._naive:
            guests[name]["state"] = "absent"  # its root file system stays
        succeed("guests", guests=guests)
        for name in self._naive:
            self.rig.script(homes[name], _START, f"{FOLDER}/{name}.json")
        for name, address in self.addresses.items():
            wait_for(lambda at=address: answers(at, _SSH, greeting=True), bool, what=f"{name}'s answer", timeout=60)  # type: ignore[misc]

    def _remove(self) -> None:
        for node in self.rig.lab.nodes:
            for name in self._naive:
                leave = f"lxc-stop -k -P {_STATE} -n {name}; rm -rf {_STATE}/{name} {_POOL}/containers/{name}"
                with suppress(CommandError):
                    self.rig.shell(node, leave, timeout=120)
        succeed("guests", guests=self._declared(state="absent", remove_disks=True))


def run(lab: Lab, repetitions: int, records: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    """Move each so often, in turn; a line for each move."""
    say("containers of 200 MB and of 2 GB with 50,000 files, for Drover and for the naive way")
    with Containers.build(lab) as containers:
        turns = schedule({(load, way): repetitions for way, load in containers.names})
        for number, (load, way) in enumerate(turns, 1):
            record = containers.move(way, load)
            records.append(record)
            outcome = record["error"] or f"away for {record['silence_ms']} ms, {record['total_ms']} ms in all"
            say(f"{number}/{len(turns)} {load:11} {way:6} {outcome}")
