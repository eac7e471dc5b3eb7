# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds images with mmdebstrap, as root, on a Debian node, without loop devices.

An image appears in the cache in one step. Whatever an interrupted build left is removed by the next one.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.atomic import sync_folder
from ..core.command import CommandError, Runner, run
from ..core.lock import locked
from .recipe import Recipe

__all__ = ["Apt", "ImageBuilder", "Layout", "apt_of_node", "boot_code"]

_LONG = 1800.0
_DRAFT = ".draft"
_SECTOR = 512
_SETTINGS = ("Acquire::http", "Acquire::Retries", "Acquire::ForceIPv")


@dataclass(frozen=True)
class Apt:
    """How a node gets its packages: settings to pass on, and its Debian sources as lines of a sources.list."""

    settings: str
    sources: tuple[str, ...]


def apt_of_node(suite: str, run: Runner = run) -> Apt:
    """The node's own proxy and mirrors. No sources when the node's are of another release than ``suite``."""
    dump = run(["apt-config", "dump", "--no-empty"]).stdout.splitlines()
    shape = "|".join(f"$({key})" for key in ("ORIGIN", "CODENAME", "REPO_URI", "RELEASE", "COMPONENT", "SIGNED_BY"))
    targets = run(["apt-get", "indextargets", "--format", shape, "Created-By: Packages"]).stdout.splitlines()
    sources: dict[tuple[str, str, str], list[str]] = {}
    for target in targets:
        origin, codename, uri, release, component, key = target.split("|", 5)
        if origin == "Debian" and codename in (suite, f"{suite}-updates", f"{suite}-security"):
            options = f"[signed-by={key}] " if key.startswith("/") else ""
            sources.setdefault((options, uri, release), []).append(component)
    return Apt(
        settings="".join(f"{line}\n" for line in dump if line.startswith(_SETTINGS)),
        sources=tuple(
            f"deb {options}{uri} {release} {' '.join(dict.fromkeys(components))}"
            for (options, uri, release), components in sources.items()
        ),
    )


@dataclass(frozen=True)
class Layout:
    """The partitions of a disk of ``size`` bytes, in sectors: one for the boot loader, the rest for the root."""

    size: int
    boot_start: int = 2048
    root_start: int = 4096

    @property
    def root_sectors(self) -> int:
        # The last MiB holds the spare partition table.
        return self.size // _SECTOR - self.root_start - 2048

    def script(self) -> str:
        """For sfdisk."""
        return (
            "label: gpt\n"
            f"start={self.boot_start}, size={self.root_start - self.boot_start}, "
            "type=21686148-6449-6E6F-744E-656564454649, name=boot\n"
            f"start={self.root_start}, size={self.root_sectors}, "
            "type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root\n"
        )


def boot_code(boot: bytes, core: bytes, start: int) -> tuple[bytes, bytes]:
    """GRUB's boot sector and core image, told that the core image lies at sector ``start``: what grub-install does.

    Offsets are those of GRUB_BOOT_MACHINE_KERNEL_SECTOR and of the first block list in GRUB's
    include/grub/i386/pc/boot.h and include/grub/offsets.h. The boot sector ends before the partition table.
    """
    sector = bytearray(boot[:440])
    struct.pack_into("<Q", sector, 0x5C, start)
    image = bytearray(core)
    struct.pack_into("<Q", image, _SECTOR - 12, start + 1)
    return bytes(sector), bytes(image)


