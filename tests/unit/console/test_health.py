# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Pacemaker is told of a console that answers, that is ill, that comes back."""

from __future__ import annotations

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.console.health import Health
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult

NAME = ["attrd_updater", "--name", "drover-console"]
WELL, ILL = [*NAME, "--update", "1"], [*NAME, "--delete"]


def told(*looks: tuple[float, bool], down_until: float = 0.0) -> list[tuple[float, list[str]]]:
    """When Pacemaker is told what, of looks at these moments. It runs only after ``down_until``."""
    said: list[tuple[float, list[str]]] = []
    now = 0.0

    def run(argv: list[str], **_: Any) -> CommandResult:
        if now < down_until:
            raise CommandError("not connected")
        said.append((now, argv))
        return CommandResult(tuple(argv), 0, "", "")

    health = Health(run, lambda: now)
    for now, answered in looks:  # noqa: B007
        health.saw(answered)
    return said


def test_a_short_silence_is_none() -> None:
    assert told((0, True), (1, True), (2, False), (5, False), (6, True)) == [(0, WELL)]


def test_a_long_silence_is_told_and_its_end() -> None:
    assert told((0, True), (3, False), (5, False), (6, False), (7, True)) == [(0, WELL), (5, ILL), (7, WELL)]


def test_pacemaker_that_comes_later_is_told_again() -> None:
    assert told((0, True), (1, True), (2, True), down_until=2) == [(2, WELL)]
    assert [when for when, _ in told(*((float(at), True) for at in range(31)))] == [0, 15, 30]
