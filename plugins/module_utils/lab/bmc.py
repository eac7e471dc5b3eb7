# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab node's power controller: a BMC that speaks IPMI 2.0 over LAN and really has its node's power.

A daemon, started as ``python -m module_utils.lab.bmc NODE_DIRECTORY``; its settings and the node's
hardware are described there, in ``bmc.json`` and ``chassis.json``, and in ``bmc.behaviour`` how it takes orders. When
it is killed, the node lives on, and the next BMC takes it over.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyghmi.ipmi.bmc import Bmc
from pyghmi.ipmi.private import session as ipmi_session

from ..core.errors import DroverError
from .chassis import REBOOT, Behaviour, BmcSettings, Chassis

__all__ = ["NodeBmc", "main"]

log = logging.getLogger("bmc")
COMPLETED = 0x00
#: IPMI 2.0 table 5-2: "Command response could not be provided".
FAILED = 0xCE
#: Seconds from an order to a slow BMC until it is carried out.
SLOWNESS = 2.0
#: Seconds between two looks at the node.
_IDLE = 0.5


class NodeBmc(Bmc):  # type: ignore[misc]
    """The IPMI commands that matter to a node's owner and to ``fence_ipmilan``."""

    def __init__(self, chassis: Chassis, settings: BmcSettings) -> None:
        self.chassis = chassis
        self.running: subprocess.Popen[bytes] | None = None
        self.ahead: list[tuple[float, str, tuple[Callable[[], None], ...]]] = []
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

    @property
    def behaviour(self) -> Behaviour:
        return Behaviour.load(Path(self.chassis.directory))

    def process_pktqueue(self) -> None:
        """Take what came over the wire. What came to a silent BMC is gone for good."""
        if self.behaviour is Behaviour.SILENT:
            self.pktqueue.clear()
        else:
            super().process_pktqueue()

    def handle_raw_request(self, request: Any, session: Any) -> None:
        if self.behaviour is not Behaviour.SILENT:
            super().handle_raw_request(request, session)

    def power_on(self) -> int:
        return self._obey("power on", self._start)

    def power_off(self) -> int:
        return self._obey("power off", self._cut)

    def power_reset(self) -> int:
        return self._obey("power reset", self._cut, self._start)

    def power_cycle(self) -> int:
        return self._obey("power cycle", self._cut, self._start)

    def power_shutdown(self) -> int:
        return self._obey("soft shutdown", self.chassis.press_power_button)

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

    def do_what_is_due(self) -> float:
        """Carry out what was accepted before and is due; returns the seconds until the next."""
        while self.ahead and self.ahead[0][0] <= time.monotonic():
            _due, what, actions = self.ahead.pop(0)
            self._carry_out(what, *actions)
        return max(0.0, self.ahead[0][0] - time.monotonic()) if self.ahead else _IDLE

    def _obey(self, what: str, *actions: Callable[[], None]) -> int:
        """Take an order, as it is this BMC's way."""
        behaviour = self.behaviour
        if behaviour is Behaviour.PROMPT:
            return self._carry_out(what, *actions)
        log.info("%s accepted (%s)", what, behaviour)
        if behaviour is Behaviour.SLOW:
            self.ahead.append((time.monotonic() + SLOWNESS, what, actions))
        return COMPLETED

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
        ipmi_session.Session.wait_for_rsp(min(bmc.do_what_is_due(), _IDLE))
        bmc.look_after_node()


if __name__ == "__main__":
    main()
