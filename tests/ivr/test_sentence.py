"""Sentences: placeholders, clauses, and what is said where a value is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivr.sentence import Sentence, unfolded

ORDER = Sentence("您最近一笔订单，是{date}下单的{product}，现在{status}。预计{expected}送到。")


def test_values_fill_their_places() -> None:
    values = {"product": "咖啡机", "status": "正在派送", "date": "11月20日", "expected": "11月23日"}
    assert ORDER.complete(values)
    assert ORDER.fill(values) == "您最近一笔订单，是11月20日下单的咖啡机，现在正在派送。预计11月23日送到。"


def test_a_clause_without_its_value_is_left_out() -> None:
    values = {"product": "咖啡机", "status": "已经签收", "date": "11月20日", "expected": ""}
    assert not ORDER.complete(values)
    assert ORDER.fill(values) == "您最近一笔订单，是11月20日下单的咖啡机，现在已经签收。"
    assert Sentence("{caller.address}，您好。").fill({}) == "您好。"
    assert Sentence("{caller.address}").fill({}) == ""


def test_only_clauses_without_placeholders_can_be_rendered_ahead() -> None:
    assert ORDER.fixed == ("您最近一笔订单，",)
    assert Sentence("好的，请稍等。").fixed == ("好的，请稍等。",)


def test_a_value_is_never_read_as_a_placeholder() -> None:
    assert Sentence("是{product}。").fill({"product": "{status}", "status": "坏"}) == "是{status}。"


@given(st.text("，。？您好{}ab ", max_size=20))
def test_a_sentence_without_placeholders_is_said_as_it_stands(text: str) -> None:
    sentence = Sentence(text)
    if sentence.balanced and not sentence.placeholders:
        assert sentence.fill({}) in {text, "".join(sentence.clauses)}


def test_wrapping_adds_no_spaces_between_characters() -> None:
    assert unfolded(" 您好， 再见。 OK go ") == "您好，再见。 OK go"
