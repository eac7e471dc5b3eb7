# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stages of a lab's life: which tests run in each of them, and in which order.

The tests lie in folders by what they are about. Each says its stage, with the marker ``stage``. Within a stage the
order counts, for some tests change the cluster: it is that of the table below and, within a file, that of the file.

A stage is chosen with ``--stage NAME`` or by the path of its folder here, as Molecule does, which only takes paths.

`make test` runs what costs little of each subject. Tests marked ``whole`` are left out there, and others do less of the
same; `make test-whole` sets DROVER_WHOLE, and with it everything runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError

__all__ = ["STAGES", "VERIFY", "WHOLE", "StageError", "choose", "complaint", "sample", "unlisted"]

T = TypeVar("T")

#: Whether everything is to run, rather than samples.
WHOLE = bool(os.environ.get("DROVER_WHOLE"))

_FOLDERS = Path(__file__).resolve().parent
#: Where the tests lie, by what they are about.
VERIFY = _FOLDERS.parent
#: Where somebody who adds a file finds the table.
_TABLE = "tests/verify/stages/__init__.py"

#: The files with tests of each stage, in the order in which they run.
STAGES: dict[str, tuple[str, ...]] = {
    # Bare nodes, before site.yml.
    "fresh": ("deployment/test_first_run.py",),
    # After site.yml: these only look.
    "built": (
        "guests/test_running.py",
        "deployment/test_installed_collection.py",
        "nodes/test_configuration.py",
        "preflight/test_clear.py",
        "network/test_bridge_netfilter.py",
    ),
    # What people do to a cluster.
    "changed": (
        "certificates/test_renewal.py",
        "certificates/test_authority_rotation.py",
        "guests/test_debian_vm.py",
        "guests/test_lifecycle.py",
        "guests/test_power_states.py",
        "guests/test_container.py",
        "storage/test_local_container.py",
        "storage/test_own_pool.py",
        "storage/test_disk_moves.py",
        "storage/test_container_size.py",
        "migration/test_live_migration.py",
        "guests/test_partial_failures.py",
        "preflight/test_obstacles.py",
        "guests/test_validation.py",
        "fencing/test_power_controllers.py",
        "peers/test_flood.py",
        "secrets/test_secrecy.py",
        "cluster/test_foreign_objects.py",
        "cluster/test_timing.py",
        "network/test_packet_filter.py",
        "migration/test_client_impact.py",
        "journal/test_replication.py",
        "upgrade/test_rolling_upgrade.py",
        "nodes/test_interrupted_run.py",
        "migration/test_on_request.py",
        "guests/test_from_elsewhere.py",
        "network/test_hostile_guest.py",
        "network/test_wrong_bridge.py",
        "maintenance/test_drain.py",
    ),
    # What happens to a cluster.
    "broken": (
        "guests/test_interrupted_run.py",
        "migration/test_failed_migration.py",
        "failover/test_pause.py",
        "failover/test_giving_up.py",
        "failover/test_node_shutdown.py",
        "failover/test_power_loss.py",
        "fencing/test_silent_controller.py",
        "fencing/test_proof.py",
    ),
    # Nodes join, leave, die and are replaced.
    "nodes": ("nodes/test_come_and_go.py",),
    # Samples of `make faults` and `make drills`.
    "faults": ("migration/test_fault_injection.py", "failover/test_drills.py"),
    # The console, whose nodes die under it.
    "console": (
        "console/test_arrival.py",
        "console/test_consoles.py",
        "console/test_new_guest.py",
        "console/test_load.py",
        "console/test_contract.py",
        "console/test_page.py",
        "console/test_sign_on.py",
        "console/test_power_loss.py",
        "notify/test_told.py",
    ),
    # After the lab was removed.
    "gone": ("deployment/test_lab_removal.py",),
    # Two nodes that lose sight of each other, on a lab of its own.
    "pair": ("cluster/test_quorum_device.py", "fencing/test_two_nodes.py"),
    # All guests on Ceph, on a lab of its own.
    "ceph": (
        "ceph/test_cluster.py",
        "ceph/test_guests.py",
        "ceph/test_disk_moves.py",
        "ceph/test_come_and_go.py",
        "ceph/test_power_loss.py",
    ),
}
_NAMES = ", ".join(STAGES)


class StageError(DroverError):
    """A choice of tests that is none."""


def choose(stage: str | None, given: Sequence[str]) -> tuple[str | None, list[str]]:
    """The stage that is asked for, if any, and what of it pytest is to collect, in order.

    ``given`` are pytest's arguments, with absolute paths. Raises StageError.
    """
    folders = {argument: name for argument in given if (name := _named(argument))}
    asked = {*folders.values(), *([stage] if stage else [])}
    if not asked:
        return None, list(given)
    if len(asked) > 1:
        raise StageError(f"One stage at a time, not {' and '.join(sorted(asked))}.")
    [name] = asked
    if name not in STAGES:
        raise StageError(f"There is no stage {name!r}: {_NAMES}.")
    within = [argument for argument in given if argument not in folders] or [str(VERIFY)]
    chosen = [one for file in STAGES[name] for one in _parts(VERIFY / file, within)]
    if not chosen:
        raise StageError(f"No tests of the stage {name!r} are in {', '.join(within)}.")
    return name, chosen


def sample(part: T, whole: T) -> T:
    """How much of something a test does: a part of it, or the whole where everything is to run."""
    return whole if WHOLE else part


def complaint(file: Path, stage: str | None) -> str:
    """What is wrong with the stage that a test in a file says; empty if nothing is."""
    if stage is None:
        return f"says no stage: mark it with pytest.mark.stage(NAME), one of {_NAMES}"
    if stage not in STAGES:
        return f"says a stage {stage!r} that is not there: {_NAMES}"
    if file.resolve() not in {VERIFY / one for one in STAGES[stage]}:
        return f"would not run: {_TABLE} does not list its file for the stage {stage!r}"
    return ""


def unlisted() -> list[str]:
    """The files with tests that no stage lists."""
    listed = {VERIFY / file for files in STAGES.values() for file in files}
    found = {file for file in VERIFY.rglob("test_*.py") if _FOLDERS not in file.parents}
    return sorted(str(file.relative_to(VERIFY)) for file in found - listed)


def _named(argument: str) -> str:
    """The stage whose folder a path is in; empty if it is in none."""
    path = Path(argument.partition("::")[0]).resolve()
    return path.relative_to(VERIFY).parts[:2][-1] if path.is_relative_to(_FOLDERS) else ""


def _parts(file: Path, given: Sequence[str]) -> Iterator[str]:
    """What chooses a file or tests in it, of arguments."""
    for argument in given:
        path, test, _name = argument.partition("::")
        if file.is_relative_to(Path(path).resolve()):
            yield argument if test else str(file)
