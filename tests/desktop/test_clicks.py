"""What became of a click, folded from events."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from calls import Event
from desktop import LiveCalls
from desktop.clicks import Click, Stage

NOW = datetime(2025, 3, 3, 1, 0, tzinfo=UTC)


def clicked(live: LiveCalls, *kinds: str, call: str = "a", by: str = "1001", trunk: str = "desktop") -> list[Click]:
    for kind in kinds:
        details = {"trunk": trunk, "by": by, "caller": by, "called": "1003", "status": 486}
        live.note(Event(kind, NOW, call, details=details))
    return live.clicks.all()


@pytest.mark.parametrize(("kinds", "stage", "failed_at"), [
    ([], Stage.PHONE, None),
    (["agent.answered"], Stage.DIALLING, None),
    (["agent.answered", "call.answered", "call.bridged"], Stage.TALKING, None),
    (["agent.answered", "call.bridged", "call.ended"], Stage.OVER, None),
    (["call.ended"], Stage.OVER, None),
    (["call.not_answered", "call.ended"], Stage.FAILED, Stage.PHONE),
    (["agent.answered", "call.not_answered", "call.ended"], Stage.FAILED, Stage.DIALLING),
])
def test_where_a_click_stands(kinds: list[str], stage: Stage, failed_at: Stage | None) -> None:
    [click] = clicked(LiveCalls(), "call.invited", *kinds)
    assert (click.stage, click.failed_at, click.status) == (stage, failed_at, 486 if failed_at else 0)


def test_every_change_is_told_also_when_the_calls_in_progress_do_not_change() -> None:
    live, told = LiveCalls(), list[int]()
    clicked(live, "call.invited")
    live.subscribe(lambda: told.append(1))
    clicked(live, "agent.answered", "customer.found")
    assert told == [1]


def test_each_agent_has_the_latest_click_and_no_other_call() -> None:
    live = LiveCalls()
    clicked(live, "call.invited", "call.ended")
    clicked(live, "call.invited", call="b")
    clicked(live, "call.invited", call="c", by="1002")
    clicked(live, "call.invited", call="d", by="1003", trunk="phones")
    assert [(click.id, click.agent, click.stage) for click in clicked(live, "call.bridged", call="a")] == [
        ("b", "1001", Stage.PHONE), ("c", "1002", Stage.PHONE)]
