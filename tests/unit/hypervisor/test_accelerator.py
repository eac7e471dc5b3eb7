# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""KVM or TCG: found out by booting something, and not twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.accelerator import (
    MARKER,
    Circumstances,
    circumstances,
    find_out,
    recorded,
    settled,
)
from ansible_collections.cspp.drover.plugins.modules import accelerator as module

NOW = Circumstances(qemu="1:10.0", kernel="abc", host="6.12.0", device=True)


def qemu(console: str = "", error: CommandError | None = None) -> Callable[..., CommandResult]:
    """A QEMU whose guest writes ``console``; it ends with ``error``, if given."""

    def run(argv: Sequence[str], *, timeout: float) -> CommandResult:
        path = next(each for each in argv if each.startswith("file:")).removeprefix("file:")
        Path(path).write_text(console)
        if error:
            raise error
        return CommandResult(tuple(argv), 0, "", "")

    return run


def died(stderr: str) -> CommandError:
    return CommandError("it died", CommandResult(("qemu",), -6, "", stderr))


@pytest.mark.parametrize(
    ("run", "accelerator", "reason"),
    [
        (qemu(f"SeaBIOS\n{MARKER}\n"), "kvm", "the tiny VM booted with KVM"),
        (qemu("SeaBIOS\n"), "tcg", "no KVM: the tiny VM ended before it was up"),
        (qemu(error=CommandError("too long")), "tcg", "no KVM: the tiny VM did not boot within 10 s"),
        (qemu(error=died("warning: so\nfailed to set MSR 0x10a\n")), "tcg", "no KVM: failed to set MSR 0x10a"),
        (qemu(error=died("")), "tcg", "no KVM: QEMU exited with -6"),
    ],
)
def test_find_out(tmp_path: Path, run: Callable[..., CommandResult], accelerator: str, reason: str) -> None:
    record = find_out(NOW, Path("/images/tiny-abc"), tmp_path, run=run)
    assert record == {"accelerator": accelerator, "reason": reason, **asdict(NOW)}
    # The node may have been busy, or may be mended: only KVM itself is believed without looking again.
    assert settled(record) == (accelerator == "kvm")


def test_without_a_device_nothing_is_booted(tmp_path: Path) -> None:
    def run(*_: Any, **__: Any) -> CommandResult:
        raise AssertionError

    record = find_out(replace(NOW, device=False), Path("/images/tiny-abc"), tmp_path, run=run)
    assert (record["accelerator"], record["reason"]) == ("tcg", "no KVM: there is no /dev/kvm")
    assert settled(record)


RECORD = {"accelerator": "kvm", "reason": "", **asdict(NOW)}


@pytest.mark.parametrize(
    ("text", "now", "holds"),
    [
        (json.dumps(RECORD), NOW, True),
        (json.dumps(RECORD), replace(NOW, qemu="1:10.1"), False),
        (json.dumps(RECORD), replace(NOW, kernel="def"), False),
        (json.dumps(RECORD), replace(NOW, host="6.13.0"), False),
        (json.dumps(RECORD), replace(NOW, device=False), False),
        (json.dumps({**RECORD, "accelerator": "xen"}), NOW, False),
        ('{"accelerator": "kvm"}', NOW, False),
        ("[]", NOW, False),
        ("half a rec", NOW, False),
        ("", NOW, False),
    ],
)
def test_an_answer_holds_while_nothing_changes(text: str, now: Circumstances, holds: bool) -> None:
    assert recorded(text, now) == (RECORD if holds else None)


def test_circumstances(tmp_path: Path) -> None:
    said = {
        ("dpkg-query", "--show", "--showformat", "${Version}", "qemu-system-x86"): "1:10.0",
        ("uname", "--kernel-release"): "6.12.0\n",
    }

    def run(argv: Sequence[str]) -> CommandResult:
        return CommandResult(tuple(argv), 0, said[tuple(argv)], "")

    assert circumstances("abc", device=tmp_path, run=run) == NOW
    assert not circumstances("abc", device=tmp_path / "kvm", run=run).device


@pytest.mark.parametrize(
    ("record", "found", "runs", "changed", "settles"),
    [
        (None, "kvm", 1, True, True),
        (None, "tcg", 1, True, False),
        ("kvm", None, 0, False, True),
        # The node was too busy for the tiny VM to come up in time.
        ("tcg", "kvm", 1, True, True),
        ("tcg", "tcg", 1, False, False),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_device_that_was_of_no_use_is_tried_again_and_told(
    call: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    record: str | None,
    found: str | None,
    runs: int,
    changed: bool,
    settles: bool,
    check: bool,
) -> None:
    def boot(now: Circumstances, *_: Any, **__: Any) -> dict[str, Any]:
        booted.append(now)
        return {"accelerator": found, "reason": f"said {found}", **asdict(now)}

    booted: list[Circumstances] = []
    monkeypatch.setattr(module, "circumstances", lambda _hash: NOW)
    monkeypatch.setattr(module, "find_out", boot)
    (tmp_path / "kernel").write_text("")
    path = tmp_path / "accelerator.json"
    if record:
        before = {"accelerator": record, "reason": f"said {record}", **asdict(NOW)}
        path.write_text(json.dumps(before, indent=2, sort_keys=True) + "\n")
    result = call(module, check=check, image=str(tmp_path), hash="abc", path=str(path))
    if check:
        # What a boot would say is not known: the answer so far is told.
        assert (result["accelerator"], result["changed"], booted) == (record, record is None, [])
        return
    assert (len(booted), result["changed"]) == (runs, changed)
    assert result["accelerator"] == json.loads(path.read_text())["accelerator"] == (found or record)
    assert result["settled"] == settles
