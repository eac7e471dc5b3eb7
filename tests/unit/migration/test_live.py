# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A migration from its source's side, with a libvirt that does as it is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import (
    HostError,
    LibvirtUnreachable,
)
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Progress
from ansible_collections.cspp.drover.plugins.module_utils.migration import settling
from ansible_collections.cspp.drover.plugins.module_utils.migration.record import MigrationFailed
from ansible_collections.cspp.drover.plugins.module_utils.migration.switchover import Unknown
from ansible_collections.cspp.drover.tests.unit.migration.live_host import MIB, Host, migration

pytestmark = pytest.mark.usefixtures("at_the_target", "forwarders")


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
