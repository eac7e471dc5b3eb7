# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab's network on this machine: its bridge and the way to Debian packages.

Packages come from one apt-cacher-ng for all labs of a checkout (two on one directory are not safe). It
listens on a loopback address; each lab has a forwarder from its bridge to it. So nodes need no route,
no masquerading and no DNS, and nothing outside this machine can use the cache.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from ..core.command import Runner, run
from ..core.wait import WaitTimeout, wait_for
from .chassis import kill
from .layout import Lab
from .machine import Process, links, processes
from .plan import NetworkSeen, Step, network_steps

__all__ = ["LabNetwork"]

FORWARDER_PROGRAMS = ("systemd-socket-activate", "systemd-socket-proxyd")
PACKAGE_CACHE_USER = "apt-cacher-ng"


class LabNetwork:
    """Finds, plans and carries out. ``package_port`` is the TCP port nodes reach the package cache at."""

    def __init__(self, lab: Lab, package_port: int, runner: Runner = run) -> None:
        self.lab = lab
        self.package_port = package_port
        self.run = runner

    # -- finding --------------------------------------------------------------------------------

    def forwarders(self, among: Iterable[Process]) -> list[int]:
        home = str(self.lab.directory)
        return [p.pid for p in among if p.program in FORWARDER_PROGRAMS and p.cwd in (home, f"{home} (deleted)")]

    def package_caches(self, among: Iterable[Process]) -> list[int]:
        home = str(self.lab.package_cache)
        return [p.pid for p in among if p.program == "apt-cacher-ng" and p.cwd in (home, f"{home} (deleted)")]

    def see(self) -> NetworkSeen:
        running = list(processes())
        links_now = links(self.run)
        own_veths = {node.veth for node in self.lab.every_node()}
        powered = {
            argument.removeprefix("--machine=")
            for process in running
            if process.program == "systemd-nspawn"
            for argument in process.argv
            if argument.startswith("--machine=")
        }
        caches = self.package_caches(running)
        configured = self.lab.package_cache / "conf" / "acng.conf"
        others = self.lab.directory.parent
        return NetworkSeen(
            addresses=NetworkSeen.addresses_of(links_now.get(self.lab.bridge)),
            package_cache=bool(caches),
            package_cache_outdated=any(started_before(pid, configured) for pid in caches),
            forwarder=bool(self.forwarders(running)),
            cache_needed_by_others=others.is_dir() and any(d != self.lab.directory for d in others.iterdir()),
            strays=frozenset(
                name for name in links_now if name in own_veths and name.removeprefix("vb-") not in powered
            ),
        )

    def plan(self, nodes: int) -> list[Step]:
        return network_steps(self.lab, nodes, self.see())

    # -- acting ---------------------------------------------------------------------------------

    def carry_out(self, step: Step) -> None:
        {
            "delete link": self.delete_link,
            "delete bridge": self.delete_link,
            "create bridge": self.create_bridge,
            "add address": self.add_address,
            "remove address": self.remove_address,
            "start package cache": self.start_package_cache,
            "stop package cache": self.stop_package_cache,
            "start package forwarder": self.start_forwarder,
            "stop package forwarder": self.stop_forwarder,
        }[step.verb](step.subject)

    def delete_link(self, name: str) -> None:
        self.run(["ip", "link", "delete", name])

    def create_bridge(self, name: str) -> None:
        """A plain switch. Its MAC address is fixed, or it would change with every node that comes or goes."""
        mac = "02:" + ":".join(f"{byte:02x}" for byte in [0xD7, *self.lab.subnet.network_address.packed[:3], 1])
        self.run(["ip", "link", "add", name, "address", mac, "type", "bridge", "mcast_snooping", "0"])
        self.run(["ip", "link", "set", name, "alias", str(self.lab.directory)])
        # What a guest announces as a router must not become this machine's route.
        accept_ra = Path(f"/proc/sys/net/ipv6/conf/{name}/accept_ra")
        if accept_ra.exists():
            accept_ra.write_text("0\n")
        self.run(["ip", "link", "set", name, "up"])

    def add_address(self, address: str) -> None:
        self.run(["ip", "address", "add", address, "dev", self.lab.bridge])

    def remove_address(self, address: str) -> None:
        self.run(["ip", "address", "delete", address, "dev", self.lab.bridge])

    def start_package_cache(self, home: str) -> None:
        for directory in (Path(home), Path(home) / "cache", Path(home) / "log"):
            directory.mkdir(parents=True, exist_ok=True)
            shutil.chown(directory, PACKAGE_CACHE_USER, PACKAGE_CACHE_USER)
        self._detach(["apt-cacher-ng", "-c", "conf"], Path(home), Path(home) / "daemon.log")
        self._wait_for_port(self.lab.package_cache_address)

    def start_forwarder(self, address: str) -> None:
        self.lab.directory.mkdir(parents=True, exist_ok=True)
        proxy = "/lib/systemd/systemd-socket-proxyd"
        self._detach(
            [
                "systemd-socket-activate",
                f"--listen={address}:{self.package_port}",
                proxy,
                f"{self.lab.package_cache_address}:{self.package_port}",
            ],
            self.lab.directory,
            self.lab.directory / "forwarder.log",
        )
        self._wait_for_port(address)

    def stop_package_cache(self, _home: str) -> None:
        self._stop(self.package_caches)

    def stop_forwarder(self, _address: str) -> None:
        self._stop(self.forwarders)

    def _detach(self, argv: list[str], cwd: Path, log: Path) -> None:
        as_user = [
            "setpriv",
            f"--reuid={PACKAGE_CACHE_USER}",
            f"--regid={PACKAGE_CACHE_USER}",
            "--clear-groups",
        ]
        with log.open("ab") as output:
            subprocess.Popen(
                [*as_user, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=cwd,
                env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C"},
            )

    def _wait_for_port(self, address: str) -> None:
        def answers() -> bool:
            try:
                socket.create_connection((address, self.package_port), timeout=1).close()
            except OSError:
                return False
            return True

        wait_for(answers, bool, what=f"an answer at {address}:{self.package_port}", timeout=15, interval=0.05)

    def _stop(self, find: Callable[[Iterable[Process]], list[int]]) -> None:
        for pid in find(processes()):
            kill(pid, signal.SIGTERM)

        def left() -> list[int]:
            return find(processes())

        try:
            wait_for(left, lambda pids: not pids, what="its end", timeout=3, interval=0.02)
        except WaitTimeout as error:
            for pid in error.last:
                kill(pid, signal.SIGKILL)


def started_before(pid: int, file: Path) -> bool:
    """Whether a process is older than a file's last change, so that it can't have read it."""
    try:
        return Path(f"/proc/{pid}").stat().st_mtime < file.stat().st_mtime
    except FileNotFoundError:
        return False
