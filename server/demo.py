"""The demo business: customers with orders, agents with phones, so that a newcomer can call at once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

import customers.demo
import routing.demo
import selfservice.demo
from storage import Database
from telephony.phones import PhoneAccount
from telephony.store import PhoneStore, with_password

AGENTS = ("1001", "1002", "1003")
SUPERVISORS = ("1900",)
CUSTOMERS = {"2001": "13800138000", "2002": "13800138002"}
"""Phones that play customers: user → the number that their calls come from."""


async def load_demo(database: Database, data: Path, realm: str) -> None:
    """Put the demo business into the database. May be run at every start. Raises DatabaseAway."""
    await customers.demo.load_demo(database)
    await selfservice.demo.load_demo(database)
    await routing.demo.load_demo(database)
    store = PhoneStore(database)
    for user, password in passwords(data).items():
        kind = "customer" if user in CUSTOMERS else "supervisor" if user in SUPERVISORS else "agent"
        account = PhoneAccount(user, kind=kind, number=CUSTOMERS.get(user, ""))
        await store.save(with_password(account, realm, password))


def passwords(data: Path) -> Mapping[str, str]:
    """The demo phones' passwords by user: made once, kept in a file that only its owner can read."""
    file = data / "demo-phones.json"
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    made = {user: known.get(user) or secrets.token_urlsafe(9) for user in (*AGENTS, *SUPERVISORS, *CUSTOMERS)}
    if made != known:
        file.touch(mode=0o600)
        file.write_text(json.dumps(made, indent=2), encoding="utf-8")
    return made
