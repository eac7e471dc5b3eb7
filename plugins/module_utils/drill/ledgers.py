# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ledgers of containers: put into one that runs systemd for the time of a drill, and taken out again.

The image ``tiny`` of VMs has one; whoever wants one in a guest of his own serves the same program at the same port.
"""

from __future__ import annotations

from ..core.command import Runner
from .clients import LEDGER_PORT

__all__ = ["put", "take_out"]

_ATTACH = ("lxc-attach", "--lxcpath=/run/drover/lxc", "--clear-env")
_PROGRAM, _PLACE = "/usr/local/lib/drover-ledger", "/var/lib/drover-ledger"
_PUT = f"""
set -e
cat > {_PROGRAM}
chmod 755 {_PROGRAM}
mkdir -p {_PLACE}
printf '%s\\n' '[Socket]' 'ListenStream={LEDGER_PORT}' 'Accept=yes' '[Install]' 'WantedBy=sockets.target' \\
    > /etc/systemd/system/drover-ledger.socket
printf '%s\\n' '[Service]' 'ExecStart={_PROGRAM} {_PLACE}/records' 'StandardInput=socket' \\
    > /etc/systemd/system/drover-ledger@.service
systemctl daemon-reload
systemctl enable --quiet --now drover-ledger.socket
sync
"""
_TAKE_OUT = f"""
systemctl disable --quiet --now drover-ledger.socket
systemctl stop 'drover-ledger@*'
rm -rf {_PROGRAM} {_PLACE} /etc/systemd/system/drover-ledger.socket /etc/systemd/system/drover-ledger@.service
systemctl daemon-reload
systemctl reset-failed
"""


def put(runner: Runner, container: str, program: str) -> None:
    """Have a container on this runner's node keep a ledger by this program. Raises CommandError."""
    runner([*_ATTACH, f"--name={container}", "--", "sh", "-c", _PUT], stdin=program, timeout=60)


def take_out(runner: Runner, container: str) -> None:
    """Take it out, and what it kept. Raises CommandError."""
    runner([*_ATTACH, f"--name={container}", "--", "sh", "-c", _TAKE_OUT], ok=None, timeout=60)
