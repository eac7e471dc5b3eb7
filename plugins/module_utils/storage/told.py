# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container reads of its declaration from its own files: DNS servers and SSH keys, as declared at each start.

A record beside them says what was written last: what has changed since is written, what somebody in the container has
added is left alone. The container's root made every folder and file on the way, so none of them is followed that is a
symbolic link, and nothing is opened that is not a plain file.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["KEYS", "RECORD", "changes", "record", "settle"]

#: The keys of a definition that a container reads from its files.
KEYS = ("nameservers", "ssh_keys")
#: Where the record is, from the container's root.
RECORD = "var/lib/drover/told.json"
_RESOLVERS, _AUTHORIZED = "etc/resolv.conf", "root/.ssh/authorized_keys"
#: Bytes that are read of a file: nothing that is larger is one of these.
_MOST = 1 << 20


def record(nameservers: Sequence[str], ssh_keys: Sequence[str]) -> str:
    """The record's text."""
    return json.dumps({"nameservers": list(nameservers), "ssh_keys": list(ssh_keys)}, sort_keys=True) + "\n"


def settle(root: Path, definition: Mapping[str, Any]) -> list[str]:
    """Bring the files of a container that does not run to what its definition says; tells which were written.

    Raises OSError for a container whose files do not let themselves be written.
    """
    wanted = {key: list(definition[key]) for key in KEYS if key in definition}
    if not wanted:
        return []
    owner = 0 if definition["privileged"] else int(definition["idmap"]["start"])
    paths = (RECORD, _RESOLVERS, _AUTHORIZED)
    there = {path: _read(root, path) for path in paths}
    written = changes(there, wanted)
    for path, text in written.items():
        _write(root, path, text, owner)
    return [path for path in written if path != RECORD]


def changes(there: Mapping[str, str | None], wanted: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The files to be written, by path, with what is in them then. ``there`` are those there are, the record too.

    Without a record, as containers have none that an older version made, nothing is taken away.
    """
    known = there[RECORD]
    before: dict[str, list[str]] = {}
    with suppress(ValueError, AttributeError, TypeError):
        before = {key: [str(value) for value in values] for key, values in json.loads(known or "{}").items()}
    told = record(wanted.get("nameservers", ()), wanted.get("ssh_keys", ()))
    if known == told:
        return {}
    written = {RECORD: told}
    servers = list(wanted.get("nameservers", ()))
    if servers != before.get("nameservers") and (servers or before.get("nameservers")):
        written[_RESOLVERS] = "".join(f"nameserver {server}\n" for server in servers)
    keys, old = list(wanted.get("ssh_keys", ())), set(before.get("ssh_keys", ()))
    lines = (there[_AUTHORIZED] or "").splitlines()
    kept = [line for line in lines if line not in old or line in keys]
    kept += [key for key in keys if key not in kept]
    if kept != lines:
        written[_AUTHORIZED] = "".join(f"{line}\n" for line in kept)
    return {path: text for path, text in written.items() if text != there[path]}


def _read(root: Path, path: str) -> str | None:
    """A file's text; None where there is no plain file by that name."""
    try:
        with _folder(root, path) as folder:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(Path(path).name, flags, dir_fd=folder), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                return file.read(_MOST).decode(errors="replace")
    except OSError:
        return None


def _write(root: Path, path: str, text: str, owner: int) -> None:
    secret = path == _AUTHORIZED
    name = Path(path).name
    draft = f".{name}.drover"
    with _folder(root, path, owner) as folder:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
            file.write(text)
            os.fchown(file.fileno(), owner, owner)
            os.fchmod(file.fileno(), 0o600 if secret else 0o644)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


@contextmanager
def _folder(root: Path, path: str, owner: int | None = None) -> Iterator[int]:
    """The folder of a file below ``root``, opened. With an ``owner`` those that are missing are made."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = [os.open(root, flags)]
    try:
        for part in Path(path).parts[:-1]:
            if owner is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700 if part == ".ssh" else 0o755, dir_fd=opened[-1])
                    os.chown(part, owner, owner, dir_fd=opened[-1], follow_symlinks=False)
            opened.append(os.open(part, flags, dir_fd=opened[-1]))
        yield opened[-1]
    finally:
        for descriptor in opened:
            os.close(descriptor)
