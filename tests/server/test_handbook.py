"""What the handbook tells an operator to type does what it says."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

from customers import identify
from customers.numbers import parse_number
from routing import Queue
from routing.store import agents
from server.settings import Settings
from server.trunk_settings import TrunkSettings
from storage import Database
from telephony.phones import PhoneAccount
from telephony.store import PhoneStore, with_password

RUNNING = Path(__file__).parents[2] / "docs" / "running.md"


async def test_agents_phones_and_customers_are_added_by_these_rows(database: Database) -> None:
    [rows] = re.findall(r"```sql\n(.*?)```", RUNNING.read_text(encoding="utf-8"), re.DOTALL)
    await database.execute(rows)
    wanted = with_password(PhoneAccount("1101", display_name="陈晨"), "hotline", "the password")
    assert await PhoneStore(database).accounts() == [wanted]
    [agent] = await agents(database)
    assert (agent.id, agent.phone, agent.skills) == ("1101", "1101", {"refunds": 4})
    caller = await identify(database, parse_number("13800138000"), deadline=5)
    assert (caller.name, caller.title, caller.tier) == ("王建国", "先生", "T2")


def test_every_setting_is_in_the_handbook() -> None:
    handbook = "".join(page.read_text(encoding="utf-8") for page in RUNNING.parent.glob("*.md"))
    sections = {name: section for name, section in get_type_hints(Settings).items() if is_dataclass(section)}
    named = [f"[{name}] {each.name}" for name, section in sections.items() for each in fields(section)]
    named += [f"[[trunks]] {each.name}" for each in fields(TrunkSettings)]
    named += [f"[queues.NAME] {each.name}" for each in fields(Queue) if each.name != "name"]
    assert [each for each in named if not re.search(rf"\b{each.split()[1]}\b", handbook)] == []
