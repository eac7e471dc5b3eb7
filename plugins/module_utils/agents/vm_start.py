# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starting a VM on this node, by its agent: for its own sake, or because it ended on its way here."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ..guest.definition import is_local
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.vm_state import State
from . import filtering, ocf, second
from .ocf import AgentError, Code, Request, house_keeping

if TYPE_CHECKING:
    from ..hypervisor.domain_xml import Accelerator

__all__ = ["accelerator", "require_files", "start"]


def start(request: Request, host: LibvirtHost) -> Code:
    """Start the VM, unless it runs. What is left of a migration whose other end is gone makes room."""
    name = request.instance
    seen = host.seen(name)
    if seen.state in (State.RUNNING, State.PAUSED):
        return Code.SUCCESS
    definition = request.definition_to_start()
    if seen.state in (State.FAILED, State.LEAVING):
        raise AgentError(f"{name} is here but {seen.predicate}: it has to be stopped before it can start")
    if is_local(definition):
        from ..storage.ownership import OwnershipError, require_here

        try:
            require_here(name, definition)
        except OwnershipError as error:
            raise AgentError(str(error)) from error
    require_files(definition)
    second.refuse(request, "vm runs")
    from ..hypervisor.domain_xml import render

    xml = render(definition, accelerator())
    if seen.state is State.INCOMING:
        # Pacemaker starts a VM only when it runs nowhere, so what it was coming from is dead.
        host.destroy(name)
    elif seen.state is State.OFF:
        host.forget(name)
    # Before there is an interface that could join a bridge.
    filtering.admit(definition)
    _lock_out(definition)
    host.create(xml)
    ocf.info(f"started {name}")
    if is_local(definition):
        from ..storage.ownership import forget_refusals

        with house_keeping(f"{name} runs again"):
            forget_refusals(name)
    return Code.SUCCESS


def _lock_out(definition: dict[str, Any]) -> None:
    """Take the locks of the VM's images in Ceph from whoever had them: a node that is lost gives none back, and a new
    owner would wait half a minute for it. What that node may still write is refused from then on."""
    images = [
        disk["source"]["path"]
        for disk in definition["disks"]
        if disk["source"]["type"] == "rbd" and not disk["readonly"]
    ]
    if not images:
        return
    from ..ceph.rbd import Rbd
    from ..core.command import CommandError

    try:
        broken = Rbd().break_locks(images)
    except CommandError as error:
        raise AgentError(f"{definition['name']} cannot start: Ceph does not give its disks ({error})") from error
    if broken:
        ocf.info(f"locked out before {definition['name']} starts: {', '.join(broken)}")


def accelerator() -> Accelerator:
    """What this node runs VMs with, as found out when it was set up. Raises AgentError when nobody has."""
    from ..hypervisor.accelerator import RECORD

    try:
        found: Accelerator = json.loads(RECORD.read_text(encoding="utf-8"))["accelerator"]
    except (OSError, ValueError, KeyError) as error:
        raise AgentError(
            f"{RECORD} does not say how this node runs VMs ({error}): run site.yml for it", Code.ERR_INSTALLED
        ) from error
    return found


def require_files(definition: dict[str, Any]) -> None:
    """Refuse when this node cannot see what the VM starts from."""
    kernel = definition["kernel"] or {}
    disks = [disk["source"]["path"] for disk in definition["disks"] if disk["source"]["type"] == "file"]
    boots = [kernel[part] for part in ("kernel", "initrd") if part in kernel]
    missing = [path for path in (*disks, *boots) if not os.path.exists(path)]
    if not missing:
        return
    from ..storage.pool_mark import unmounted

    away = unmounted(path for path in disks if path in missing)
    if away:
        raise AgentError(f"{definition['name']} waits for its storage: {', '.join(away)} is not mounted here")
    raise AgentError(f"{definition['name']} cannot start here, missing: {', '.join(missing)}")
