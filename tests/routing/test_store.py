"""Agents and their skills in a real database, and a router that takes up the real log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from calls import Event
from routing import Agent
from routing.demo import AGENTS, load_demo
from routing.store import load_agents, load_events, retire_agent, save_agent
from storage import Database, EventLog


async def test_the_demo_agents_are_there_after_loading_twice(database: Database) -> None:
    await load_demo(database)
    await load_demo(database)
    assert await load_agents(database) == list(AGENTS)


async def test_an_agent_changes_skills_leaves_and_comes_back(database: Database) -> None:
    await save_agent(database, Agent("1001", "李娜", "1001", {"service": 4}))
    await save_agent(database, changed := Agent("1001", "李娜", "1009", {"refunds": 2}))
    assert await load_agents(database) == [changed]
    await retire_agent(database, "1001")
    assert await load_agents(database) == []
    await save_agent(database, changed)
    assert await load_agents(database) == [changed]


async def test_only_events_of_queues_and_agents_are_read_in_order(database: Database, event_log: EventLog) -> None:
    now = datetime.now(UTC)
    events = [Event("queue.entered", now, "a", details={"queue": "service", "priority": 0}),
              Event("call.answered", now), Event("agent.paused", now, agent="1001", details={"why": "午休"})]
    for event in [*events, Event("queue.left", now - timedelta(days=2), "b")]:
        event_log.append(event)
    await event_log.flush()
    assert await load_events(database, now - timedelta(days=1)) == [events[0], events[2]]
