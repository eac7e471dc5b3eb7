# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A live migration that is watched: its share of the wire, the orders it gets, and what those who watch are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Progress
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.plugins.module_utils.migration import watching
from ansible_collections.cspp.drover.plugins.module_utils.migration.record import MigrationFailed
from ansible_collections.cspp.drover.plugins.module_utils.migration.watching import percent
from ansible_collections.cspp.drover.tests.unit.migration.live_host import MIB, Host, looks, migration

pytestmark = pytest.mark.usefixtures("at_the_target", "forwarders")


@pytest.mark.parametrize(
    ("wire", "channels", "bandwidth"), [(125 * MIB, 1, 100 * MIB), (1000 * MIB, 2, None), (None, 2, None)]
)
def test_on_a_fast_wire_several_channels_have_no_limit(
    monkeypatch: pytest.MonkeyPatch, wire: int | None, channels: int, bandwidth: int | None
) -> None:
    monkeypatch.setattr(watching, "speed", lambda _target: wire)
    host = Host()
    migration(host, channels=2).run(100)
    assert f"'bandwidth': {bandwidth}," in host.calls[1]
    assert f"'channels': {channels}," in host.calls[1]


def test_several_channels_get_no_limit_when_others_leave_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([1, 3, 3, 3])
    monkeypatch.setattr(moves, "read_all", lambda: [{}] * next(counts, 3))
    host = Host(*[Progress(1, MIB, 0, MIB)] * 3)
    migration(host, channels=2).run(100)
    assert not [call for call in host.calls if call.startswith("set_bandwidth")]


def test_one_that_takes_too_long_is_called_off_with_the_reason() -> None:
    host = Host(*looks(5000))
    with pytest.raises(MigrationFailed, match="after 0 s it still had 200 MiB to send"):
        migration(host, timeout=0.05).run(100)
    assert host.calls[-1] == "abort"


def test_one_that_takes_longer_than_the_cluster_waits_is_called_off() -> None:
    host = Host(*looks(5000))
    with pytest.raises(MigrationFailed, match="Pacemaker's time"):
        migration(host).run(0.05)
    assert host.calls[-1] == "abort"


def test_one_that_others_wait_for_is_called_off_and_may_be_tried_again() -> None:
    host, asked = Host(*looks(5000)), iter(["", "", "n3 was lost"])
    one = migration(host, giving_way=lambda: next(asked, "n3 was lost"))
    with pytest.raises(MigrationFailed, match="n3 was lost"):
        one.run(100)
    assert host.calls[-1] == "abort" and host.calls.count("abort") == 1
    assert (one.record["result"], one.record["gave_way"]) == ("failed", True)


class Hung(Host):
    """Waits for the target's daemon until somebody hangs up."""

    def hang_up(self, _target: str, _seconds: float) -> bool:
        self._error = HostError("authentication failed: TLS handshake failed Error in the pull function.")
        self._over.set()
        return True


def test_one_whose_target_says_nothing_any_more_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_SILENT_FOR", 0.02)
    host = Hung(*looks(1000))
    host.stop_heard = host.resume_heard = False
    with pytest.raises(MigrationFailed, match="libvirt's daemon on n2 said nothing for 0 s"):
        migration(host).run(100)
    assert "abort" not in host.calls


class StandsStill(Host):
    """Has the VM stopped for the last moment from the beginning, for as long as there is progress to show."""

    def watch(self, name: str, stopped: Callable[[], None], resumed: Callable[[], None]) -> None:
        super().watch(name, stopped, resumed)
        stopped()


def test_nothing_is_ordered_while_the_vm_stands_still() -> None:
    host = StandsStill(*looks(30))
    one = migration(host, timeout=0.01)
    one.run(100)
    assert [call.split()[0] for call in host.calls] == ["set_max_downtime", "migrate"]
    assert one.record["rounds"] == 0


def test_the_limit_is_raised_when_passes_get_no_shorter() -> None:
    host = Host(*looks(12))
    one = migration(host, max_downtime=300)
    one.run(100)
    assert host.calls[-1] == "set_max_downtime 280"
    assert one.record["path"][1] == "limit 280 ms"


def test_others_that_leave_as_well_get_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([1, 2, 2, 2, 2])
    monkeypatch.setattr(moves, "read_all", lambda: [{}] * next(counts, 2))
    host = Host(*[Progress(1, MIB, 0, MIB)] * 3)
    migration(host).run(100)
    assert [call for call in host.calls if call.startswith("set_bandwidth")] == [f"set_bandwidth {400 * MIB}"]


def test_progress_is_told_while_it_lasts(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    host = Host(*[Progress(1, 64 * MIB, 0, MIB, memory=256 * MIB)] * 3)
    look = host.progress

    def progress(name: str) -> Progress | None:
        told.append(moves.read_all()[0])
        return look(name)

    host.progress = progress  # type: ignore[method-assign, assignment]
    migration(host).run(100)
    assert {key: told[0][key] for key in ("kind", "from", "to", "phase")} == {
        "kind": "vm",
        "from": "n1",
        "to": "n2",
        "phase": "setup",
    }
    assert moves.read_all() == []


def test_an_order_that_libvirt_does_not_take_is_given_again() -> None:
    host: Any = Host(*looks(5000))
    tries: list[int] = []
    take = host.abort

    def abort(name: str) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise HostError("cannot acquire state change lock")
        take(name)

    host.abort = abort
    with pytest.raises(MigrationFailed, match="after 0 s it still had 200 MiB to send"):
        migration(host, timeout=0.05).run(100)
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(1, 100, 0), 0),
        (Progress(1, 50, 0, memory=100), 50),
        (Progress(1, 50, 0, memory=100, disks=100, disks_remaining=100), 25),
    ],
)
def test_percent(progress: Progress, expected: float) -> None:
    assert percent(progress) == expected
