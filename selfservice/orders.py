"""``latest_order``: how the caller's last order is getting on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import asyncpg

from calls import Caller
from calls.errors import DatabaseAway
from selfservice.service import Served, ServiceFailed
from storage import Database, queries, within

SQL = queries.load(Path(__file__).with_name("queries.sql"))

CHINA = timezone(timedelta(hours=8))
"""The one zone of the business; it has had no summer time since 1991."""

STATUSES = {
    "unpaid": "等待付款",
    "paid": "等待发货",
    "shipped": "已经发货",
    "delivering": "正在派送",
    "delivered": "已经签收",
    "cancelled": "已经取消",
    "refunding": "正在退款",
    "refunded": "已经退款",
}
"""Order status as stored → as spoken."""

_ON_THE_WAY = frozenset({"paid", "shipped", "delivering"})


@dataclass(frozen=True, slots=True)
class LatestOrder:
    """Fills ``product``, ``status``, ``date`` (ordered on) and ``expected`` (delivery; empty unless on the way)."""

    db: Database
    deadline: float = 1.0
    name: str = "latest_order"
    fills: tuple[str, ...] = ("product", "status", "date", "expected")

    async def serve(self, caller: Caller, slots: Mapping[str, str]) -> Served:
        if caller.customer_id is None:
            return Served(found=False)
        try:
            row = await within(self.deadline, self.db.fetch_one(SQL["latest_order"], caller.customer_id))
        except (DatabaseAway, asyncpg.PostgresError) as error:
            raise ServiceFailed(self.name, str(error)) from error
        if row is None:
            return Served(found=False)
        placed: datetime = row["placed_at"]
        expected: date | None = row["expected_on"] if row["status"] in _ON_THE_WAY else None
        return Served(found=True, values={
            "product": row["product"],
            "status": STATUSES[row["status"]],
            "date": spoken_day(placed.astimezone(CHINA).date()),
            "expected": spoken_day(expected) if expected else "",
        })


def spoken_day(day: date) -> str:
    """``11月20日``: a caller asks about this year's orders, and the voice reads it as 十一月二十号."""
    return f"{day.month}月{day.day}日"
