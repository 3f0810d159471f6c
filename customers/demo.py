"""The customers of the demo business."""

from __future__ import annotations

from dataclasses import dataclass

from customers.numbers import parse_number
from customers.store import SQL
from storage import Database


@dataclass(frozen=True, slots=True)
class _Demo:
    id: int
    name: str
    gender: str
    tier: str
    numbers: tuple[str, ...]


CUSTOMERS = (
    _Demo(1, "王建国", "male", "T2", ("13800138000",)),  # the caller of `hotline try`
    _Demo(2, "李秀英", "female", "T1", ("13800138001", "010-65551234")),
    _Demo(3, "欧阳明", "male", "T3", ("13800138002",)),
    _Demo(4, "张伟", "male", "T1", ("13800138003",)),
    _Demo(5, "刘洋", "female", "T4", ("13800138004",)),
    _Demo(6, "司马雨晴", "female", "T2", ("13800138005", "0571-88155678")),
    _Demo(7, "陈静", "female", "T1", ("13800138006",)),  # shares this number with the next: a couple
    _Demo(8, "周磊", "male", "T2", ("13800138006",)),
    _Demo(9, "赵敏", "", "T1", ("13800138007",)),  # gender not known: greeted without a title
    _Demo(10, "阿依古丽·买买提", "female", "T3", ("13800138008",)),  # no Han surname: greeted in general
    _Demo(11, "黄志强", "male", "", ("13800138009", "021-61234567")),
    _Demo(12, "诸葛青云", "male", "T4", ("13800138010",)),
)


async def load_demo(db: Database) -> None:
    """Add or restore the demo customers. May be run at every start. Raises DatabaseAway."""
    async with db.transaction() as connection:
        await connection.executemany(
            SQL["put_demo_customer"], [(each.id, each.name, each.gender, each.tier) for each in CUSTOMERS]
        )
        await connection.executemany(SQL["bind_number"], [
            (number.digits, each.id) for each in CUSTOMERS for text in each.numbers if (number := parse_number(text))
        ])
