# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rig of a bench of failover: a VM and a container of one shape, twice, and the cluster's two configurations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.drill.clients import Service
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround
from ansible_collections.cspp.drover.plugins.module_utils.drill.rest import cluster
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml, lxc_config

from ...verify.lab import Lab
from ...verify.plays import succeed
from .configuration import DEFAULTS, retimed, stock
from .figures import Record
from .power_cut import PATIENCE, Subject, cut, rest

__all__ = ["WAYS", "Rig"]

_FOLDER = PurePosixPath("/srv/drover/shared/bench")
_CONF = "/etc/corosync/corosync.conf"
WAYS = ("drover", "stock")


class Rig:
    """A lab with four guests, of which two run at a time: Drover's, or those of stock agents.

    ``profile`` is the cluster's timing while it is Drover's; the lab has it already.
    """

    def __init__(self, lab: Lab, profile: str) -> None:
        self.lab, self._profile = lab, profile
        self.ground = LabGround(lab.folder)
        prefix, self._bits = str(lab.description["subnet"]).split("/")
        prefix = prefix.rpartition(".")[0]
        self.subjects = [
            Subject("drover", "vm", "game", Service(f"{prefix}.150", 7)),
            Subject("drover", "container", "web", Service(f"{prefix}.151", 22, greeting=True)),
            Subject("stock", "vm", "stockvm", Service(f"{prefix}.160", 7)),
            Subject("stock", "container", "stockct", Service(f"{prefix}.161", 22, greeting=True)),
        ]
        self._cibs: dict[str, str] = {}
        self._confs: dict[str, str] = {}

    def of(self, way: str) -> list[Subject]:
        return [subject for subject in self.subjects if subject.way == way]

    @contextmanager
    def build(self) -> Iterator[None]:
        """Make the guests and both configurations. At the end the cluster is Drover's again."""
        self._declare()
        first = self.ground.runner(next(iter(self.ground.nodes)))
        self._confs["drover"] = first(["cat", _CONF]).stdout
        self._confs["stock"] = retimed(self._confs["drover"], DEFAULTS)
        self._cibs["drover"] = first(["cibadmin", "--query"]).stdout
        devices = self.lab.description["nodes"]
        self._cibs["stock"] = stock(self._cibs["drover"], devices, "stockvm", "stockct", f"{_FOLDER}/stockvm.xml")
        try:
            yield
        finally:
            self.change("drover")

    def timing(self, way: str) -> list[str]:
        """What the cluster waits for before it calls a node lost, as its configuration has it."""
        return [line.strip() for line in self._confs[way].splitlines() if line.strip().startswith("token")]

    def change(self, way: str) -> None:
        """Have the cluster be of this configuration, and its guests run."""
        for name in self.ground.nodes:
            self.ground.runner(name)(["sh", "-c", f"cat > {_CONF}"], stdin=self._confs[way])
        run = self.ground.runner(next(iter(self.ground.nodes)))
        run(["corosync-cfgtool", "-R"])
        self._filter(way)
        configuration = self._cibs[way]
        begin, end = configuration.index("<configuration"), configuration.index("</configuration>")
        text = configuration[begin:end] + "</configuration>"
        run(["cibadmin", "--replace", "--scope", "configuration", "--xml-pipe"], stdin=text, timeout=60)
        # Those of the other configuration stop first.
        others = [subject.name for subject in self.subjects if subject.way != way]
        wait_for(
            lambda: [one.name for one in cluster(self.ground).status().resources if one.active and one.name in others],
            lambda running: not running,
            what="the end of the other configuration's guests",
            timeout=PATIENCE,
        )
        # Agents of Drover's that were still at work have put it back.
        self._filter(way)
        rest(self.ground, self.of(way))

    def _filter(self, way: str) -> None:
        """Drover's packet filter drops frames of guests that it has not been told of."""
        ours = ["systemctl", "restart", "drover-filter.service"]
        for name in self.ground.nodes:
            self.ground.runner(name)(
                ours if way == "drover" else ["nft", "delete", "table", "bridge", "drover"], ok=None
            )

    def cut(self, way: str) -> list[Record]:
        """Cut the power of the node on which both guests of a way run. What came of it, a record for each."""
        return cut(self.ground, self._gather(way), self.of(way))

    def _gather(self, way: str) -> str:
        """The node on which both guests of a way run."""
        vm, container = self.of(way)
        where = self.lab.where(vm.name)
        if self.lab.where(container.name) != where:
            if way != "drover":
                raise DroverError(f"{container.name} is not where {vm.name} is")
            succeed("migrate", cluster_timing=self._profile, guest=container.name, to=where)
        return where

    def _declare(self) -> None:
        gateway = self.lab.description["gateway"]

        def guest(subject: Subject) -> dict[str, Any]:
            nic = {"bridge": "br0", "address": f"{subject.service.host}/{self._bits}", "gateway": gateway}
            if subject.kind == "vm":
                return {"kind": "vm", "image": "tiny", "memory": "192MiB", "nics": [nic]}
            return {"kind": "container", "memory": "256MiB", "rootfs": {"image": "debian-13"}, "nics": [nic]}

        guests = {subject.name: guest(subject) for subject in self.subjects}
        guests["web"]["placement"] = {"together_with": ["game"]}
        succeed("guests", cluster_timing=self._profile, guests=guests, guests_allow_restart="all")
        primitives = self.lab.configuration().primitives
        first = self.ground.runner(next(iter(self.ground.nodes)))
        accelerator = json.loads(first(["cat", "/etc/drover/accelerator.json"]).stdout)["accelerator"]
        first(["mkdir", "-p", str(_FOLDER)])
        domain = domain_xml.render(json.loads(primitives["stockvm"].params["definition"]), accelerator)
        first(["sh", "-c", f"cat > {_FOLDER}/stockvm.xml"], stdin=domain)
        config = lxc_config.render(json.loads(primitives["stockct"].params["definition"]), [])
        self._give_container(config)
        # Their disks stay.
        stopped = {name: {**one, "state": "absent"} for name, one in guests.items() if name.startswith("stock")}
        succeed("guests", cluster_timing=self._profile, guests={**guests, **stopped})

    def _give_container(self, config: str) -> None:
        """What lxc@.service reads, on every node."""
        own: Sequence[str] = [
            line.replace("/run/drover/lxc/stockct", "/var/lib/lxc/stockct") for line in config.splitlines()
        ]
        for name in self.ground.nodes:
            write = "mkdir -p /var/lib/lxc/stockct && cat > /var/lib/lxc/stockct/config"
            self.ground.runner(name)(["sh", "-c", write], stdin="\n".join([*own, ""]))
