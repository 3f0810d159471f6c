"""Customers in the database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calls import PhoneNumber
from storage import Database, queries

SQL = queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class Customer:
    """One account. ``gender`` is ``male``, ``female`` or empty; ``tier`` is ``T1`` to ``T4`` or empty."""

    id: int
    name: str
    surname: str
    gender: str
    tier: str


async def customers_of(db: Database, number: PhoneNumber, limit: int = 20) -> list[Customer]:
    """The customers that the number is bound to, oldest first. Raises DatabaseAway."""
    rows = await db.fetch(SQL["customers_of_number"], number.digits, limit)
    return [Customer(**row) for row in rows]


async def add_customer(
    db: Database, name: str, *numbers: PhoneNumber, surname: str = "", gender: str = "", tier: str = ""
) -> int:
    """Add a customer with its numbers; return its id. Raises DatabaseAway, or asyncpg's CheckViolationError."""
    async with db.transaction() as connection:
        customer_id: int = await connection.fetchval(SQL["add_customer"], name, surname, gender, tier)
        await connection.executemany(SQL["bind_number"], [(number.digits, customer_id) for number in numbers])
    return customer_id
