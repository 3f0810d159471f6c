"""Who is calling, from the number, within the deadline."""

from __future__ import annotations

import asyncio
import logging
import time

import asyncpg
import pytest

from calls import Caller, Identity, PhoneNumber
from customers import add_customer, customers_of, identify, parse_number
from customers.demo import CUSTOMERS, load_demo
from customers.names import surname_of
from storage import Database

NUMBER = PhoneNumber("+8613800138000")


async def test_one_account_gives_name_title_and_tier(database: Database) -> None:
    customer_id = await add_customer(database, "王建国", NUMBER, gender="male", tier="T2")
    caller = await identify(database, NUMBER, deadline=5)
    assert caller == Caller(Identity.ONE, NUMBER, customer_id, "王建国", "王", "先生", "T2")
    assert caller.address == "王先生"


async def test_a_stored_surname_wins_over_the_name(database: Database) -> None:
    await add_customer(database, "买买提·艾力", NUMBER, surname="艾", gender="male")
    assert (await identify(database, NUMBER, deadline=5)).address == "艾先生"


async def test_without_gender_nobody_is_addressed_by_a_guess(database: Database) -> None:
    await add_customer(database, "赵敏", NUMBER)
    caller = await identify(database, NUMBER, deadline=5)
    assert (caller.identity, caller.surname, caller.title, caller.address) == (Identity.ONE, "赵", "", "")


async def test_several_accounts_tell_no_name(database: Database) -> None:
    await add_customer(database, "陈静", NUMBER, gender="female")
    await add_customer(database, "周磊", NUMBER, gender="male")
    assert await identify(database, NUMBER, deadline=5) == Caller(Identity.SEVERAL, NUMBER)
    assert [customer.name for customer in await customers_of(database, NUMBER)] == ["陈静", "周磊"]


async def test_an_unbound_and_a_withheld_number(database: Database) -> None:
    assert await identify(database, NUMBER, deadline=5) == Caller(Identity.NONE, NUMBER)
    assert await identify(database, None) == Caller(Identity.WITHHELD)


async def test_a_late_answer_is_not_waited_for(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await add_customer(database, "王建国", NUMBER)
    async with database.transaction() as other:
        await other.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        caller = await identify(database, NUMBER)
        assert time.monotonic() - began < 1.0  # the lock would have held it for ever
    assert caller == Caller(Identity.UNKNOWN, NUMBER)
    assert "did not answer within 50 ms" in caplog.text
    assert NUMBER.digits not in caplog.text


async def test_a_database_that_is_away_gives_unknown() -> None:
    nowhere = Database("postgresql://postgres@/hotline?host=%2Fnowhere")
    assert await identify(nowhere, NUMBER) == Caller(Identity.UNKNOWN, NUMBER)


async def test_a_missing_table_gives_unknown(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await database.execute("DROP TABLE customer_numbers")
    with caplog.at_level(logging.WARNING):
        assert (await identify(database, NUMBER, deadline=5)).identity is Identity.UNKNOWN
    assert "customer_numbers" in caplog.text


async def test_hang_up_during_the_look_up_is_a_cancellation(database: Database) -> None:
    async with database.transaction() as other:
        await other.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        task = asyncio.create_task(identify(database, NUMBER, deadline=60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_tier_that_does_not_exist_is_refused(database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await add_customer(database, "王建国", NUMBER, tier="T9")


@pytest.mark.parametrize(("name", "surname"), [
    ("王伟", "王"), ("欧阳明", "欧阳"), ("欧阳", "欧"), ("诸葛青云", "诸葛"), ("司马光", "司马"), ("欧文", "欧"),
    ("张王李丽", "张"), ("阿依古丽·买买提", ""), ("Ann Lee", ""), ("王", ""), ("", ""),
])
def test_surnames(name: str, surname: str) -> None:
    assert surname_of(name) == surname


async def test_the_demo_business_can_be_loaded_again_and_again(database: Database) -> None:
    await load_demo(database)
    await load_demo(database)
    assert await database.fetch_value("SELECT count(*) FROM customers") == len(CUSTOMERS)
    caller = await identify(database, parse_number("13800138000"), deadline=5)
    assert caller.address == "王先生"
    assert (await identify(database, parse_number("13800138006"), deadline=5)).identity is Identity.SEVERAL
    assert (await identify(database, parse_number("13800138002"), deadline=5)).address == "欧阳先生"


async def test_a_new_customer_does_not_collide_with_the_demo(database: Database) -> None:
    await load_demo(database)
    assert await add_customer(database, "新客户") > 1000
