"""Who is calling, from the number alone, in time for the greeting or not at all."""

from __future__ import annotations

import logging

import asyncpg

from calls import Caller, Identity, PhoneNumber
from calls.errors import DatabaseAway
from customers.names import surname_of, title_of
from customers.store import Customer, customers_of
from storage import Database, within

log = logging.getLogger(__name__)


async def identify(db: Database, number: PhoneNumber | None, *, deadline: float = 0.05) -> Caller:
    """The caller behind ``number``, after at most ``deadline`` seconds. Never raises: a look-up that is late or fails
    gives ``UNKNOWN``, and the call goes on without it."""
    if number is None:
        return Caller(Identity.WITHHELD)
    try:
        found = await within(deadline, customers_of(db, number, limit=2))  # two are enough to know "several"
    except (DatabaseAway, asyncpg.PostgresError) as error:
        log.warning("%s was not looked up: %s", number, error)
        return Caller(Identity.UNKNOWN, number)
    match found:
        case []:
            return Caller(Identity.NONE, number)
        case [customer]:
            return _known(customer, number)
        case _:
            return Caller(Identity.SEVERAL, number)


def _known(customer: Customer, number: PhoneNumber) -> Caller:
    return Caller(
        Identity.ONE,
        number,
        customer_id=customer.id,
        name=customer.name,
        surname=customer.surname or surname_of(customer.name),
        title=title_of(customer.gender),
        tier=customer.tier,
    )
