"""Agents in the database, and the part of the log that the router takes up after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from calls import Event
from routing.agents import Agent
from storage import Database, queries

SQL = queries.load(Path(__file__).with_name("queries.sql"))


async def agents(db: Database) -> list[Agent]:
    """The agents who work here, by id. Raises DatabaseAway."""
    return [Agent(row["id"], row["name"], row["phone"], row["skills"]) for row in await db.fetch(SQL["agents"])]


async def save_agent(db: Database, agent: Agent) -> None:
    """Add an agent, or change one. Raises DatabaseAway, or asyncpg's UniqueViolationError when the phone is taken."""
    async with db.transaction() as connection:
        await connection.execute(SQL["put_agent"], agent.id, agent.name, agent.phone)
        await connection.execute(SQL["drop_skills"], agent.id)
        await connection.executemany(SQL["add_skill"], [(agent.id, *skill) for skill in agent.skills.items()])


async def retire_agent(db: Database, agent: str) -> None:
    """The agent works here no longer; the past keeps the name. Raises DatabaseAway."""
    await db.execute(SQL["retire_agent"], agent)


async def history(db: Database, since: datetime | None = None) -> list[Event]:
    """Events of queues and agents from ``since`` (aware; the last 24 hours when not given) for ``Router.rebuild``,
    and each agent's last sign-in, break and return before that. Raises DatabaseAway."""
    since = since or datetime.now(UTC) - timedelta(hours=24)
    return [Event(**row) for row in await db.fetch(SQL["history"], since)]
