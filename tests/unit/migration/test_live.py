# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A migration from its source's side, with a libvirt that does as it is told."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_host import (
    HostError,
    LibvirtUnreachable,
    Progress,
    Seen,
    State,
)
from ansible_collections.cspp.drover.plugins.module_utils.migration import (
    disk_hand_over,
    failed_post_copy,
    live,
    packets,
    settling,
    watching,
)
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.plugins.module_utils.migration.live import LiveMigration, MigrationFailed, percent
from ansible_collections.cspp.drover.plugins.module_utils.migration.switchover import Unknown
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError

MIB = 1024**2
NIC = {"mac": "52:54:00:aa:bb:cc"}


class Host:
    """Migrates for as long as there is progress to show, then succeeds or fails with ``error``."""

    def __init__(self, *progress: Progress, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._progress = list(progress)
        self._error = error
        self._over = threading.Event()
        self.resume_heard = self.stop_heard = True
        #: Failed post-copies that libvirt does not forget by itself.
        self.kept = 0

    def watch(self, _name: str, stopped: Callable[[], None], resumed: Callable[[], None]) -> None:
        self.stopped, self.resumed = stopped, resumed

    def migrate(self, _name: str, target: str, **how: Any) -> None:
        self.calls.append(f"migrate {target} {how}")
        if self._progress:
            assert self._over.wait(10)
        if self.stop_heard:
            self.stopped()
        if self._error:
            if self.resume_heard:
                self.resumed()
            raise self._error

    def progress(self, _name: str) -> Progress | None:
        if len(self._progress) == 1:
            self._over.set()
        return self._progress.pop(0) if self._progress else None

    def set_bandwidth(self, _name: str, bandwidth: int, *, post_copy: bool) -> None:
        self.calls.append(f"set_bandwidth {bandwidth}{' of post-copy' if post_copy else ''}")

    def failed_post_copy(self, _name: str) -> bool:
        return self.kept > 0

    def hang_up(self, _target: str, _seconds: float) -> bool:
        return False

    def forget_post_copy(self, _name: str) -> None:
        self.calls.append("forget_post_copy")
        self.kept -= 1

    def __getattr__(self, name: str) -> Callable[..., None]:
        def do(_name: str, *arguments: Any) -> None:
            self.calls.append(" ".join([name, *map(str, arguments)]))
            if name == "abort":
                self._error = HostError("operation aborted")
                self._over.set()

        return do


class Forwarder:
    """Stands for the thread that sends packets on."""

    made: list[Forwarder]

    def __init__(self, _guest: str, taps: list[str], target: str) -> None:
        self.calls = [f"{target} {taps}"]
        self.sent, self.trouble = 3, ""
        self.made.append(self)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append(" ".join([name, *(str(sorted(a)) for a in arguments)]))


@pytest.fixture(autouse=True)
def at_the_target(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the target says about the VM, and what was done to its process here meanwhile."""
    what: dict[str, Any] = {"landed": False, "done": []}

    def landed(*_arguments: Any) -> bool:
        if isinstance(what["landed"], Exception):
            raise what["landed"]
        return bool(what["landed"])

    monkeypatch.setattr(settling, "landed", landed)
    for where, name in ((settling, "hold"), (settling, "kill"), (settling, "let_go"), (live, "kill")):
        monkeypatch.setattr(where, name, lambda _guest, name=name: what["done"].append(name))
    return what


@pytest.fixture(autouse=True)
def forwarders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Forwarder]:
    Forwarder.made = []
    monkeypatch.setattr(packets, "Forwarder", Forwarder)
    monkeypatch.setattr(Pacemaker, "status", lambda _self: SimpleNamespace(resources=()))
    monkeypatch.setattr(watching, "speed", lambda _target: 1000 * MIB)
    monkeypatch.setattr(moves, "_FOLDER", tmp_path)
    return Forwarder.made


def migration(host: Any, disks: Sequence[dict[str, Any]] = (), **policy: Any) -> LiveMigration:
    definition = {"name": "web", "memory": 256 * MIB, "nics": [NIC], "disks": disks, "migration": policy}
    return LiveMigration(definition, "n1", "n2", host, tick=0.005)


def test_the_limit_is_set_before_the_start_and_the_wire_shared() -> None:
    host = Host()
    one = migration(host, auto_converge=False)
    one.run(100)
    bandwidth = 800 * MIB
    how = {
        "bandwidth": bandwidth,
        "auto_converge": False,
        "post_copy": False,
        "channels": 1,
        "disks": (),
        "again": False,
    }
    assert host.calls == ["set_max_downtime 1", f"migrate n2 {how}"]
    assert one.record["result"] == "moved"
    assert one.record["path"] == ["pre-copy"]


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


def test_packets_are_forwarded_from_the_stop_on_and_the_target_gets_the_report(forwarders: list[Forwarder]) -> None:
    one = migration(Host())
    one.run(100)
    [forwarder] = forwarders
    assert [call.split()[0] for call in forwarder.calls] == ["n2", "start", "switch", "stop", "finish"]
    assert "web-aabbcc" in forwarder.calls[0]
    assert "rounds" in forwarder.calls[-1]
    assert one.record["forwarded"] == 3


def test_a_failure_takes_forwarding_back_and_reports_nothing(forwarders: list[Forwarder]) -> None:
    with pytest.raises(MigrationFailed, match="no route"):
        migration(Host(error=HostError("no route"))).run(100)
    [forwarder] = forwarders
    assert [call.split()[0] for call in forwarder.calls] == ["n2", "start", "switch", "resume", "stop", "finish"]
    assert forwarder.calls[-1] == "finish []"


def test_one_that_goes_on_here_is_held_until_the_target_has_nothing_of_it(at_the_target: dict[str, Any]) -> None:
    with pytest.raises(MigrationFailed, match="no route"):
        migration(Host(error=HostError("no route"))).run(100)
    assert at_the_target["done"] == ["hold", "let_go"]


@pytest.mark.parametrize("answer", [True, Unknown("whether it runs on n2 cannot be told")])
def test_one_that_runs_at_the_target_ends_here(at_the_target: dict[str, Any], answer: Any) -> None:
    at_the_target["landed"] = answer
    one = migration(Host(error=HostError("the connection was lost")))
    one.run(100)
    assert at_the_target["done"] == ["hold", "kill"]
    assert one.record["result"] == "moved"
    assert "it arrived, though libvirt could not see to the end of it (the connection was lost)" in one.record["path"]


def test_one_whose_daemon_died_here_is_asked_for_at_the_target_too(
    at_the_target: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(error=LibvirtUnreachable("the daemon is gone"))
    host.resume_heard = host.stop_heard = False
    looks_at_the_new = [Progress(1, MIB, 0), None]
    calls: list[str] = []

    class Daemon:
        """Answers again, and ends what it was doing first."""

        def progress(self, _name: str) -> Progress | None:
            return looks_at_the_new.pop(0)

        def abort(self, _name: str) -> None:
            calls.append("abort")

    monkeypatch.setattr(settling, "LibvirtHost", Daemon)
    at_the_target["landed"] = True
    one = migration(host)
    one.run(100)
    assert (calls, looks_at_the_new) == (["abort"], [])
    assert at_the_target["done"] == ["hold", "kill"]
    assert one.record["result"] == "moved"


def test_a_target_that_cannot_take_packets_takes_the_vm_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(Forwarder):
        def __init__(self, guest: str, taps: list[str], target: str) -> None:
            super().__init__(guest, taps, target)
            self.trouble = "packets not forwarded (n2 cannot be asked)"

    monkeypatch.setattr(packets, "Forwarder", Refused)
    one = migration(Host())
    one.run(100)
    assert one.record["path"] == ["pre-copy", "packets not forwarded (n2 cannot be asked)"]


def looks(count: int) -> list[Progress]:
    """A guest that changes memory faster than the wire."""
    return [Progress(2 + i, 200 * MIB, 900 * MIB, 500 * MIB, memory_sent=(i + 1) * 200 * MIB) for i in range(count)]


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


def test_one_that_stalls_goes_on_as_post_copy_where_allowed() -> None:
    host = Host(*looks(30))
    one = migration(host, post_copy="fallback", timeout=0.05)
    one.run(100)
    assert "start_post_copy" in host.calls
    assert one.record["path"][-1] == "post-copy"


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


def test_where_post_copy_is_not_possible_it_moves_without() -> None:
    class Refusing(Host):
        def migrate(self, _name: str, target: str, **how: Any) -> None:
            if how["post_copy"]:
                self.calls.append("refused")
                raise HostError("'migrate-set-capabilities': Postcopy is not supported: Userfaultfd not available")
            super().migrate(_name, target, **how)

    host = Refusing(*looks(5000))
    one = migration(host, post_copy="fallback", timeout=0.2)
    with pytest.raises(MigrationFailed, match="after 0 s it still had 200 MiB to send"):
        one.run(100)
    assert host.calls.count("refused") == 1
    assert "start_post_copy" not in host.calls
    assert one.record["path"][1].startswith("without post-copy, which n2 does not let it")


class Interrupted(Host):
    """A post-copy that loses its connection so many times."""

    def __init__(self, breaks: int) -> None:
        super().__init__(*looks(30))
        self.breaks = breaks

    def migrate(self, _name: str, target: str, **how: Any) -> None:
        self.resume_heard = False
        self._error = HostError("post-copy failed") if self.breaks else None
        self.breaks -= 1
        super().migrate(_name, target, **how)

    def seen(self, _name: str) -> Seen:
        return Seen(State.FAILED, "post-copy migration failed")


def test_a_post_copy_that_loses_its_connection_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_AGAIN", 0.0)
    monkeypatch.setattr(live, "gone", lambda _guest, _node, _seconds: False)
    host = Interrupted(2)
    one = migration(host, post_copy="fallback", timeout=0.05)
    one.run(100)
    ways = [call.rpartition("again")[2] for call in host.calls if call.startswith("migrate ")]
    assert ways == ["': False}", "': True}", "': True}"]
    assert one.record["result"] == "moved"
    assert one.record["path"][-2:] == ["post-copy", "taken up again (post-copy failed)"]


def test_a_post_copy_whose_target_is_lost_is_over_and_leaves_no_half(
    monkeypatch: pytest.MonkeyPatch, at_the_target: dict[str, Any]
) -> None:
    monkeypatch.setattr(live, "gone", lambda _guest, _node, _seconds: True)
    with pytest.raises(MigrationFailed, match="n2 lost it before all of its memory was there"):
        migration(Interrupted(9), post_copy="fallback", timeout=0.05).run(100)
    assert at_the_target["done"] == ["kill"]


class BrokenOff(Host):
    """A post-copy whose connection breaks before the VM has begun at the target, so that it goes on here."""

    def migrate(self, _name: str, target: str, **how: Any) -> None:
        self.kept = 1
        super().migrate(_name, target, **how)

    def seen(self, _name: str) -> Seen:
        return Seen(State.RUNNING)


def test_a_post_copy_that_breaks_off_at_once_leaves_the_vm_here_free_to_migrate_again() -> None:
    host = BrokenOff(*looks(30), error=HostError("Connection reset by peer"))
    with pytest.raises(MigrationFailed, match="broke off before it had begun there: the connection to n2 was lost"):
        migration(host, post_copy="fallback", timeout=0.05).run(100)
    assert host.calls[-1] == "forget_post_copy"


def test_what_an_earlier_post_copy_left_is_forgotten_first() -> None:
    host = Host()
    host.kept = 1
    migration(host).run(100)
    assert host.calls[0] == "forget_post_copy"


def test_it_is_not_forgotten_while_another_vm_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_post_copy, "_AGAIN", 0.0)
    web, db, mail = (
        {"guest": guest, "kind": kind} for guest, kind in (("web", "vm"), ("db", "vm"), ("mail", "container"))
    )
    looks = [[web, db], [web, db], [web, mail, {**db, "phase": "failed"}]]
    seen: list[int] = []

    def read_all() -> list[dict[str, Any]]:
        seen.append(len(host.calls))
        return looks[min(len(seen), len(looks)) - 1]

    monkeypatch.setattr(moves, "read_all", read_all)
    host = Host()
    host.kept = 1
    migration(host).run(100)
    assert seen[:3] == [0, 0, 0]
    assert host.calls[0] == "forget_post_copy"


def test_it_is_not_forgotten_while_the_cluster_does_something_else_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_post_copy, "_AGAIN", 0.0)
    here = SimpleNamespace(name="db", pending="Stopping", nodes=("n1",))
    elsewhere = SimpleNamespace(name="db", pending="Stopping", nodes=("n2",))
    looks = [[here], [here], [elsewhere]]
    monkeypatch.setattr(Pacemaker, "status", lambda _self: SimpleNamespace(resources=looks.pop(0)))
    host = Host()
    host.kept = 1
    migration(host).run(100)
    assert looks == []
    assert host.calls[0] == "forget_post_copy"


def test_a_post_copy_that_is_not_to_be_taken_up_again_is_not_called_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_AGAIN", 0.01)
    monkeypatch.setattr(live, "gone", lambda _guest, _node, _seconds: False)
    with pytest.raises(
        MigrationFailed, match="its post-copy to n2 was not to be taken up again in time: post-copy fai"
    ):
        migration(Interrupted(99), post_copy="fallback", timeout=0.05).run(0.5)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("internal error: End of file from qemu monitor (vm='web')", "internal error: End of file from qemu monitor"),
        ("Unable to write to monitor: Broken pipe", "Unable to write to monitor"),
        ("unable to connect to server at 'n2:16514': Connection refused", "n2 cannot be reached (unable"),
        ("client socket is closed", "the connection to n2 was lost (client"),
        ("Unable to read from socket: Connection reset by peer", "the connection to n2 was lost (Unable"),
        ("no route", "no route"),
    ],
)
def test_a_failure_says_what_was_lost(said: str, cause: str) -> None:
    with pytest.raises(MigrationFailed, match=f"^{re.escape(cause)}"):
        migration(Host(error=HostError(said))).run(100)


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


DISK = {"target": "vda", "source": {"type": "file", "path": "/pool/vms/web/vda.qcow2", "shared": False}}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a VM with local disks has said to the target and to the cluster."""
    said: list[str] = []

    class Mirror:
        targets = ("vda",)

        def __init__(self, _definition: Any, node: str, sizes: dict[str, int]) -> None:
            said.append(f"mirror on {node} {sizes}")

        def keep(self) -> None:
            said.append("keep")

        def drop(self) -> None:
            said.append("drop")

    class Cluster:
        def status(self) -> SimpleNamespace:
            return SimpleNamespace(resources=())

        def hand_over(self, guest: str, source: str, target: str) -> None:
            said.append(f"{guest} from {source} to {target}")

    monkeypatch.setattr(disk_hand_over, "Mirror", Mirror)
    monkeypatch.setattr(disk_hand_over, "Pacemaker", Cluster)
    monkeypatch.setattr(failed_post_copy, "Pacemaker", Cluster)
    return said


def test_local_disks_are_taken_along_and_handed_over_when_the_vm_stops(told: list[str]) -> None:
    host: Any = Host()
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    one = migration(host, disks=[DISK], channels=2)
    one.run(100)
    assert told == [f"mirror on n2 {{'vda': {MIB}}}", "web from n1 to n2", "keep"]
    assert "'disks': ('vda',)" in host.calls[-1]
    assert f"'bandwidth': {800 * MIB}," in host.calls[-1] and "'channels': 1," in host.calls[-1]
    assert one.record["path"] == ["disks", "pre-copy"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(True, ["web from n1 to n2", "keep"], id="it arrived"),
        # Half a disk is no data.
        pytest.param(Unknown("whether it runs on n2 cannot be told"), ["keep"], id="nobody knows"),
    ],
)
def test_disks_of_which_nobody_heard_that_the_vm_stopped_are_handed_over_when_it_arrived(
    told: list[str], at_the_target: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: Any, said: list[str]
) -> None:
    host: Any = Host(error=LibvirtUnreachable("the daemon is gone"))
    host.resume_heard = host.stop_heard = False
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    monkeypatch.setattr(settling, "LibvirtHost", lambda: SimpleNamespace(progress=lambda _name: None))
    at_the_target["landed"] = answer
    migration(host, disks=[DISK]).run(100)
    assert at_the_target["done"] == ["hold", "kill"]
    assert told[1:] == said


def test_disks_that_were_handed_over_in_vain_are_taken_back(told: list[str]) -> None:
    host: Any = Host(error=HostError("no route"))
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    with pytest.raises(MigrationFailed, match="no route"):
        migration(host, disks=[DISK]).run(100)
    assert told[1:] == ["web from n1 to n2", "web from n2 to n1", "drop"]


def test_a_target_without_room_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> None:
        raise PeerError("no room for its disks")

    monkeypatch.setattr(disk_hand_over, "Mirror", full)
    host: Any = Host()
    host.disk_sizes = lambda _name, targets: dict.fromkeys(targets, MIB)
    one = migration(host, disks=[DISK])
    with pytest.raises(MigrationFailed, match="n2: no room for its disks"):
        one.run(100)
    assert host.calls == []
    assert one.record["result"] == "failed"
    # Until it is on record.
    assert [(move["guest"], move["phase"]) for move in moves.read_all()] == [("web", "failed")]


def test_a_disk_that_the_vm_does_not_have_yet_is_not_left_behind(told: list[str]) -> None:
    host: Any = Host()
    host.disk_sizes = lambda _name, _targets: {}
    with pytest.raises(MigrationFailed, match="its disk vda on local storage was declared while it ran"):
        migration(host, disks=[DISK]).run(100)
    assert (host.calls, told) == ([], [])


def test_a_vm_without_interfaces_reports_to_the_target_all_the_same(forwarders: list[Forwarder]) -> None:
    definition = {"name": "web", "memory": 256 * MIB, "nics": [], "disks": [], "migration": {}}
    host: Any = Host()
    LiveMigration(definition, "n1", "n2", host, tick=0.005).run(100)
    [forwarder] = forwarders
    assert forwarder.calls[0] == "n2 []"
    assert "policy" in forwarder.calls[-1]


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
