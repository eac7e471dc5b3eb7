# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copying a container's root file system to another node while it runs, so that little is left to do when it stops.

The first pass is rsync's own, over everything. For each later one both ends list their trees, and rsync is told
what to look at: what is listed differently, and whatever has changed since the last pass began to read, even when
it looks the same (its size and time can be; its change time cannot). The other end's list is fetched beforehand,
and rsync started, so that the last difference costs one look through the tree here, and what has changed. A tree
with more files than are kept in memory has rsync look through all of it each time.

rsync keeps numeric owners, permissions, ACLs, extended attributes and with them capabilities, hard links, holes,
device nodes and times to the nanosecond. It writes changed files beside their place, not in it: in a tree with
hard links, in place would write through a link that is no longer there on this side.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ..core.command import CommandError, Complaints, run
from ..core.errors import DroverError
from ..core.installed import program
from ..core.quantities import KIB, MIB, format_size
from ..peer.channel import Peer, PeerError, Refusal
from .apart import Apart
from .rootfs_receiver import Folder, occupied
from .tree import Listing, TreeError, differences, walk

__all__ = ["Copy", "CopyError", "Pass", "settled"]

_KEEPING = [
    "--links",
    "--perms",
    "--times",
    "--group",
    "--owner",
    "-D",
    "--hard-links",
    "--acls",
    "--xattrs",
    "--sparse",
]
_KEEPING += ["--numeric-ids", "--modify-window=-1"]
_ALL = ["--recursive", "--delete", "--partial"]
_LISTED = ["--dirs", "--ignore-times", "--force", "--delete-missing-args", "--from0", "--files-from=-"]
#: Seconds by which a look goes further back than it has to: change times are as coarse as the kernel's tick.
_OVERLAP = 1.0
#: Seconds between two looks at how far rsync is.
_TICK = 0.5
#: Room that has to remain on the other node.
_MARGIN = 64 * MIB
#: Exit statuses of rsync for files that vanished while it read them, and for files that it could not read or write.
_VANISHED, _INCOMPLETE = 24, 23
#: Complaints about what no later pass can cure. All others a container can bring about, by changing its files while
#: they are read: removed, cut short, in turn a folder and a symbolic link.
_FATAL = re.compile(
    r"rsync: \[\w+\] .*[: ]"
    r"(Input/output error \(5\)|No space left on device \(28\)|Read-only file system \(30\)"
    r"|Disk quota exceeded \(122\))$"
)
_SUMMARY = "rsync error: some files/attrs were not transferred"
#: A moment that no file has changed after, by its change time.
_NEVER = 9e9
#: Bytes of a block of the other node's list.
_LONGEST_BLOCK = 1 << 20


class CopyError(DroverError):
    """The copy cannot be made or went wrong; the text says why. ``transport`` when only the connection did."""

    def __init__(self, reason: str, transport: bool = False) -> None:
        super().__init__(reason)
        self.transport = transport


@dataclass(frozen=True)
class Pass:
    """One pass over the tree: how long it took, and the bytes that went over the wire."""

    seconds: float
    bytes: int


def settled(passes: Sequence[Pass], most: int = 8) -> bool:
    """Whether another pass would not get the rest any smaller: what is left then is what changes all the time."""
    if len(passes) < 2:
        return False
    before, last = passes[-2].seconds, passes[-1].seconds
    return len(passes) >= most or last < 1 or last > 0.7 * before


