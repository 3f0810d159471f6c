"""The agents of the demo business. Their phones register under the agent's number."""

from __future__ import annotations

from routing.agents import Agent
from routing.store import save_agent
from storage import Database

AGENTS = (
    Agent("1001", "李娜", "1001", {"service": 4, "refunds": 3}),
    Agent("1002", "张伟", "1002", {"service": 3}),
    Agent("1003", "陈静", "1003", {"refunds": 5, "complaints": 4}),
)


async def load_demo(db: Database) -> None:
    """Add or restore the demo agents. May be run at every start. Raises DatabaseAway."""
    for agent in AGENTS:
        await save_agent(db, agent)
