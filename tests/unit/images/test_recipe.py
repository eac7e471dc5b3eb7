# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests are made from: recipes, and the commands that make images of them."""

from __future__ import annotations

import fcntl
import inspect
import json
import os
import shutil
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout
from ansible_collections.cspp.drover.plugins.module_utils.images.builder import (
    Apt,
    ImageBuilder,
    Layout,
    apt_of_node,
    boot_code,
)
from ansible_collections.cspp.drover.plugins.module_utils.images.recipe import (
    Recipe,
    RecipeError,
    catalogue,
    recipes,
    select,
)

OWN: dict[str, Any] = {
    "debian-13": {
        "vm": {"boot": "disk", "suite": "trixie", "packages": ["openssh-server"], "scripts": ["#!/bin/sh\n"]},
        "container": {"boot": "rootfs", "suite": "trixie", "packages": ["openssh-server"], "files": {"/etc/a": "a"}},
    },
    "tiny": {"vm": {"boot": "kernel", "suite": "trixie", "variant": "extract", "cmdline": "quiet"}},
}

DUMP = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://192.0.2.1:3142";
Acquire::Languages:: "none";
"""
TARGETS = """\
Debian|trixie|http://deb.example/debian/|stable|main|/usr/share/keyrings/debian-archive-keyring.gpg
Debian|trixie|http://deb.example/debian/|stable|contrib|/usr/share/keyrings/debian-archive-keyring.gpg
Debian|trixie-security|http://security.example/|trixie-security|main|$(SIGNED_BY)
Debian Backports|trixie-backports|http://deb.example/debian/|trixie-backports|main|$(SIGNED_BY)
ceph|trixie|https://ceph.example/|trixie|main|$(SIGNED_BY)
"""
SOURCES = (
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.example/debian/ stable main contrib",
    "deb http://security.example/ trixie-security main",
)


class Node:
    """A node whose programs leave behind what the real ones would; notes what was run."""

    def __init__(self, *, fails: str | None = None) -> None:
        self.ran: list[list[str]] = []
        self.fails = fails
        self.env: Mapping[str, str] = {}

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        self.ran.append(list(argv))
        program = argv[3] if argv[0] == "setpriv" else argv[0]
        if program == self.fails:
            raise CommandError(f"{program} exited with 1")
        if program == "mmdebstrap":
            self.env = dict(env or {})
            target = Path(next(each for each in argv[::-1] if each.startswith("/")))
            if target.suffix == ".tar":
                target.write_text("archive")
            else:
                for file in ("image/kernel", "image/initrd", "etc/hostname", "boot/grub/i386-pc/boot.img"):
                    (target / file).parent.mkdir(parents=True, exist_ok=True)
                    (target / file).write_bytes(bytes(512))
                (target / "boot/grub/i386-pc/core.img").write_bytes(bytes(2048))
        if program == "qemu-img":
            Path(argv[-1]).write_text("disk")
        output = {"apt-config": DUMP, "apt-get": TARGETS}
        return CommandResult(tuple(argv), 0, output.get(program, ""), "")

    @property
    def programs(self) -> list[str]:
        return [argv[3] if argv[0] == "setpriv" else argv[0] for argv in self.ran]


def test_catalogue() -> None:
    users = {"game": {"vm": {"from": "debian-13"}}}
    assert catalogue(OWN, users) == {
        "debian-13": {"vm": "disk", "container": "rootfs"},
        "tiny": {"vm": "kernel"},
        "game": {"vm": "disk"},
    }


def test_the_catalogue_is_the_same_text_in_whatever_order_recipes_come() -> None:
    backwards = {name: dict(reversed(kinds.items())) for name, kinds in reversed(OWN.items())}
    assert json.dumps(catalogue(backwards, {})) == json.dumps(catalogue(OWN, {}))


def test_users_recipes_add_to_ours() -> None:
    users = {
        "debian-13": {"vm": {"packages": ["htop"], "mirror": "http://mirror.example/debian", "size": "4GiB"}},
        "web": {"container": {"from": "debian-13", "packages": ["nginx"], "files": {"/etc/b": "b"}, "scripts": ["s"]}},
    }
    known = recipes(OWN, users)
    machine, web = known["debian-13", "vm"], known["web", "container"]
    assert (machine.packages, machine.mirror) == (("htop", "openssh-server"), "http://mirror.example/debian")
    assert (machine.size, machine.scripts) == (4 * GIB, ("#!/bin/sh\n",))
    assert (web.name, web.suite, web.packages) == ("web", "trixie", ("nginx", "openssh-server"))
    assert (web.files, web.scripts) == ({"/etc/a": "a", "/etc/b": "b"}, ("s",))
    assert known["tiny", "vm"] == recipes(OWN, {})["tiny", "vm"]


@pytest.mark.parametrize(
    ("users", "problem"),
    [
        ({"debian-13": {"vm": {"package": ["htop"]}}}, "images.debian-13.vm.package: is not a key here"),
        ({"debian-13": {"vm": {"packages": "htop"}}}, r"images.debian-13.vm.packages: 'htop' is not a list"),
        ({"debian-13": {"vm": {"packages": ["ht op"]}}}, "'ht op' is not a package's name"),
        ({"debian-13": {"lxc": {}}}, "images.debian-13.lxc: is not a key here"),
        ({"web": {"vm": {"packages": ["nginx"]}}}, "images.web.vm.boot: is missing: name with `from` an image"),
        ({"web": {"container": {"from": "tiny"}}}, "images.web.container.from: 'tiny' is not a container image"),
        ({"Web": {"vm": {"from": "debian-13"}}}, "images.Web: an image's name consists of"),
        ({"debian-13": {"vm": {"files": {"etc/a": "a"}}}}, "files are given as absolute path"),
        ({"debian-13": {"vm": {"files": {"/../a": "a"}}}}, "files are given as absolute path"),
        ({"debian-13": {"vm": {"boot": "rootfs"}}}, "'rootfs' is not a way a vm boots"),
        ({"debian-13": {"vm": None}, "x": 1}, "images.x: 1 is not a mapping"),
    ],
)
def test_problems_name_their_place(users: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError, match=problem):
        recipes(OWN, users)


def test_every_problem_in_one_message() -> None:
    with pytest.raises(RecipeError, match=r"vm\.packages.*container\.suit"):
        recipes(OWN, {"debian-13": {"vm": {"packages": 1}, "container": {"suit": "sid"}}})


def test_select() -> None:
    known = recipes(OWN, {})
    chosen = select(known, [{"name": "tiny", "kind": "vm"}, {"name": "debian-13", "kind": "container"}])
    assert list(chosen) == ["vm/tiny", "container/debian-13"]
    with pytest.raises(RecipeError, match="there is no image tiny for a container; there are debian-13 for a"):
        select(known, [{"name": "tiny", "kind": "container"}])


RECIPE = Recipe("debian-13", "vm", "disk", "trixie", packages=("a", "b"))


@pytest.mark.parametrize(
    "change",
    [
        {"packages": ("a", "c")},
        {"suite": "sid"},
        {"files": {"/etc/a": ""}},
        {"scripts": ("#!/bin/sh",)},
        {"size": GIB},
        {"kind": "container"},
        {"mirror": "http://mirror.example"},
    ],
)
def test_another_recipe_is_another_image(change: dict[str, Any]) -> None:
    values: dict[str, Any] = {
        "name": "debian-13",
        "kind": "vm",
        "boot": "disk",
        "suite": "trixie",
        "packages": ("a", "b"),
    }
    assert Recipe(**values).folder == RECIPE.folder
    assert Recipe(**{**values, **change}).hash != RECIPE.hash


def test_order_of_packages_does_not_matter() -> None:
    one, other = ({"x": {"vm": {"from": "debian-13", "packages": names}}} for names in (["aa", "bb"], ["bb", "aa"]))
    assert recipes(OWN, one)["x", "vm"].hash == recipes(OWN, other)["x", "vm"].hash


def test_packages_come_the_way_the_node_gets_its_own() -> None:
    assert apt_of_node("trixie", Node()) == Apt('Acquire::http::Proxy "http://192.0.2.1:3142";\n', SOURCES)
    assert apt_of_node("forky", Node()).sources == ()


def test_boot_code_is_told_where_it_lies() -> None:
    sector, core = boot_code(bytes(512), bytes(1024), 2048)
    assert len(sector) == 440
    assert struct.unpack_from("<Q", sector, 0x5C) == (2048,)
    assert struct.unpack_from("<Q", core, 500) == (2049,)
    assert sum(sector) == 8 and sum(core) == 9, "nothing else is changed"


def test_layout_ends_within_the_disk() -> None:
    layout = Layout(3 * GIB)
    assert (layout.root_start + layout.root_sectors) * 512 == 3 * GIB - 1024 * 1024
    assert f"start=4096, size={layout.root_sectors}" in layout.script()


@pytest.mark.parametrize(
    ("boot", "programs", "files"),
    [
        ("rootfs", ["mmdebstrap"], {"rootfs.tar"}),
        ("kernel", ["mmdebstrap"], {"kernel", "initrd"}),
        ("disk", ["mmdebstrap", "sfdisk", "mke2fs", "qemu-img"], {"disk.qcow2"}),
    ],
)
def test_build(tmp_path: Path, boot: str, programs: list[str], files: set[str]) -> None:
    node = Node()
    builder = ImageBuilder(tmp_path / "images", tmp_path / "work", node)
    recipe = Recipe("some", "vm", boot, "trixie", packages=("a",), size=16 * 1024 * 1024)
    assert builder.find(recipe) is None
    assert builder.build(recipe)
    assert node.programs == ["apt-config", "apt-get", *programs]
    folder = tmp_path / "images" / recipe.folder
    assert {file.name for file in folder.iterdir()} == {*files, "image.json"}
    assert builder.find(recipe) == builder.expect(recipe)
    assert {file.name for file in folder.parent.iterdir()} == {recipe.folder, ".lock"}
    assert {file.name for file in (tmp_path / "work").iterdir()} == {"lock"}
    assert not builder.build(recipe), "it is there"
    assert len(node.ran) == 2 + len(programs)


@pytest.mark.parametrize(("boot", "ages"), [("rootfs", True), ("disk", True), ("kernel", False)])
def test_an_image_is_built_once_more_when_it_is_old(tmp_path: Path, boot: str, ages: bool) -> None:
    builder = ImageBuilder(tmp_path / "images", tmp_path / "work", Node())
    recipe = Recipe("some", "vm", boot, "trixie", size=16 * 1024 * 1024)
    assert not builder.aged(recipe, 10), "none is there"
    builder.build(recipe)
    assert not builder.aged(recipe, 10)
    assert not builder.build(recipe, max_age=10)
    folder = tmp_path / "images" / recipe.folder
    for days, place in (
        (9, folder),
        (6, folder.with_name(f"{folder.name}-1")),
        (3, folder.with_name(f"{folder.name}-2")),
    ):
        if place != folder:
            shutil.copytree(folder, place)
        moment = time.time() - days * 86400
        os.utime(place / "image.json", (moment, moment))
    found = builder.find(recipe)
    assert found is not None and found["path"] == str(folder.with_name(f"{folder.name}-2"))
    assert builder.aged(recipe, 86400) is ages
    assert builder.build(recipe, max_age=86400) is ages
    assert not builder.build(recipe, max_age=86400), "somebody was quicker"
    left = {place.name for place in folder.parent.iterdir()} - {".lock"}
    assert (f"{folder.name}-2" in left, len(left)) == (True, 2 if ages else 3)


@pytest.mark.parametrize(("variant", "stage"), [("minbase", "customize"), ("extract", "extract")])
def test_mmdebstrap(tmp_path: Path, variant: str, stage: str) -> None:
    node = Node()
    recipe = Recipe(
        "some", "container", "rootfs", "trixie", variant=variant, packages=("a", "b"), scripts=("#!/bin/sh",)
    )
    ImageBuilder(tmp_path / "images", tmp_path / "work", node).build(recipe)
    work = tmp_path / "work/build"
    assert node.ran[2] == [
        *("setpriv", "--pdeathsig", "TERM"),
        *("mmdebstrap", "--mode=root", f"--variant={variant}", f"--aptopt={work}/apt.conf", "--include=a,b"),
        "--skip=output/dev",
        f'--{stage}-hook=cp -r --remove-destination "$OVERLAY/." "$1/"',
        f"--{stage}-hook={work}/script0",
        f'--{stage}-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"',
        *("trixie", f"{tmp_path}/images/.draft/rootfs.tar"),
        *SOURCES,
    ]
    assert node.env == {"OVERLAY": f"{work}/files", "TMPDIR": str(work)}


def test_the_error_is_the_first_not_the_last(tmp_path: Path) -> None:
    log = "I: installing\ncp: no such file\nE: command failed: cp\nI: removing tempdir\nE: mmdebstrap failed to run\n"

    def node(argv: Sequence[str], **_: Any) -> CommandResult:
        if argv[0] == "setpriv":
            raise CommandError("exited with 25", CommandResult(tuple(argv), 25, "", log))
        return CommandResult(tuple(argv), 0, "", "")

    with pytest.raises(CommandError, match=r"^mmdebstrap: I: installing; cp: no such file; E: command failed: cp$"):
        ImageBuilder(tmp_path / "images", tmp_path / "work", node).build(RECIPE)


def test_a_recipes_mirror_comes_before_the_nodes(tmp_path: Path) -> None:
    node = Node()
    recipe = Recipe("some", "container", "rootfs", "trixie", mirror="http://mirror.example/debian")
    ImageBuilder(tmp_path / "images", tmp_path / "work", node).build(recipe)
    assert node.ran[2][-1] == "http://mirror.example/debian"


def test_a_failed_build_leaves_nothing_and_a_killed_ones_remains_go(tmp_path: Path) -> None:
    images, work = tmp_path / "images", tmp_path / "work"
    recipe = Recipe("some", "vm", "disk", "trixie", size=16 * 1024 * 1024)
    with pytest.raises(CommandError):
        ImageBuilder(images, work, Node(fails="qemu-img")).build(recipe)
    assert {file.name for folder in (images, work) for file in folder.iterdir()} == {".lock", "lock"}
    for remains in (images / ".draft", work / "build/root"):
        remains.mkdir(parents=True)
        (remains / "half").write_text("")
    assert ImageBuilder(images, work, Node()).build(recipe)
    assert not (images / recipe.folder / "half").exists()


def test_a_second_builder_waits(tmp_path: Path) -> None:
    builder = ImageBuilder(tmp_path / "images", tmp_path / "work", Node())
    (tmp_path / "images").mkdir()
    with (tmp_path / "images/.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(WaitTimeout, match="another build"):
            builder.build(RECIPE, patience=0.05)


def test_scripts_have_to_leave_a_kernel(tmp_path: Path) -> None:
    def bare(argv: Sequence[str], **_: Any) -> CommandResult:
        return CommandResult(tuple(argv), 0, "", "")

    with pytest.raises(CommandError, match="left no /image/kernel"):
        ImageBuilder(tmp_path / "images", tmp_path / "work", bare).build(Recipe("tiny", "vm", "kernel", "trixie"))


def test_images_are_built_where_nobody_else_can_write(tmp_path: Path) -> None:
    work = inspect.signature(ImageBuilder).parameters["work"].default
    assert work.parent == Path("/var/lib/drover")
    ImageBuilder(tmp_path / "images", tmp_path / "work", Node()).build(RECIPE)
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700
