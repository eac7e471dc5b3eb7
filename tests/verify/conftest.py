# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab and its guests, for every test; and the choice of tests by stage."""

from __future__ import annotations

from typing import Any

import pytest

from .lab import Lab
from .plays import variable
from .stages import STAGES, VERIFY, WHOLE, StageError, choose, complaint, unlisted

#: Folders that stand for stages: nothing is to be collected there.
collect_ignore = ["stages"]


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab that DROVER_LAB names."""
    return Lab()


@pytest.fixture(scope="session")
def declared() -> dict[str, dict[str, Any]]:
    """The guests that the inventory declares."""
    guests: dict[str, dict[str, Any]] = variable("guests")
    return guests


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that chooses the tests of a stage."""
    parser.addoption("--stage", choices=list(STAGES), help="the stage of a lab's life whose tests run, in their order")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Has pytest collect the files of the stage that is asked for, in the order in which they run."""
    if forgotten := unlisted():
        raise pytest.UsageError(f"No stage lists {', '.join(forgotten)}: see tests/verify/stages/__init__.py.")
    config = session.config
    given = [str(config.invocation_params.dir / argument) for argument in config.args]
    try:
        config.option.stage, config.args[:] = choose(config.getoption("stage"), given)
    except StageError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuses tests that say no stage, and leaves out those of another than is asked for."""
    stages = {item: _stage(item) for item in items if item.path.is_relative_to(VERIFY)}
    wrong = {item.nodeid.partition("[")[0]: text for item in stages if (text := complaint(item.path, stages[item]))}
    if wrong:
        raise pytest.UsageError(*(f"{test} {text}." for test, text in wrong.items()))
    # Not there for who has pytest collect more than these tests.
    wanted = config.getoption("stage", None)
    if wanted is not None:
        others = [item for item in items if stages.get(item) != wanted]
        items[:] = [item for item in items if stages.get(item) == wanted]
        config.hook.pytest_deselected(items=others)
    elif len(found := set(stages.values())) > 1 and not config.option.collectonly:
        names = ", ".join(name for name in STAGES if name in found)
        raise pytest.UsageError(f"These tests are of more than one stage ({names}): choose one with --stage.")
    if not WHOLE and not _named(config):
        long = [item for item in items if item in stages and item.get_closest_marker("whole")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


def _named(config: pytest.Config) -> bool:
    """Whether somebody asks for single tests by their names."""
    return any("::" in argument for argument in config.args)


def _stage(item: pytest.Item) -> str | None:
    """The stage that a test says."""
    mark = item.get_closest_marker("stage")
    return str(mark.args[0]) if mark and mark.args else None