class Copy:
    """One container's copy to one node.

    ``bandwidth`` in bytes a second, 0 for what the wire has. ``watch`` is told the bytes that a pass has sent so far,
    and the bytes a second.
    """

    def __init__(
        self,
        guest: str,
        root: Path,
        node: str,
        *,
        bandwidth: int,
        watch: Callable[[int, float], None] = lambda _bytes, _rate: None,
    ) -> None:
        self.guest, self.root, self.node = guest, root, node
        # Of what is left when the container has stopped, nothing is held back.
        self._limit = f"--bwlimit={-(-bandwidth // KIB)}"  # 0: what the wire has
        self.watch = watch
        self.passes: list[Pass] = []
        self.size = 0
        self._sent = 0
        self._since = 0.0
        self._clock = 0.0
        self._held = False
        self._peer = self._begin()

    def _begin(self) -> Peer:
        request = {"do": "receive", "guest": self.guest, "path": str(self.root)}
        try:
            request["mark"] = Folder(self.root).identity()
            peer = Peer.connect(self.node, request, 30.0)
            answer = peer.receive()
            room, self._held = int(answer["free"]), bool(answer["held"])
            if not answer.get("entries"):
                raise PeerError("its Drover is of another version; run site.yml")
            # A disk may take its time to write what has come.
            peer.stream.settimeout(3600.0)
        except (PeerError, OSError) as error:
            raise CopyError(f"{self.node}: {error}") from error
        try:
            self.size = self.size or occupied(self.root)
        except CommandError as error:
            raise CopyError(str(error)) from error
        if self.size + _MARGIN > room:
            raise CopyError(
                f"{self.node} has no room for it: {format_size(self.size // MIB * MIB)} are to be copied to "
                f"{self.root.parents[2]}, and {format_size(room // MIB * MIB)} are free there"
            )
        return peer

    def __enter__(self) -> Copy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._peer.close()

    def everything(self) -> None:
        """The first pass."""
        # What an earlier try has left there may look like what is here, and not be the same.
        content = ["--checksum"] if self._held else []
        with self._begun():
            with self._pass(), Apart(self.root) as apart:
                with self._found():
                    for _name in differences(walk(self.root), None, _NEVER, lambda key, _: apart.keeps(key, True)):
                        pass
                with self._rsync([*_ALL, *apart.options(), *content, self._limit]) as rsync:
                    self._sent += rsync.wait()
                self._parcels(apart)
            self._say("sync")

    def difference(self) -> None:
        """A later pass, while the container still runs."""
        since = self._read_since()
        with self._begun():
            # Pages that a program has mapped count as changed only once: from now on, when it writes them anew.
            try:
                run(["sync", "--file-system", str(self.root)], timeout=3600)
            except CommandError as error:
                raise CopyError(str(error)) from error
            theirs = self._theirs()
            with self._rsync([*_LISTED, self._limit]) as rsync, self._pass():
                self._look(rsync, theirs, since, self._limit)
            self._say("sync")

    @contextmanager
    def last_difference(self) -> Iterator[Callable[[], None]]:
        """Get ready for the last pass; the call inside makes it, when the container has stopped."""
        theirs = self._theirs()
        with self._rsync(_LISTED, stopped=True) as rsync:

            def make() -> None:
                with self._pass():
                    self._look(rsync, theirs, self._read_since(), stopped=True)

            yield make

    def arrived(self, move: Mapping[str, Any]) -> None:
        """Tell the other node that its copy is whole; when this returns, it is on its disk."""
        self._say("arrived", move=move)

    def drop(self) -> None:
        """Tell the other node that nothing comes of it."""
        self._say("drop")

    def again(self) -> None:
        """Connect anew after the connection was lost. What the other node has got by then stays."""
        self._peer.close()
        self._peer = self._begin()

    @contextmanager
    def _begun(self) -> Iterator[None]:
        """A pass: what changes from now on is the next one's, provided that this one comes to its end."""
        now = time.time()
        clock = now - time.monotonic()
        yield
        self._since, self._clock = now, clock

    def _read_since(self) -> float:
        """When the last whole pass began to read, by this node's clock, which may have been set back meanwhile."""
        step = (time.time() - time.monotonic()) - self._clock
        return self._since + min(0.0, step) - _OVERLAP

    def _say(self, then: str, **more: Any) -> dict[str, Any]:
        with self._talking():
            self._peer.send({"then": then, **more})
            return self._peer.receive()

    def _theirs(self) -> Listing | None:
        """What the other node has got; None when that is more than can be kept here."""
        with self._talking():
            self._peer.send({"then": "entries"})
            theirs = Listing(iter(lambda: self._peer.receive_block(_LONGEST_BLOCK), b""))
            self._peer.receive()
        return theirs if theirs.whole else None

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except PeerError as error:
            raise CopyError(f"{self.node}: {error}", transport=not isinstance(error, Refusal)) from error

    def _look(self, rsync: _Rsync, theirs: Listing | None, since: float, *options: str, stopped: bool = False) -> None:
        """Have rsync look at what differs, and wait for it."""
        with Apart(self.root) as apart:
            with self._found(), closing(walk(self.root)) as here:
                rsync.tell(differences(here, theirs, since, apart.keeps))
            self._sent += rsync.wait()
            if theirs is None:
                with self._rsync([*_ALL, *apart.options(), *options], stopped) as everything:
                    self._sent += everything.wait()
            self._parcels(apart, stopped=stopped)

    def _parcels(self, apart: Apart, stopped: bool = False) -> None:
        """Send what rsync is not told of. While the container runs it may change meanwhile: then the next pass does."""
        if not apart.any(deep=stopped):
            return

        def watch(size: int) -> None:
            self._sent += size
            self.watch(self._sent, 0.0)

        with self._talking():
            try:
                self._peer.send({"then": "parcels"})
                apart.send(self._peer, deep=stopped, watch=watch)
            except OSError as error:
                # In the middle of an entry: the other end hears nothing else any more.
                raise CopyError(f"what rsync cannot carry: {error}", transport=not stopped) from error
            self._peer.receive()

    @contextmanager
    def _found(self) -> Iterator[None]:
        try:
            yield
        except (TreeError, OSError) as error:
            raise CopyError(str(error)) from error

    @contextmanager
    def _pass(self) -> Iterator[None]:
        began, self._sent = time.monotonic(), 0
        yield
        self.passes.append(Pass(time.monotonic() - began, self._sent))

    @contextmanager
    def _rsync(self, options: Sequence[str], stopped: bool = False) -> Iterator[_Rsync]:
        argv = ["rsync", "-e", f"{program('copy')} {self.guest} {self.root}", *_KEEPING, *options]
        argv += [f"{self.root}/", f"{self.node}:."]
        with _Rsync(argv, self.node, lambda sent, rate: self.watch(self._sent + sent, rate), stopped) as rsync:
            yield rsync


