"""The table of an agent's states, read as a whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from routing.agents import TRANSITIONS, ImpossibleTransition, Signal, State, step


def test_every_state_can_be_entered_and_left_and_every_signal_means_something() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert set(TRANSITIONS.values()) == set(State)
    assert {signal for _, signal in TRANSITIONS} == set(Signal)


def test_from_every_state_an_agent_can_become_idle_again() -> None:
    reached = {State.IDLE}
    while more := {state for (state, _), then in TRANSITIONS.items() if then in reached} - reached:
        reached |= more
    assert reached == set(State)


def test_nobody_is_offered_a_call_but_the_idle() -> None:
    assert [state for state, signal in TRANSITIONS if signal is Signal.OFFERED] == [State.IDLE]


def test_what_the_table_does_not_have_is_refused_in_words() -> None:
    with pytest.raises(ImpossibleTransition, match="an agent who is talking cannot be offered"):
        step(State.TALKING, Signal.OFFERED)


def test_the_handbook_draws_this_very_table() -> None:
    handbook = (Path(__file__).parents[2] / "docs" / "routing.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    (\w+) --> (\w+): (\w+)$", handbook, re.MULTILINE)
    assert drawn == [(state, then, signal) for (state, signal), then in TRANSITIONS.items()]
