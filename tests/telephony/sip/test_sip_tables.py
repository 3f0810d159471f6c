"""The tables themselves: whole, reachable, and drawn as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from telephony.sip.diagram import page
from telephony.sip.tables import INVITE_CLIENT, INVITE_SERVER, TABLES, Action, Event, State, Table
from telephony.sip.transaction import DEEDS, TIMERS

ROOT = Path(__file__).parents[3]


def test_the_drawing_is_current() -> None:
    drawn = (ROOT / "docs" / "sip-state-machines.md").read_text(encoding="utf-8")
    assert drawn == page(), "run: python -m telephony.sip.diagram > docs/sip-state-machines.md"


def test_every_action_has_exactly_one_deed() -> None:
    assert DEEDS.keys() | TIMERS.keys() == set(Action)
    assert not DEEDS.keys() & TIMERS.keys()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_every_state_is_reached_and_leads_to_the_end(table: Table) -> None:
    states = {state for state, _ in table} | {after for after, _ in table.values()}
    reached = {State.NEW}
    for _ in states:
        reached |= {after for (state, _), (after, _) in table.items() if state in reached}
    assert reached == states
    ending = {State.TERMINATED}
    for _ in states:
        ending |= {state for (state, _), (after, _) in table.items() if after in ending}
    assert ending == states


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_no_state_waits_for_ever_for_the_network(table: Table) -> None:
    # Proceeding of an INVITE is the exception of section 17: there a human decides, and may take its time.
    for state in {state for state, _ in table} - {State.NEW}:
        if table in (INVITE_CLIENT, INVITE_SERVER) and state is State.PROCEEDING:
            continue
        assert any(event.value.startswith("timer") for at, event in table if at is state), state


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_every_timer_that_is_started_has_a_row(table: Table) -> None:
    started = {TIMERS[action][0] for _, actions in table.values() for action in actions if action in TIMERS}
    awaited = {event for _, event in table if event.value.startswith("timer")}
    assert started == awaited


@pytest.mark.parametrize(
    ("table", "state", "event", "after"),
    [
        (INVITE_CLIENT, State.CALLING, Event.HEARD_2XX, State.ACCEPTED),  # RFC 6026: not Terminated
        (INVITE_CLIENT, State.COMPLETED, Event.HEARD_FAILURE, State.COMPLETED),
        (INVITE_SERVER, State.PROCEEDING, Event.USER_2XX, State.ACCEPTED),  # RFC 6026: not Terminated
        (INVITE_SERVER, State.COMPLETED, Event.HEARD_ACK, State.CONFIRMED),
    ],
)
def test_rows_that_the_standards_spell_out(table: Table, state: State, event: Event, after: State) -> None:
    assert table[state, event][0] is after
