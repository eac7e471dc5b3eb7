# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cheap answer to a monitor: only for what has been in order and is still the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import glance
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

RECURRING = {"OCF_RESOURCE_INSTANCE": "web", "OCF_RESKEY_CRM_meta_interval": "10000"}
#: As libvirt 11.3 keeps it.
STATUS = """<!--
WARNING: THIS IS AN AUTO-GENERATED FILE.
-->

<domstatus state='{state}' reason='booted' pid='1'>
  <monitor path='/var/lib/libvirt/qemu/domain-3-web/monitor.sock' type='unix'/>
  {job}
  <blockjobs active='{blockjobs}'/>
  <domain type='qemu' id='3'>
    <name>web</name>
  </domain>
</domstatus>
"""
USUAL = {"state": "running", "job": "", "blockjobs": "no"}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A node on which the guest runs, has been looked at, and was in order."""
    for name in ("MARKS", "MOVES", "LIBVIRT"):
        monkeypatch.setattr(glance, name, str(tmp_path / name.lower()))
    (tmp_path / "moves/arrived").mkdir(parents=True)
    (tmp_path / "libvirt").mkdir()
    with subprocess.Popen(["sleep", "60"]) as process:
        glance.notice("web", process.pid)
        (tmp_path / "libvirt/web.pid").write_text(str(process.pid))
        (tmp_path / "libvirt/web.xml").write_text(STATUS.format(**USUAL))
        (tmp_path / "pid").write_text(str(process.pid))
        yield tmp_path
        process.kill()


@pytest.mark.parametrize("kind", ["vm", "container"])
def test_what_is_as_it_was_is_well(node: Path, kind: str) -> None:
    assert glance.all_well(kind, RECURRING)
    assert glance.all_well(kind, {**RECURRING, "OCF_RESOURCE_INSTANCE": "web:0"})


def test_the_lease_of_a_container_is_renewed_by_the_cheap_answer(node: Path, tmp_path: Path) -> None:
    lease = tmp_path / "lease"
    lease.touch()
    os.utime(lease, (1, 1))
    glance.notice("web", int((node / "pid").read_text()), str(lease))
    assert glance.all_well("container", RECURRING)
    wait_for(lambda: lease.stat().st_mtime, lambda beat: beat > 1, what="a beat", timeout=5, interval=0.01)
    # Storage that is away is nobody's fault here.
    lease.unlink()
    assert glance.all_well("container", RECURRING)


@pytest.mark.parametrize(
    "environ",
    [
        {"OCF_RESOURCE_INSTANCE": "web"},
        {**RECURRING, "OCF_RESKEY_CRM_meta_interval": "0"},
        {**RECURRING, "OCF_RESOURCE_INSTANCE": "other"},
        {**RECURRING, "OCF_RESOURCE_INSTANCE": "../marks/web"},
        {},
    ],
)
def test_a_probe_and_what_was_never_looked_at_is_looked_at(node: Path, environ: dict[str, str]) -> None:
    assert not glance.all_well("container", environ)


def _kill(node: Path) -> None:
    os.kill(int((node / "pid").read_text()), 9)
    while os.waitid(os.P_PID, int((node / "pid").read_text()), os.WEXITED | os.WNOWAIT) is None:
        pass


@pytest.mark.parametrize("kind", ["vm", "container"])
@pytest.mark.parametrize(
    "what",
    ["ended", "another process", "an old mark", "a mark to come", "half a mark", "moves", "arrived", "unsettled"],
)
def test_whatever_has_changed_is_looked_at(node: Path, kind: str, what: str) -> None:
    mark = node / "marks/web"
    if what == "ended":  # a zombie, until it is reaped
        _kill(node)
    if what == "another process":
        mark.write_text(f"{mark.read_text().split()[0]} 12\n")
    if what == "an old mark":
        os.utime(mark, (time.time(), time.time() - glance.TRUSTED - 1))
    if what == "a mark to come":
        os.utime(mark, (time.time(), time.time() + 60))
    if what == "half a mark":
        mark.write_text("12")
    if what == "moves":
        (node / "moves/web.json").touch()
    if what == "arrived":
        (node / "moves/arrived/web.json").touch()
    if what == "unsettled":
        glance.unsettle("web")
        glance.unsettle("web")
    assert not glance.all_well(kind, RECURRING)


@pytest.mark.parametrize(
    ("status", "well"),
    [
        ({"job": "<job type='none' async='none'/>"}, True),
        ({"job": "<job type='modify' async='none'/>"}, True),
        ({"state": "paused"}, False),
        ({"state": "crashed"}, False),
        ({"job": "<job type='modify' async='migration out' phase='perform3'>"}, False),
        ({"job": "<job type='none' async='migration in'/>"}, False),
        ({"job": "<job type='none' async='backup'/>"}, False),
        ({"blockjobs": "yes"}, False),
    ],
)
def test_a_vm_that_does_more_than_run_is_looked_at(node: Path, status: dict[str, str], well: bool) -> None:
    (node / "libvirt/web.xml").write_text(STATUS.format(**{**USUAL, **status}))
    assert glance.all_well("vm", RECURRING) is well


@pytest.mark.parametrize("text", [None, "", "<domstatus state='running' reason='booted'>", "<domain type='kvm'>"])
def test_a_record_that_says_nothing_is_no_answer(node: Path, text: str | None) -> None:
    record = node / "libvirt/web.xml"
    record.unlink() if text is None else record.write_text(text)
    assert not glance.all_well("vm", RECURRING)


def test_another_emulator_is_looked_at(node: Path) -> None:
    (node / "libvirt/web.pid").write_text("1")
    assert not glance.all_well("vm", RECURRING)


def test_a_mark_that_cannot_be_made_is_none(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    glance.notice("web", 2**22 + 1)  # it has ended by then
    assert not glance.all_well("container", RECURRING)
    monkeypatch.setattr(glance, "MARKS", str(node / "pid"))
    glance.notice("web", os.getpid())


#: Each costs more than the whole look.
HEAVY = {"argparse", "collections", "contextlib", "dataclasses", "enum", "inspect", "json", "libvirt", "pathlib", "re"}
HEAVY |= {"signal", "site", "socket", "ssl", "subprocess", "syslog", "threading", "traceback", "typing", "uuid"}
HEAVY |= {"xml", "hashlib", "tempfile", "datetime"}


def test_the_way_of_a_monitor_loads_nothing_heavy(node: Path) -> None:
    """As on a node: python3 -IS, the package by its short name."""
    package = node / "lib/drover"
    package.parent.mkdir()
    package.symlink_to(Path(glance.__file__).parents[1])
    program = f"""
import sys
sys.path.insert(0, {str(package.parent)!r})
from drover.agents import glance
glance.MARKS, glance.MOVES, glance.LIBVIRT = {glance.MARKS!r}, {glance.MOVES!r}, {glance.LIBVIRT!r}
sys.argv[1:] = ["monitor"]
code = glance.main("vm")
print(code, *sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-IS", "-c", program], env=RECURRING, capture_output=True, text=True, check=True, timeout=60
    )
    code, *loaded = run.stdout.split()
    assert code == "0"
    assert {module.partition(".")[0] for module in loaded} & HEAVY == set()
    assert len(loaded) < 45
