"""Agents and their skills in a real database, and a router that takes up the real log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from calls import Event
from routing import Agent
from routing.demo import AGENTS, load_demo
from routing.store import agents, history, retire_agent, save_agent
from storage import Database, EventLog


async def test_the_demo_agents_are_there_after_loading_twice(database: Database) -> None:
    await load_demo(database)
    await load_demo(database)
    assert await agents(database) == list(AGENTS)


async def test_an_agent_changes_skills_leaves_and_comes_back(database: Database) -> None:
    await save_agent(database, Agent("1001", "李娜", "1001", {"service": 4}))
    await save_agent(database, changed := Agent("1001", "李娜", "1009", {"refunds": 2}))
    assert await agents(database) == [changed]
    await retire_agent(database, "1001")
    assert await agents(database) == []
    await save_agent(database, changed)
    assert await agents(database) == [changed]


async def test_the_history_is_a_day_of_queues_and_agents_and_who_was_signed_out_before(
        database: Database, event_log: EventLog) -> None:
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=9)
    told = [
        Event("agent.presence", long_ago, agent="1001", details={"signed_in": False, "reachable": True}),
        Event("queue.entered", now, "a", details={"queue": "service", "priority": 0}),
        Event("agent.paused", now, agent="1001", details={"why": "午休"}),
    ]
    untold = [Event("queue.left", long_ago, "b"), Event("call.answered", now, "a"),
              Event("agent.presence", long_ago, agent="1001", details={"signed_in": True, "reachable": True})]
    for event in [*untold, *told]:
        event_log.append(event)
    await event_log.flush()
    assert await history(database) == told