class _Rsync:
    """rsync's sending end, which ends with this. ``watch`` is told the bytes that it has sent, and those a second.

    What it cannot read or write of a container that changes its files meanwhile is left to the next pass. None follows
    once the container is ``stopped``, and then it is a fault.
    """

    def __init__(
        self, argv: Sequence[str], node: str, watch: Callable[[int, float], None], stopped: bool = False
    ) -> None:
        self._node, self._watch, self._stopped = node, watch, stopped
        try:
            # An agent that is killed takes its rsync along. Not by a function between fork and exec: other threads may
            # have held any lock in that moment, and it would wait for that for ever.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            raise CopyError(f"rsync cannot be started: {error}") from error
        self._complaints = Complaints(self._process, lambda line: not stopped and not _is_serious(line))

    def __enter__(self) -> _Rsync:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with suppress(BrokenPipeError), self._process:  # what it was not told any more
            pass

    def tell(self, names: Iterable[bytes]) -> None:
        """Tell it what to look at. It begins with the first."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # its exit status tells why
            for name in names:
                self._process.stdin.write(name)
            self._process.stdin.close()

    def wait(self) -> int:
        """Until it has ended; the bytes that it sent. Raises CopyError with its last words when it failed."""
        sent = before = 0
        # To wait for a process with a timeout would be to look at it ever more seldom.
        ended = os.pidfd_open(self._process.pid)
        try:
            while not select.select([ended], [], [], _TICK)[0]:
                sent = _sent(self._process.pid)
                self._watch(sent, (sent - before) / _TICK)
                before = sent
            sent = _sent(self._process.pid) or sent
            self._process.wait()
        finally:
            os.close(ended)
        status, lines = self._process.returncode, self._complaints.lines()
        curable = bool(lines) and all(line.startswith(_SUMMARY) for line in lines)
        left = not self._stopped and (status == _VANISHED or (status == _INCOMPLETE and curable))
        if status and not left:
            raise _failure(self._node, status, lines)
        return sent


def _is_serious(line: str) -> bool:
    return line.startswith(_SUMMARY) or bool(_FATAL.match(line))


def _failure(node: str, status: int, lines: Sequence[str]) -> CopyError:
    if any("No space left on device" in line for line in lines):
        return CopyError(f"{node} has no room left for it")
    said = "; ".join(lines[:2]) or "it said nothing"
    # 10, 12, 30: errors in the protocol or in a socket; 1 is the launcher's, when nobody answered.
    return CopyError(f"rsync to {node} ended with {status}: {said}", transport=status in (1, 10, 12, 30, 255))


def _sent(pid: int) -> int:
    """The bytes that a process has written so far: for rsync's sending end, those that go over the wire."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return int(dict(line.split(": ") for line in lines)["wchar"])
