"""Calls in progress, folded from events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from calls import Event
from desktop import LiveCalls
from desktop.live import LiveCall, Stage

BEGAN = datetime(2025, 3, 3, 1, 0, tzinfo=UTC)


def happens(live: LiveCalls, seconds: float, kind: str, agent: str | None = None, **details: object) -> LiveCall | None:
    live.note(Event(kind, BEGAN + timedelta(seconds=seconds), "a", agent, details))
    return next(iter(live.all()), None)


def test_a_call_from_invite_to_end() -> None:
    live, began = LiveCalls(), BEGAN.timestamp()
    seen: list[int] = []
    end = live.subscribe(lambda: seen.append(len(live)))
    assert happens(live, 0, "call.invited", caller="+86138****8000", called="95188") == LiveCall(
        "a", "+86138****8000", "95188", began, began, Stage.ARRIVING)
    story = [
        (1, "call.answered", None, Stage.FLOW, "", ""), (9, "queue.entered", None, Stage.WAITING, "refunds", ""),
        (9, "queue.offered", "1001", Stage.RINGING, "refunds", "1001"),
        (12, "queue.refused", "1001", Stage.WAITING, "refunds", ""),
        (12, "queue.offered", "1002", Stage.RINGING, "refunds", "1002"),
        (15, "queue.answered", "1002", Stage.TALKING, "refunds", "1002"),
        (15, "call.bridged", None, Stage.TALKING, "refunds", "1002"),
        (40, "agent.talked", "1002", Stage.FLOW, "refunds", ""),
    ]
    for at, kind, agent, stage, queue, shown in story:
        call = happens(live, at, kind, agent, queue=queue)
        assert call is not None
        assert (call.stage, call.queue, call.agent) == (stage, queue, shown)
    assert happens(live, 41, "call.ended") is None
    end()
    happens(live, 50, "call.invited")
    assert seen == [1] * 9 + [0]


def test_the_time_in_a_stage_runs_from_its_beginning() -> None:
    live = LiveCalls()
    happens(live, 0, "call.invited")
    happens(live, 5, "queue.answered", "1001")
    call = happens(live, 7, "call.bridged")
    assert call is not None
    assert call.since == BEGAN.timestamp() + 5


def test_a_call_whose_beginning_was_not_seen_is_not_shown() -> None:
    live = LiveCalls()
    assert happens(live, 0, "queue.entered", queue="refunds") is None
    live.note(Event("agent.paused", BEGAN, agent="1001"))
    assert len(live) == 0
