# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab node's power controller: a BMC that speaks IPMI 2.0 over LAN and really has its node's power.

A daemon, started as ``python -m module_utils.lab.bmc NODE_DIRECTORY``; its settings and the node's
hardware are described there, in ``bmc.json`` and ``chassis.json``. When it is
killed, the node lives on, and the next BMC takes it over.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

from pyghmi.ipmi.bmc import Bmc
from pyghmi.ipmi.private import session as ipmi_session

from ..core.errors import DroverError
from .chassis import REBOOT, BmcSettings, Chassis

__all__ = ["NodeBmc", "main"]

log = logging.getLogger("bmc")
COMPLETED = 0x00
#: IPMI 2.0 table 5-2: "Command response could not be provided".
FAILED = 0xCE


class NodeBmc(Bmc):  # type: ignore[misc]
    """The IPMI commands that matter to a node's owner and to ``fence_ipmilan``."""

    def __init__(self, chassis: Chassis, settings: BmcSettings) -> None:
        self.chassis = chassis
        self.running: subprocess.Popen[bytes] | None = None
        # pyghmi wakes its reading thread by a datagram to itself, by default to an IPv6 address.
        ipmi_session.myself = settings.address
        super().__init__(
            {settings.user: settings.password},
            port=settings.port,
            bmcuuid=uuid.UUID(chassis.uuid),
            address=settings.address,
        )

    def get_power_state(self) -> str:
        return "on" if self.chassis.is_on() else "off"

    def power_on(self) -> int:
        return self._carry_out("power on", self._start)

    def power_off(self) -> int:
        return self._carry_out("power off", self._cut)

    def power_reset(self) -> int:
        return self._carry_out("power reset", self._cut, self._start)

    def power_cycle(self) -> int:
        return self._carry_out("power cycle", self._cut, self._start)

    def power_shutdown(self) -> int:
        return self._carry_out("soft shutdown", self.chassis.press_power_button)

    def get_system_guid(self) -> uuid.UUID:
        return self.uuid  # type: ignore[no-any-return]

    def cold_reset(self) -> int:
        return COMPLETED

    def look_after_node(self) -> None:
        """Notice that the node went down by itself; start it again when it asked for a reboot."""
        if self.running is not None and self.running.poll() is not None:
            self.running = None
        status = self.chassis.take_exit_status()
        if status is not None:
            log.info("node went down (systemd-nspawn exited with %d)", status)
        if status == REBOOT:
            self._carry_out("reboot", self._start)

    def _carry_out(self, what: str, *actions: Callable[[], None]) -> int:
        log.info("%s", what)
        try:
            for action in actions:
                action()
        except (DroverError, OSError) as error:
            log.error("%s failed: %s", what, error)
            return FAILED
        return COMPLETED

    def _start(self) -> None:
        if not self.chassis.is_on():
            self.running = self.chassis.boot()

    def _cut(self) -> None:
        self.chassis.cut_power()
        if self.running is not None:
            self.running.wait(timeout=5)
        self.chassis.take_exit_status()


def main() -> None:
    directory = Path(sys.argv[1])
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    bmc = NodeBmc(Chassis.load(directory), BmcSettings.load(directory))
    log.info("listening")
    while True:
        ipmi_session.Session.wait_for_rsp(0.5)
        bmc.look_after_node()


if __name__ == "__main__":
    main()
