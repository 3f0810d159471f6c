"""Written text as it is read aloud, and where it may pause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.voice.clauses import clauses, pause_after
from ivr.voice.spoken import digit_by_digit, money, spoken


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("金额¥129.50", "金额一百二十九元五角"),
        ("￥2", "两元"),
        ("¥0.05", "五分"),
        ("¥3.05", "三元零五分"),
        ("1,299.00元", "一千二百九十九元"),
        ("订单20241105138已发货", "订单二零二四幺幺零五幺三八已发货"),
        ("请拨10086", "请拨幺零零八六"),
        ("工号0123", "工号零幺二三"),
        ("1001号客服", "一千零一号客服"),
        ("2024-11-05送达", "二零二四年十一月五日送达"),
        ("2024年3月5日", "二零二四年三月五日"),
        ("3月5日", "三月五日"),
        ("2026年", "二零二六年"),
        ("14:05", "十四点零五分"),
        ("9：00", "九点整"),
        ("共2件", "共两件"),
        ("您排在第2位", "您排在第二位"),
        ("等候12位", "等候十二位"),
        ("打3.5折", "打三点五折"),
        ("100%", "百分之一百"),
        ("请稍候", "请稍候"),
    ],
)
def test_numbers_are_spelled_out(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("yuan", "cents", "said"),
    [
        (0, 0, "零元"),
        (0, 50, "五角"),
        (2, 0, "两元"),
        (12, 20, "十二元两角"),
        (100, 1, "一百元零一分"),
        (7, 89, "七元八角九分"),
    ],
)
def test_money(yuan: int, cents: int, said: str) -> None:
    assert money(yuan, cents) == said


def test_one_is_yao_in_a_row_of_digits() -> None:
    assert digit_by_digit("13800138000") == "幺三八零零幺三八零零零"


@given(st.text(alphabet="0123456789.,:-/¥%元年月日号件第 订单", max_size=30))
def test_no_digit_is_left_and_saying_it_again_changes_nothing(written: str) -> None:
    said = spoken(written)
    assert not any(character in "0123456789" for character in said)
    assert spoken(said) == said


def test_a_sentence_is_cut_where_one_may_pause() -> None:
    assert clauses("王先生，您好。请说出您需要的服务！") == ["王先生，", "您好。", "请说出您需要的服务！"]


def test_a_single_syllable_is_joined_to_what_follows() -> None:
    assert clauses("嗯，我知道了。") == ["嗯，我知道了。"]


@pytest.mark.parametrize("text", ["", "。", "，，！", "\n"])
def test_nothing_to_say_gives_no_clause(text: str) -> None:
    assert clauses(text) == []


def test_a_full_stop_is_a_longer_pause_than_a_comma() -> None:
    assert pause_after("您好。") > pause_after("您好，") > 0


@given(st.text(alphabet="您好我，。！？；,.: \n", max_size=40))
def test_no_syllable_is_lost_in_cutting(text: str) -> None:
    kept = [character for character in "".join(clauses(text)) if character.isalnum()]
    assert kept == [character for character in text if character.isalnum()]
