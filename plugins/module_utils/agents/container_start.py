# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starting a container on this node: by its agent, or by the dead-man's switch of its move."""

from __future__ import annotations

import time
from pathlib import Path

from ..core.errors import DroverError
from ..guest.definition import Definition
from ..hypervisor.lxc_host import STOPPED, LxcError, LxcHost, controllers
from ..storage.told import settle
from . import filtering, ocf
from .ocf import AgentError, house_keeping

__all__ = ["keep_size", "require_files", "start"]

#: Seconds of a start that are kept for LXC while files are given to another range of ids.
_START_RESERVE = 15.0


def start(host: LxcHost, definition: Definition, timeout: float) -> float:
    """Start the container and announce it; returns when that was, by the wall clock. Raises AgentError, LxcError."""
    require_files(definition)
    keep_size(definition)
    timeout = _settle_ids(definition, timeout)
    _provide_devices(definition)
    from ..hypervisor.lxc_config import render

    name = definition["name"]
    with house_keeping(f"{name} starts"):
        for file in settle(Path(definition["rootfs"]["path"]), definition):
            ocf.info(f"{name}: wrote {file} as it is declared now")
    # Before there is an interface that could join a bridge.
    filtering.admit(definition)
    host.start(name, render(definition, controllers()), timeout)
    announced = time.time()
    try:
        host.announce(name, definition["nics"])
    except (OSError, LxcError) as error:
        ocf.warning(f"{name} could not be announced, so clients may find it late: {error}")
    # One whose init cannot run is gone by now.
    if host.state(name) == STOPPED:
        raise AgentError(f"{name} started and ended at once: its init does not run; look into its root file system")
    return announced


def keep_size(definition: Definition) -> None:
    """Have the file system keep the container's files at the size they may have, if any. Says so when it does not."""
    from ..storage import quota

    rootfs = definition["rootfs"]
    try:
        quota.limit(Path(rootfs["path"]), rootfs.get("size"))
    except (quota.QuotaError, OSError) as error:
        if "size" in rootfs:
            ocf.warning(f"{definition['name']} may take more room than declared: {error}")


def _settle_ids(definition: Definition, timeout: float) -> float:
    """See to it that the files are those of the container's range of ids, and that nobody else gets at them.

    Returns the seconds that are left of ``timeout``. Raises AgentError.
    """
    from ..storage.id_shift import confine, range_of, settle

    name, rootfs, ids = definition["name"], Path(definition["rootfs"]["path"]), range_of(definition)
    began = time.monotonic()
    try:
        if settle(rootfs, ids, lambda: began + timeout - _START_RESERVE - time.monotonic()):
            ocf.info(f"the files of {name} were given to its own range of ids, from {ids.start} on")
            timeout -= time.monotonic() - began
    except (DroverError, OSError) as error:
        raise AgentError(f"{name} cannot start yet: {error}. Every start goes on with that") from error
    try:
        confine(rootfs.parent, ids)
    except OSError as error:
        ocf.warning(f"others on this node may look into {rootfs.parent}: {error}")
    return timeout


def _provide_devices(definition: Definition) -> None:
    """Make the device files of the container."""
    if not definition.get("devices"):
        return
    from ..hypervisor.lxc_devices import provide
    from ..storage.id_shift import range_of

    try:
        provide(definition["name"], definition["devices"], range_of(definition).start)
    except OSError as error:
        raise AgentError(f"{definition['name']} cannot be given its devices: {error}") from error


def require_files(definition: Definition) -> None:
    """Refuse when this node cannot see what the container starts from, or lacks what the container has of its node."""
    root = Path(definition["rootfs"]["path"])
    if not (root / "sbin").is_dir():
        from ..storage.pool_mark import unmounted

        away = unmounted([str(root)])
        if away:
            raise AgentError(f"{definition['name']} waits for its storage: {away[0]} is not mounted here")
        raise AgentError(f"{definition['name']} cannot start here, no root file system at {root}")
    from ..hypervisor.lxc_devices import numbers_of

    missing = [device for device in definition.get("devices", ()) if not numbers_of(device)]
    missing += [mount["source"] for mount in definition.get("mounts", ()) if not Path(mount["source"]).exists()]
    if missing:
        raise AgentError(f"{definition['name']} cannot start here, this node has no {', '.join(missing)}")
