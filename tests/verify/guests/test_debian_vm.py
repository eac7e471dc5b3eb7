# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole Debian as a VM: built from packages, booted from its own disk, let in by key, and gone without a trace."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.clients import answers

from ..lab import Lab, address
from ..network.hostile import prove, vm
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")

ANOTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl nobody@nowhere"
DNS = "192.0.2.53"
#: Seconds until a Debian answers whose processor is emulated, beside all else on two cores.
BOOT = 420


@pytest.fixture
def _undone(lab: Lab, declared: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Nothing of this test is in the way of the next, however it ended."""
    yield
    left = {"whole", "small"} & set(lab.configuration().guests())
    if left:
        succeed("guests", guests={**declared, **{name: {"state": "absent", "remove_disks": True} for name in left}})


@pytest.mark.usefixtures("_undone")
def test_a_debian_vm_boots_grows_and_lets_its_owner_in(lab: Lab, declared: dict[str, dict[str, Any]]) -> None:
    network, _, _last = address(declared["game"]).rpartition(".")
    whole = {
        "kind": "vm",
        "memory": "512MiB",
        "disks": [{"size": "4GiB", "image": "debian-13"}],
        # As hosters give addresses: gateways outside of them, and no way to this test but through them.
        "nics": [
            {
                "bridge": "br0",
                "addresses": [f"{network}.153/32", "fd00:153::153/64"],
                "gateways": [f"{network}.1", "fe80::1"],
            }
        ],
    }
    small = {
        "kind": "container",
        "memory": "128MiB",
        "rootfs": {"image": "debian-13"},
        "nics": [{"bridge": "br0", "address": f"{network}.154/32", "gateway": f"{network}.1"}],
    }
    succeed("guests", guests={**declared, "whole": whole, "small": small})
    wait_for(
        lambda: answers(address(small), 22, timeout=2, greeting=True),
        bool,
        what="the container's SSH server, by a gateway outside of its network",
        timeout=60,
        interval=1,
    )
    wait_for(
        lambda: answers(address(whole), 22, timeout=2, greeting=True),
        bool,
        what="the VM's SSH server",
        timeout=BOOT,
        interval=1,
    )

    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=20"]
    flags = [word for option in (*options, f"IdentityFile={lab.description['ssh_key']}") for word in ("-o", option)]
    shell = ["ssh", "-F", "none", "-q", *flags, f"root@{address(whole)}"]

    def inside(command: str) -> str:
        return run([*shell, command], timeout=60).stdout.strip()

    def prepared() -> str:
        try:
            return inside("cloud-init status --wait > /dev/null; hostname")
        except CommandError:  # cloud-init may still be about to write the key
            return ""

    assert wait_for(prepared, bool, what="an owner being let in", timeout=180, interval=2) == "whole"
    assert f"via {network}.1" in inside("ip -4 route show default")
    assert "via fe80::1" in inside("ip -6 route show default")
    assert int(inside("df --output=size -B1M / | tail -1")) > 3500, "the root file system did not grow to the disk"
    assert inside("systemctl is-system-running --wait") == "running", inside("systemctl --failed")

    # Its root is nobody's friend, either, and takes the straight way to the nodes, which are on its wire.
    inside(f"ip route add {network}.0/24 dev eth0")
    prove(lab, vm(lab, "whole", address(whole), shell), "web", address(declared["web"]))

    # A kernel that panics hangs for ever, by itself. Noticed, it is restarted, and reads what was declared meanwhile.
    first = inside("cat /proc/sys/kernel/random/boot_id")
    said = succeed(
        "guests", guests={**declared, "small": small, "whole": {**whole, "ssh_keys": [ANOTHER], "nameservers": [DNS]}}
    )
    assert said.told.count("(waits for a restart)") == 2, said.output
    assert inside("cat /proc/sys/kernel/panic") == "0"
    with suppress(CommandError):
        inside("echo c > /proc/sysrq-trigger")

    def anew() -> str:
        try:
            return inside("cloud-init status --wait > /dev/null; cat /proc/sys/kernel/random/boot_id")
        except CommandError:
            return first

    wait_for(anew, lambda seen: seen != first, what="the VM's next boot", timeout=BOOT, interval=2)
    assert ANOTHER in inside("cat /root/.ssh/authorized_keys").splitlines()
    assert DNS in inside("resolvectl dns")

    gone = {"state": "absent", "remove_disks": True}
    succeed("guests", guests={**declared, "whole": {**whole, **gone}, "small": {**small, **gone}})
    assert lab.instances("whole") == {"whole": 0}
    assert "whole" not in lab.configuration().guests()
    left = lab.ssh("node1")(["sh", "-c", shlex.join(["ls", "/srv/drover/shared/vms"])]).stdout.split()
    assert "whole" not in left