class ImageBuilder:
    """The cache of images in ``directory``; builds in ``work``, local and root's alone: root runs what is in it."""

    def __init__(self, directory: Path, work: Path = Path("/var/lib/drover/build"), run: Runner = run) -> None:
        self._directory = directory
        self._work = work
        self._run = run

    def find(self, recipe: Recipe) -> dict[str, Any] | None:
        """What ``image.json`` says about the newest image of the recipe, with its path; None when there is none."""
        built = self._built(recipe)
        return {**json.loads((built[-1] / "image.json").read_text()), "path": str(built[-1])} if built else None

    def aged(self, recipe: Recipe, seconds: float) -> bool:
        """Whether all images of the recipe are older. What guests boot from does not age: they have it open."""
        built = self._built(recipe)
        return recipe.boot != "kernel" and bool(built) and time.time() - _when(built[-1]) > seconds

    def _built(self, recipe: Recipe) -> list[Path]:
        """The folders with images of the recipe, the newest last."""
        first = self._directory / recipe.folder
        found = (first, *self._directory.glob(f"{recipe.folder}-*"))
        return sorted((folder for folder in found if (folder / "image.json").is_file()), key=_when)

    def expect(self, recipe: Recipe) -> dict[str, Any]:
        """The same for an image still to be built."""
        return {**recipe.description(), "path": str(self._directory / recipe.folder)}

    def build(self, recipe: Recipe, *, patience: float = _LONG, max_age: float | None = None) -> bool:
        """Build the image unless it is there, and in ``max_age`` seconds once more. True when it was built here; False
        when somebody else was quicker. The two newest are kept: from the other one disks may be made just now.

        One build at a time on a node and in a cache: the others wait ``patience`` seconds.
        Raises CommandError, WaitTimeout.
        """
        steps = {"disk": self._build_disk, "kernel": self._build_kernel, "rootfs": self._build_rootfs}
        self._directory.mkdir(parents=True, exist_ok=True)
        self._work.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._work / "lock", patience), _alone(self._directory / ".lock", patience):
            if self.find(recipe) and not (max_age is not None and self.aged(recipe, max_age)):
                return False
            draft, work = self._directory / _DRAFT, self._work / "build"
            for leftover in (draft, work):
                if leftover.exists():
                    shutil.rmtree(leftover)
                leftover.mkdir()
            try:
                steps[recipe.boot](recipe, work, draft)
                (draft / "image.json").write_text(json.dumps(recipe.description(), indent=2, sort_keys=True) + "\n")
                for file in draft.iterdir():
                    _settle(file)
                draft.chmod(0o755)
                sync_folder(draft)
                place = self._directory / recipe.folder
                if place.exists():
                    place = place.with_name(f"{recipe.folder}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}")
                draft.rename(place)
                sync_folder(self._directory)
                for old in self._built(recipe)[:-2]:
                    shutil.rmtree(old)
            finally:
                for leftover in (draft, work):
                    shutil.rmtree(leftover, ignore_errors=True)
        return True

    def _build_rootfs(self, recipe: Recipe, work: Path, draft: Path) -> None:
        # LXC brings its own /dev, and device nodes cannot be made in a user namespace.
        self._debootstrap(recipe, work, draft / "rootfs.tar", "--skip=output/dev")

    def _build_kernel(self, recipe: Recipe, work: Path, draft: Path) -> None:
        root = work / "root"
        self._debootstrap(recipe, work, root)
        for name in ("kernel", "initrd"):
            made = root / "image" / name
            if not made.is_file():
                raise CommandError(f"image {recipe.name}: its scripts left no /image/{name}")
            shutil.copyfile(made, draft / name)

    def _build_disk(self, recipe: Recipe, work: Path, draft: Path) -> None:
        root, raw, layout = work / "root", work / "disk.raw", Layout(recipe.size)
        self._debootstrap(recipe, work, root)
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"drover:{recipe.folder}"))
        (root / "etc/fstab").write_text(f"UUID={identity} / ext4 errors=remount-ro 0 1\n")
        (root / "boot/grub/grub.cfg").write_text(_grub_menu(identity))
        with raw.open("wb") as file:
            file.truncate(recipe.size)
        self._run(["sfdisk", "--quiet", str(raw)], stdin=layout.script())
        offset, kib = layout.root_start * _SECTOR, layout.root_sectors * _SECTOR // 1024
        make = ["mke2fs", "-q", "-F", "-t", "ext4", "-U", identity, "-L", "root", "-d", str(root)]
        self._run([*make, "-E", f"offset={offset}", str(raw), f"{kib}k"], timeout=_LONG)
        loader = root / "boot/grub/i386-pc"
        sector, core = boot_code(
            (loader / "boot.img").read_bytes(), (loader / "core.img").read_bytes(), layout.boot_start
        )
        with raw.open("r+b") as file:
            file.write(sector)
            file.seek(layout.boot_start * _SECTOR)
            file.write(core)
        convert = ["qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd"]
        self._run([*convert, str(raw), str(draft / "disk.qcow2")], timeout=_LONG)

    def _debootstrap(self, recipe: Recipe, work: Path, target: Path, *options: str) -> None:
        """Run mmdebstrap: packages, then the recipe's files, then its scripts."""
        apt = apt_of_node(recipe.suite, self._run)
        settings, overlay = work / "apt.conf", work / "files"
        settings.write_text(apt.settings)
        overlay.mkdir()
        for path, content in recipe.files.items():
            _write(overlay / path.lstrip("/"), content)
        hooks = ['cp -r --remove-destination "$OVERLAY/." "$1/"']
        for index, script in enumerate(recipe.scripts):
            _write(work / f"script{index}", script)
            hooks.append(str(work / f"script{index}"))
        # The building node's proxy is no business of the guests'.
        hooks.append('rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"')
        # mmdebstrap runs no later hook than this when it is to unpack only.
        stage = "extract" if recipe.variant == "extract" else "customize"
        # Should this process be killed, its child must not go on in a folder that the next build clears.
        argv = ["setpriv", "--pdeathsig", "TERM", "mmdebstrap", "--mode=root", f"--variant={recipe.variant}"]
        argv += [f"--aptopt={settings}", f"--include={','.join(recipe.packages)}", *options]
        argv += [f"--{stage}-hook={hook}" for hook in hooks]
        argv += [recipe.suite, str(target)]
        argv += [recipe.mirror] if recipe.mirror else apt.sources
        try:
            self._run(argv, timeout=_LONG, env={"OVERLAY": str(overlay), "TMPDIR": str(work)})
        except CommandError as error:
            if error.result is None:
                raise
            raise CommandError(f"mmdebstrap: {_cause(error.result.stderr)}", error.result) from error


def _when(image: Path) -> float:
    """When an image was built, by the wall clock."""
    return (image / "image.json").stat().st_mtime


def _cause(log: str) -> str:
    """What went wrong, from mmdebstrap's log: its first error and what the program that failed had said before."""
    lines = log.splitlines()
    first = next((index for index, line in enumerate(lines) if line.startswith("E: ")), len(lines) - 1)
    return "; ".join(lines[max(0, first - 3) : first + 1])


def _grub_menu(identity: str) -> str:
    """For the first boot; ``update-grub`` replaces it. Debian keeps the two links at its newest kernel."""
    return (
        f"search --no-floppy --fs-uuid --set=root {identity}\n"
        f"linux /vmlinuz root=UUID={identity} ro console=tty0 console=ttyS0,115200\n"
        "initrd /initrd.img\n"
        "boot\n"
    )


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if content.endswith("\n") else f"{content}\n")
    path.chmod(0o755 if content.startswith("#!") else 0o644)


def _settle(file: Path) -> None:
    """Make a file readable for all, and sure to be there after a power cut."""
    with file.open("rb") as opened:
        os.fchmod(opened.fileno(), 0o644)
        os.fsync(opened.fileno())


def _alone(path: Path, patience: float) -> AbstractContextManager[None]:
    return locked(path, patience, what=f"the end of another build that holds {path}")
