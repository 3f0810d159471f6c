"""Tokens to syllables, syllables without tones, characters from syllables."""

from __future__ import annotations

import pytest
from pypinyin import Style, lazy_pinyin

from asr.characters import Characters
from asr.pinyin import expected_syllables, join_tokens, split_tone, syllables_of, toneless


@pytest.mark.parametrize(
    ("toned", "plain"),
    [
        ("tuì", ("tui", 4)),
        ("kuǎn", ("kuan", 3)),
        ("de", ("de", 5)),
        ("lǜ", ("lv", 4)),
        ("nǚ", ("nv", 3)),
        ("lüè", ("lve", 4)),
    ],
)
def test_tones_come_off(toned: str, plain: tuple[str, int]) -> None:
    assert split_tone(toned) == plain


def test_initials_and_finals_are_joined() -> None:
    tokens = ["w", "ǒ", "y", "ào", "t", "uì", "k", "uǎn"]
    assert toneless(join_tokens(tokens)) == ("wo", "yao", "tui", "kuan")


def test_a_final_may_stand_alone_and_an_initial_may_not() -> None:
    assert join_tokens(["èr", "sh", "b", "ā", "A", "<unk>", "○"]) == ("èr", "bā", "a")


def test_written_numbers_are_read() -> None:
    assert syllables_of("32度，1380元。OK") == ("san", "shi", "er", "du", "yi", "san", "ba", "ling", "yuan")


def test_expected_phrases_are_compared_without_tones() -> None:
    assert expected_syllables(["查订单", "！"]) == {("cha", "ding", "dan")}


@pytest.fixture(scope="module")
def characters() -> Characters:
    loaded = Characters()
    loaded.load()
    return loaded


@pytest.mark.parametrize(
    "sentence",
    ["我要退款", "查询我的订单", "今天下午三点", "什么时候发货", "请帮我转人工服务", "一三八零零", "退了三百二十元"],
)
def test_common_sentences_come_back_as_they_were_written(characters: Characters, sentence: str) -> None:
    assert characters.write(lazy_pinyin(sentence, style=Style.TONE)) == sentence


def test_expected_phrases_win_over_homophones(characters: Characters) -> None:
    toned = lazy_pinyin("晓蜜账单", style=Style.TONE)
    assert characters.write(toned) != "晓蜜账单"
    assert characters.write(toned, ["晓蜜账单"]) == "晓蜜账单"


def test_what_is_no_syllable_is_left_as_it_is(characters: Characters) -> None:
    assert characters.write(["wǒ", "xq"]) == "我xq"
    assert characters.write([]) == ""
