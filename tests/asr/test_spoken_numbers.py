"""Numbers and dates as callers say them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.numbers import chinese_number, spoken_date, spoken_digits, spoken_number
from asr.pinyin import syllables_of

TODAY = date(2026, 3, 20)  # a Friday


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("一三八零零一三八零零零", "13800138000"),
        ("幺三八洞洞幺拐勾两", "138001792"),
        ("订单号是三四五六", "3456"),
        ("没有", ""),
    ],
)
def test_digits(said: str, digits: str) -> None:
    assert spoken_digits(syllables_of(said)) == digits


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("五", 5), ("十", 10), ("十二", 12), ("二十", 20), ("九十九", 99),
        ("一百", 100), ("一百零五", 105), ("一百一十二", 112), ("两百三十", 230), ("两百三", 230),
        ("一千零五", 1_005), ("一千五", 1_500), ("三千两百", 3_200),
        ("一万", 10_000), ("三万二", 32_000), ("三万零五十", 30_050), ("一百二十三万四千五百六十七", 1_234_567),
    ],
)  # fmt: skip
def test_cardinals(said: str, number: int) -> None:
    assert spoken_number(syllables_of(said)) == number


@pytest.mark.parametrize("said", ["", "退款", "一二三", "百", "十百", "五五十", "万"])
def test_what_is_no_cardinal(said: str) -> None:
    assert spoken_number(syllables_of(said)) is None


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("今天", date(2026, 3, 20)),
        ("昨天晚上买的", date(2026, 3, 19)),
        ("前天", date(2026, 3, 18)),
        ("大前天", date(2026, 3, 17)),
        ("明天", date(2026, 3, 21)),
        ("后天", date(2026, 3, 22)),
        ("三月五号", date(2026, 3, 5)),
        ("我是三月五号买的", date(2026, 3, 5)),
        ("三月十五日", date(2026, 3, 15)),
        ("十一月十一号", date(2025, 11, 11)),
        ("去年十二月三十一号", date(2025, 12, 31)),
        ("二零二四年三月五号", date(2024, 3, 5)),
        ("五号", date(2026, 3, 5)),
        ("二十五号", date(2026, 2, 25)),
        ("上个月五号", date(2026, 2, 5)),
        ("星期三", date(2026, 3, 18)),
        ("星期天", date(2026, 3, 15)),
        ("上周三", date(2026, 3, 11)),
        ("上个星期五", date(2026, 3, 13)),
        ("这周天", date(2026, 3, 22)),
    ],
)
def test_dates(said: str, day: date) -> None:
    assert spoken_date(syllables_of(said), TODAY) == day


@pytest.mark.parametrize("said", ["退款", "二月三十号", "三月", "号", "周"])
def test_what_is_no_date(said: str) -> None:
    assert spoken_date(syllables_of(said), TODAY) is None


@given(st.integers(0, 99_999_999))
def test_a_number_that_is_written_out_is_heard_as_itself(number: int) -> None:
    assert spoken_number(syllables_of(chinese_number(number))) == number


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="99999999"):
        chinese_number(-1)


@given(st.lists(st.sampled_from(["yi", "er", "shi", "bai", "qian", "wan", "ling", "wu", "yue", "hao", "nian", "zhou"])))
def test_no_row_of_syllables_upsets_the_parsers(syllables: list[str]) -> None:
    spoken_number(syllables)
    spoken_date(syllables, TODAY)
