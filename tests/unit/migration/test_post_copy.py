# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A migration that goes on as post-copy, and post-copies that break off, are taken up again or are lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.plugins.module_utils.migration import failed_post_copy, live
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.plugins.module_utils.migration.record import MigrationFailed
from ansible_collections.cspp.drover.tests.unit.migration.live_host import Host, looks, migration

pytestmark = pytest.mark.usefixtures("at_the_target", "forwarders")


def test_one_that_stalls_goes_on_as_post_copy_where_allowed() -> None:
    host = Host(*looks(30))
    one = migration(host, post_copy="fallback", timeout=0.05)
    one.run(100)
    assert "start_post_copy" in host.calls
    assert one.record["path"][-1] == "post-copy"


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
        migration(Interrupted(10**6), post_copy="fallback", timeout=0.05).run(1.5)
