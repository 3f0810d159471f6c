"""The account of a call, folded from its events, and the reads of the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from calls import Event, Insight
from insight import account, calls, listing, story
from storage import Database, EventLog

BEGAN = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)


def at(seconds: float, kind: str, agent: str | None = None, call_id: str = "c1", **details: object) -> Event:
    return Event(kind, BEGAN + timedelta(seconds=seconds), call_id, agent, details)


REFUND = [
    at(0, "call.invited", called="4001", caller="+86138****8000"),
    at(0.01, "call.answered"),
    at(2, "prompt.ended", text="王先生，您好。", heard=1.9),
    at(4, "caller.heard", by="voice", text="我要退款", syllables="wo yao tui kuan"),
    at(4, "intent.matched", intent="refund", confidence=0.9),
    at(5, "queue.entered", queue="refunds"),
    at(6, "queue.answered", "1002"),
    at(6, "call.bridged", leg="l2"),
    at(16, "leg.ended", by="agent"),
    at(16.5, "call.ended", by="agent", status=200),
    at(17, "recording.sealed", path="x.wav"),
]


def test_a_call_to_an_agent() -> None:
    assert account(REFUND) == Insight(
        "c1", 16.5, ("refund",), "refunds", "1002", waited=1.0, talked=10.0, solved=False, ended_by="agent",
        turns=(("hotline", "王先生，您好。"), ("caller", "我要退款")),
    )


def test_a_call_that_the_hotline_solved() -> None:
    insight = account([
        at(0, "call.invited"), at(1, "caller.pressed", key="1"), at(2, "prompt.played", text="已经签收。"),
        at(3, "flow.finished", solved=True), at(3, "call.ended", by="caller"),
    ])
    assert insight.solved
    assert insight.turns == (("caller", "1"), ("hotline", "已经签收。"))
    assert (insight.waited, insight.talked, insight.queue) == (0.0, 0.0, "")


def test_a_hang_up_while_waiting_ends_the_wait() -> None:
    insight = account([at(0, "call.invited"), at(1, "queue.entered", queue="q"), at(31, "call.ended", by="caller")])
    assert (insight.waited, insight.queue, insight.ended_by) == (30.0, "q", "caller")


def test_time_in_two_queues_and_with_two_agents_adds_up() -> None:
    insight = account([
        at(0, "call.invited"),
        at(1, "queue.entered", queue="a"), at(3, "call.bridged", "1001"), at(8, "leg.ended"),
        at(8, "queue.entered", queue="b"), at(9, "call.bridged", "1002"), at(10, "call.ended", by="caller"),
    ])
    assert (insight.waited, insight.talked, insight.queue, insight.agent) == (3.0, 6.0, "b", "1002")


def test_a_running_call_and_none_at_all() -> None:
    assert account(REFUND[:8]).ended_by == ""
    assert account([]) == Insight("", 0.0)


def test_unknown_kinds_are_passed_over() -> None:
    extra = [*REFUND[:3], at(2, "system.surprise", text="?"), *REFUND[3:]]
    assert account(extra) == account(REFUND)


async def test_a_story_is_read_back_as_it_was_told(database: Database, event_log: EventLog) -> None:
    for event in REFUND:
        event_log.append(event)
        event_log.append(at(0, "call.invited", call_id="other"))
    assert await event_log.flush()
    assert await story(database, "c1") == REFUND
    assert await story(database, "unknown") == []


async def test_the_list_has_the_newest_call_first(database: Database, event_log: EventLog) -> None:
    for event in [
        at(0, "call.invited", call_id="c0", called="4000"),
        *REFUND,
        at(20, "call.invited", call_id="c2", called="4002"),
        at(21, "agent.state", "1001", call_id="", state="idle"),
    ]:
        event_log.append(event)
    assert await event_log.flush()
    rows = await calls(database, limit=2)
    assert [(row.id, row.called, row.answered, row.ended) for row in rows] == [
        ("c2", "4002", False, False), ("c1", "4001", True, True),
    ]
    assert rows[1].insight == account(REFUND)
    assert rows[1].caller == "+86138****8000"
    assert listing(rows, timezone(timedelta(hours=8))).splitlines() == [
        "call  began           caller          called  seconds  intents  queue    agent  ended by",
        "c2    03-01 09:30:20  withheld        4002    0.0                               ringing",
        "c1    03-01 09:30:00  +86138****8000  4001    16.5     refund   refunds  1002   agent",
    ]


async def test_the_list_of_no_calls_is_its_head(database: Database) -> None:
    assert listing(await calls(database)).split() == [
        "call", "began", "caller", "called", "seconds", "intents", "queue", "agent", "ended", "by",
    ]
