"""How the caller's last order is getting on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from calls import Caller, Identity
from selfservice import Served, ServiceFailed, catalogue
from selfservice.demo import ORDERS, load_demo
from selfservice.orders import SQL, STATUSES, LatestOrder
from storage import Database

KNOWN = Caller(Identity.ONE, customer_id=1)
LATE_ON_THE_19TH = datetime(2026, 11, 19, 16, 30, tzinfo=UTC)  # half past midnight of the 20th in China


async def put(db: Database, number: int, status: str, placed: datetime, expected: date | None = None) -> None:
    await db.execute(SQL["put_demo_order"], number, 1, f"商品{number}", status, placed, expected)


async def test_the_latest_order_fills_its_values(database: Database) -> None:
    await put(database, 1, "shipped", LATE_ON_THE_19TH, date(2026, 11, 22))
    await put(database, 2, "delivered", LATE_ON_THE_19TH - timedelta(days=1))
    service = catalogue(database)["latest_order"]
    served = await service.serve(KNOWN, {})
    assert served == Served(True, {
        "product": "商品1", "status": "已经发货", "date": "11月20日", "expected": "11月22日",
    })
    assert tuple(served.values) == service.fills


async def test_a_delivered_order_expects_nothing(database: Database) -> None:
    await put(database, 1, "delivered", LATE_ON_THE_19TH, date(2026, 11, 22))
    assert (await LatestOrder(database).serve(KNOWN, {})).values["expected"] == ""


@pytest.mark.parametrize("caller", [
    KNOWN, Caller(Identity.NONE), Caller(Identity.SEVERAL), Caller(Identity.WITHHELD), Caller(Identity.UNKNOWN),
])
async def test_no_order_and_no_account_are_not_found(database: Database, caller: Caller) -> None:
    assert await LatestOrder(database).serve(caller, {}) == Served(found=False)


@pytest.mark.parametrize("status", list(STATUSES))
async def test_every_status_can_be_stored_and_spoken(database: Database, status: str) -> None:
    await put(database, 1, status, LATE_ON_THE_19TH)
    assert (await LatestOrder(database).serve(KNOWN, {})).values["status"] == STATUSES[status]


async def test_a_late_database_fails_the_service_in_time(database: Database) -> None:
    async with database.transaction() as other:
        await other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ServiceFailed, match="latest_order: the database did not answer within 20 ms"):
            await LatestOrder(database, deadline=0.02).serve(KNOWN, {})


async def test_an_absent_database_fails_the_service() -> None:
    with pytest.raises(ServiceFailed, match="latest_order: the database"):
        await LatestOrder(Database("postgresql://postgres@/hotline?host=%2Fnowhere")).serve(KNOWN, {})


async def test_the_demo_orders_stay_fresh(database: Database) -> None:
    await load_demo(database, LATE_ON_THE_19TH - timedelta(days=365))
    await load_demo(database, LATE_ON_THE_19TH)
    assert await database.fetch_value("SELECT count(*) FROM orders") == len(ORDERS)
    assert (await LatestOrder(database).serve(KNOWN, {})).values == {
        "product": "无线蓝牙耳机", "status": "正在派送", "date": "11月17日", "expected": "11月20日",
    }
