# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The states of a migration: what is told of them, what is allowed, and stories from the start to each end."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.migration.states import (
    PHASES,
    PLACES,
    Heard,
    IllegalTransition,
    Machine,
    Phase,
    Place,
    Step,
)

TABLES: list[tuple[type[Enum], type[Enum], Mapping[tuple[Any, Any], Any]]] = [
    (Phase, Step, PHASES),
    (Place, Heard, PLACES),
]


def written(states: type[Enum], events: type[Enum]) -> dict[tuple[Enum, Enum], Enum]:
    """The table in a state's docstring: after a line with "::", a line each with a state and its transitions."""
    text = str(states.__doc__).partition("::\n\n")[2].partition("\n\n")[0]
    found = {}
    for line in text.splitlines():
        state, _, ways = line.strip().partition(" ")
        for way in ways.split(","):
            event, _, to = way.strip().partition(" -> ")
            found[states[state], events(event)] = states[to]
    return found


@pytest.mark.parametrize(("states", "events", "table"), TABLES)
def test_the_table_that_is_written_down_is_the_one_in_force(
    states: type[Enum], events: type[Enum], table: Mapping[tuple[Any, Any], Any]
) -> None:
    assert written(states, events) == table


@pytest.mark.parametrize(
    ("table", "state", "event"),
    [
        pytest.param(table, state, event, id=f"{state.name}-{event.name}")
        for states, events, table in TABLES
        for state in states
        for event in events
        if (state, event) not in table
    ],
)
def test_what_the_table_does_not_have_is_refused(table: Mapping[tuple[Any, Any], Any], state: Any, event: Any) -> None:
    machine: Machine[Any, Any] = Machine(state, table)
    with pytest.raises(IllegalTransition, match=f'"{state.value}" knows no "{event.value}"'):
        machine.on(event)
    assert machine.state is state


def test_a_vm_that_has_stopped_does_not_go_on_here_before_the_target_was_asked() -> None:
    assert (Place.STOPPED, Heard.RESUMED) not in PLACES


def test_the_target_is_asked_once() -> None:
    answers = {Heard.STAYS, Heard.LANDED, Heard.UNKNOWN}
    assert {state for state, event in PLACES if event in answers} == {Place.HERE, Place.STOPPED}


def test_neither_end_leads_to_the_other() -> None:
    assert {to for (state, _event), to in PHASES.items() if state is Phase.MOVED} == {Phase.MOVED}
    assert not [event for state, event in PHASES if state is Phase.FAILED]


def test_libvirt_may_tell_of_a_stop_at_any_time() -> None:
    assert all((place, Heard.STOPPED) in PLACES for place in Place)


@pytest.mark.parametrize(("states", "_events", "table"), TABLES)
def test_there_is_a_way_to_each_state(
    states: type[Enum], _events: type[Enum], table: Mapping[tuple[Any, Any], Any]
) -> None:
    first, *others = states
    reached, before = {first}, set[Enum]()
    while reached != before:
        before = set(reached)
        reached |= {to for (state, _event), to in table.items() if state in reached}
    assert reached == {first, *others}


@pytest.mark.parametrize(
    ("story", "end"),
    [
        ([Step.BEGUN, Step.ARRIVED], Phase.MOVED),
        ([Step.BEGUN, Step.ORDERED, Step.ORDERED, Step.ARRIVED, Step.ORDERED], Phase.MOVED),
        ([Step.FAILED], Phase.FAILED),
        ([Step.BEGUN, Step.FAILED], Phase.FAILED),
        ([Step.BEGUN, Step.ORDERED, Step.FAILED], Phase.FAILED),
    ],
)
def test_stories_of_a_migration(story: Sequence[Step], end: Phase) -> None:
    machine = Machine(Phase.SETUP, PHASES)
    assert [machine.on(step) for step in story][-1] is machine.state is end


@pytest.mark.parametrize(
    ("story", "end"),
    [
        pytest.param([Heard.STOPPED], Place.STOPPED, id="libvirt saw to the end of it"),
        pytest.param([Heard.STOPPED, Heard.STAYS, Heard.RESUMED], Place.STAYED, id="it failed and goes on here"),
        pytest.param([Heard.STOPPED, Heard.LANDED, Heard.RESUMED], Place.LANDED, id="it failed and runs there"),
        pytest.param([Heard.STOPPED, Heard.UNKNOWN, Heard.RESUMED], Place.DOUBTFUL, id="it failed, nobody knows"),
        pytest.param([Heard.STAYS], Place.STAYED, id="the daemon was lost, and it stays"),
        pytest.param([Heard.LANDED], Place.LANDED, id="the daemon was lost, and it runs there"),
        pytest.param([Heard.STAYS, Heard.STOPPED, Heard.RESUMED], Place.STAYED, id="stopped again"),
        pytest.param([Heard.RESUMED, Heard.STOPPED, Heard.STOPPED], Place.STOPPED, id="told twice"),
    ],
)
def test_stories_of_a_vm(story: Sequence[Heard], end: Place) -> None:
    machine = Machine(Place.HERE, PLACES)
    assert [machine.on(event) for event in story][-1] is machine.state is end


def test_of_two_threads_with_an_answer_one_is_heard() -> None:
    machine, refused = Machine(Place.STOPPED, PLACES), []
    start = threading.Barrier(2)

    def answer() -> None:
        start.wait(10)
        try:
            machine.on(Heard.STAYS)
        except IllegalTransition as error:
            refused.append(error)

    threads = [threading.Thread(target=answer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (machine.state, len(refused)) == (Place.STAYED, 1)
