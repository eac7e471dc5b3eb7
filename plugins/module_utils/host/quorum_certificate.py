# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of a quorum device: its own authority, and by it a certificate for each node of a cluster.

The daemons of both sides keep theirs in databases of NSS, which the tools that come with them make
(corosync-qnetd-certutil, corosync-qdevice-net-certutil). A node's key is made on the node and never leaves it; what
goes to the device and back is a request and a certificate, whose name is the cluster's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from ..core.atomic import write
from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError
from ..core.lock import LOCKS, locked

__all__ = ["NODE", "SERVER", "NodeSide", "QuorumCertificateError", "ServerSide"]

SERVER, NODE = Path("/etc/corosync/qnetd"), Path("/etc/corosync/qdevice/net")
#: Who runs the device, and has to read its database.
_GROUP = "coroqnetd"
#: Seconds for another that has a certificate signed.
_PATIENCE = 60.0


class QuorumCertificateError(DroverError):
    """A certificate cannot be made. The text says why."""


class ServerSide:
    """The authority of the quorum device, on its host. Every method raises CommandError, OSError."""

    def __init__(self, runner: Runner = run, place: Path = SERVER) -> None:
        self._run, self._database = runner, place / "nssdb"

    @property
    def there(self) -> bool:
        """Whether there is an authority."""
        return (self._database / "cert9.db").exists() and (self._database / "qnetd-cacert.crt").exists()

    def make(self) -> None:
        """Make the authority and the daemon's own certificate. Half of one, of an interrupted run, goes first."""
        if self._database.exists():
            shutil.rmtree(self._database)
        self._run(["corosync-qnetd-certutil", "-i", "-G"])
        # As Debian's package has it, whose folder is root's.
        for path in (self._database, self._database / "cert9.db", self._database / "key4.db"):
            with suppress(LookupError):
                shutil.chown(path, group=_GROUP)

    def authority(self) -> str:
        """The authority's certificate as text, PEM alone."""
        whole = (self._database / "qnetd-cacert.crt").read_text(encoding="ascii", errors="replace")
        begin = whole.find("-----BEGIN CERTIFICATE-----")
        if begin < 0:
            raise QuorumCertificateError(
                f"{self._database}/qnetd-cacert.crt has no certificate in it",
                remedy=f"Remove {self._database} on this host, and run site.yml again: all nodes get new certificates.",
            )
        return whole[begin:].strip() + "\n"

    def sign(self, request: str, cluster: str, lock: Path = LOCKS / "qnetd") -> str:
        """A certificate for a node's request, both in base64."""
        with locked(lock, _PATIENCE, what="the end of another signature of this authority"):
            with tempfile.TemporaryDirectory(prefix="drover-qnetd-") as folder:
                file = Path(folder, "node.crq")
                file.write_bytes(base64.b64decode(request))
                self._run(["corosync-qnetd-certutil", "-s", "-c", str(file), "-n", cluster])
            signed = self._database / f"cluster-{cluster}.crt"
            found = signed.read_bytes()
            signed.unlink()
        return base64.b64encode(found).decode()


class NodeSide:
    """A node's key and certificate for the quorum device. Every method raises CommandError, OSError."""

    def __init__(self, runner: Runner = run, place: Path = NODE) -> None:
        self._run, self._place, self._database = runner, place, place / "nssdb"
        self._record = place / "drover.json"

    def has(self, authority: str, cluster: str) -> bool:
        """Whether the node has a whole certificate by this authority for this cluster."""
        try:
            known = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(known == _record(authority, cluster)) and (self._database / "cert9.db").exists()

    def request(self, authority: str, cluster: str) -> str:
        """Make a new key, and a request for its certificate, in base64. What there was before goes."""
        self.forget()
        self._place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="drover-qdevice-") as folder:
            file = Path(folder, "authority.crt")
            file.write_text(authority, encoding="ascii")
            self._run(["corosync-qdevice-net-certutil", "-i", "-c", str(file)])
        self._run(["corosync-qdevice-net-certutil", "-r", "-n", cluster])
        return base64.b64encode((self._database / "qdevice-net-node.crq").read_bytes()).decode()

    def take(self, certificate: str, authority: str, cluster: str) -> None:
        """Take the certificate that was signed for the request."""
        file = self._database / "cluster.crt"
        file.write_bytes(base64.b64decode(certificate))
        try:
            self._run(["corosync-qdevice-net-certutil", "-M", "-c", str(file)])
        except CommandError as error:
            raise QuorumCertificateError(
                f"the certificate for the quorum device could not be taken: {error}",
                remedy="Run site.yml again, which begins with a new key.",
            ) from error
        finally:
            # The tool leaves the key there as well, for nodes that are to share it. These do not.
            for left in (file, self._database / "qdevice-net-node.p12", self._database / "qdevice-net-node.crq"):
                left.unlink(missing_ok=True)
        write(self._record, json.dumps(_record(authority, cluster), sort_keys=True))

    @property
    def there(self) -> bool:
        """Whether the node has anything of it."""
        return self._record.exists() or self._database.exists()

    def forget(self) -> None:
        """Remove the key and the certificate."""
        self._record.unlink(missing_ok=True)
        if self._database.exists():
            shutil.rmtree(self._database)


def _record(authority: str, cluster: str) -> dict[str, str]:
    return {"authority": hashlib.sha256(authority.encode()).hexdigest(), "cluster": cluster}
