# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How QEMU is confined on this node, by its user and by AppArmor, and whether it gets at its TLS keys all the same.

QEMU opens them at the start of a migration, at both ends. What it may open is tried rather than worked out: a process
of its user, under the profile of a VM that runs here.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["apparmor", "confined", "keys", "profile"]

PKI = Path("/etc/pki/qemu")
#: QEMU's user and group on Debian; libvirt starts it as nobody else, unless qemu.conf is changed.
_USER = "libvirt-qemu"
_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
_PROFILES = Path("/sys/kernel/security/apparmor/profiles")
#: The profile that libvirt makes for a VM, as the kernel lists it.
_OF_A_VM = re.compile(r"^(libvirt-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) \(enforce\)$", re.MULTILINE)


def apparmor() -> bool:
    """Whether AppArmor is switched on in this node's kernel."""
    return _read(_APPARMOR) == "Y"


def confined(pid: int, proc: Path = Path("/proc")) -> bool | None:
    """Whether a process has a profile of AppArmor; None when the kernel does not tell."""
    label = next((text for path in _attributes(proc / str(pid)) if (text := _read(path))), "")
    return label != "unconfined" if label else None


def profile() -> str:
    """The profile of a VM that runs here and is held to it; empty when there is none."""
    found = _OF_A_VM.search(_read(_PROFILES))
    return found[1] if found else ""


def keys(pki: Path = PKI) -> dict[str, str]:
    """Why QEMU cannot read what it needs as ``server`` (a VM comes) and ``client`` (a VM goes); empty when it can."""
    return {
        end: _unreadable([pki / name for name in ("ca-cert.pem", f"{end}-cert.pem", f"{end}-key.pem")], pki)
        for end in ("server", "client")
    }


def _unreadable(files: Sequence[Path], pki: Path) -> str:
    under = profile()
    # Without a VM there is no profile to try; AppArmor lets QEMU read what really lies in the folder.
    astray = next((file for file in files if not file.resolve().is_relative_to(pki.resolve())), None)
    if apparmor() and not under and astray is not None:
        return f"{astray} leads to {astray.resolve()}, where AppArmor does not let QEMU read"
    return try_to_read(files, _USER, under)


def try_to_read(files: Sequence[Path], user: str, under: str) -> str:
    """What keeps a process of this user, under this profile of AppArmor (empty: none), from reading the files."""
    try:
        who = pwd.getpwnam(user)
    except KeyError:
        return f"the user {user} does not exist"
    groups = os.getgrouplist(user, who.pw_gid)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing but system calls here: other threads of the parent may have held any lock.
        try:
            os.write(writing, _as_another(files, who, groups, under).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode(errors="replace")
    os.waitpid(child, 0)
    return said


def _as_another(files: Sequence[Path], who: pwd.struct_passwd, groups: Sequence[int], under: str) -> str:
    try:
        # Opened while this is still root's process, written to as the other: the kernel takes it from the opener alone.
        place = next(path for path in _attributes(Path("/proc/self")) if path.exists()) if under else None
        change = os.open(place, os.O_WRONLY) if place else -1
        if os.geteuid() == 0:
            os.setgroups(groups)
            os.setgid(who.pw_gid)
            os.setuid(who.pw_uid)
        if under:
            os.write(change, f"changeprofile {under}".encode())
    except (OSError, StopIteration):
        return ""  # it cannot be tried here
    for file in files:
        try:
            handle = os.open(file, os.O_RDONLY)
            os.read(handle, 1)
            os.close(handle)
        except OSError as error:
            return f"{file}: {error.strerror}" + (f" (under the AppArmor profile {under})" if under else "")
    return ""


def _attributes(process: Path) -> tuple[Path, Path]:
    """Where the kernel tells a process's profile: of AppArmor itself, and of the first security module."""
    return process / "attr" / "apparmor" / "current", process / "attr" / "current"


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip(" \n\0")
    return ""
