"""The orders of the demo business: always fresh, their days counted back from the day of loading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from selfservice.orders import CHINA, SQL
from storage import Database


@dataclass(frozen=True, slots=True)
class _Demo:
    customer: int
    """The id of a demo customer (``customers.demo``)."""
    product: str
    status: str
    days_ago: int
    arrives_in: int | None = None


ORDERS = (
    _Demo(1, "无线蓝牙耳机", "delivering", 3, 0),
    _Demo(1, "保温杯", "delivered", 40),
    _Demo(1, "儿童安全座椅", "refunded", 95),
    _Demo(2, "电饭煲", "shipped", 2, 2),
    _Demo(2, "羊毛围巾", "delivered", 21),
    _Demo(3, "空气净化器", "paid", 1, 4),
    _Demo(4, "运动鞋", "refunding", 9),
    _Demo(5, "笔记本电脑", "delivered", 6),
    _Demo(5, "手机壳", "cancelled", 30),
    _Demo(6, "婴儿推车", "shipped", 4, 1),
    _Demo(7, "电动牙刷", "unpaid", 0),
    _Demo(8, "机械键盘", "delivered", 12),
    _Demo(10, "葡萄干礼盒", "delivering", 5, 0),
    _Demo(11, "行车记录仪", "paid", 1, 3),
    _Demo(12, "紫砂茶壶", "delivered", 2),
)


async def load_demo(db: Database, now: datetime | None = None) -> None:
    """Add or refresh the demo orders. May be run at every start. Raises DatabaseAway."""
    moment = now or datetime.now(UTC)
    today = moment.astimezone(CHINA).date()
    await db.execute_many(SQL["put_demo_order"], [
        (
            number, order.customer, order.product, order.status, moment - timedelta(days=order.days_ago),
            None if order.arrives_in is None else today + timedelta(days=order.arrives_in),
        )
        for number, order in enumerate(ORDERS, start=1)
    ])
