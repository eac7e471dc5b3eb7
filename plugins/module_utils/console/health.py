# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells Pacemaker whether this node's console answers, so that the console's address goes to a node where it does.

It asks as a browser would, over TLS and through the steward, and sets a transient attribute of the node: one that is
gone with the node, and that the rule of the address wants.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import ssl
import time
from collections.abc import Callable, Sequence

from ..cluster.console_address import ATTRIBUTE, HEALTHY
from ..core.command import CommandError, Runner, run

__all__ = ["Health", "answers", "main"]

#: Seconds between two looks, for an answer, without one before the console counts as ill: a restart takes some.
_EVERY, _PATIENCE, _ILL_AFTER = 1.0, 2.0, 5.0
#: Seconds after which the attribute is told again, for Pacemaker forgets it when it restarts.
_AGAIN = 15.0


def answers(port: int) -> bool:
    """Whether the console of this node answers, and its steward."""
    # It is this node's own: there is nobody to be mistaken for.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("localhost", port, timeout=_PATIENCE, context=context)
    try:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Health:
    """What Pacemaker was told last, and since when the console has been silent."""

    def __init__(self, run: Runner = run, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._clock = run, clock
        self._seen = float("-inf")
        self._told: bool | None = None
        self._told_at = float("-inf")

    def saw(self, answered: bool) -> None:
        """Note a look at the console, and tell Pacemaker what it has to know."""
        now = self._clock()
        if answered:
            self._seen = now
        healthy = now - self._seen < _ILL_AFTER
        if healthy != self._told or now - self._told_at >= _AGAIN:
            self.tell(healthy)

    def tell(self, healthy: bool) -> None:
        argv = ["attrd_updater", "--name", ATTRIBUTE, *(["--update", HEALTHY] if healthy else ["--delete"])]
        try:
            self._run(argv, timeout=5)
        except CommandError:
            # Pacemaker does not run: it is told when it does.
            self._told = None
            return
        self._told, self._told_at = healthy, self._clock()


def main(argv: Sequence[str] | None = None) -> int:
    """Look until the service is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    port = parser.parse_args(argv).port
    health = Health()

    def stop(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        while True:
            health.saw(answers(port))
            time.sleep(_EVERY)
    finally:
        health.tell(False)
