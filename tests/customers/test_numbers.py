"""The many spellings of a caller's number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers import parse_number


@pytest.mark.parametrize("spelling", [
    "+8613800138000", "008613800138000", "8613800138000", "013800138000", "13800138000",
    "138 0013 8000", "+86-138-0013-8000", "１３８００１３８０００", "1795113800138000",
])
def test_one_mobile_number_has_one_spelling(spelling: str) -> None:
    number = parse_number(spelling)
    assert number is not None
    assert number.digits == "+8613800138000"


@pytest.mark.parametrize(("spelling", "digits"), [
    ("02161234567", "+862161234567"),
    ("(021) 6123-4567", "+862161234567"),
    ("0571-88155678", "+8657188155678"),
    ("+8657188155678", "+8657188155678"),
    ("862161234567", "+862161234567"),
    ("4008001234", "+864008001234"),
    ("800 810 8888", "+868008108888"),
    ("+14155552671", "+14155552671"),
    ("0014155552671", "+14155552671"),
    ("+85223456789", "+85223456789"),
])
def test_public_numbers_become_e164(spelling: str, digits: str) -> None:
    number = parse_number(spelling)
    assert number is not None
    assert number.digits == digits


@pytest.mark.parametrize(("spelling", "digits"), [
    ("95188", "95188"), ("+8695188", "95188"), ("095188", "95188"), ("10086", "10086"), ("+8612345", "12345"),
    ("9518812", "9518812"), ("8001", "8001"), ("1001", "1001"), ("110", "110"),
])
def test_service_numbers_and_extensions_stay_as_dialled(spelling: str, digits: str) -> None:
    number = parse_number(spelling)
    assert number is not None
    assert number.digits == digits


@pytest.mark.parametrize("spelling", [
    None, "", "  ", "anonymous", "Anonymous", "unavailable", "unknown", "restricted", "private", '"private"', "匿名",
    "0000000", "+", "+0", "alice", "1800FLOWERS", "+86138+00138000", "9" * 21,
])
def test_withheld_and_no_number(spelling: str | None) -> None:
    assert parse_number(spelling) is None


@given(st.text(max_size=30))
def test_any_text_gives_a_number_or_none(text: str) -> None:
    number = parse_number(text)
    assert number is None or number.digits.removeprefix("+").isascii()


@given(st.from_regex(r"\A\+?[0-9]{1,20}\Z"))
def test_what_was_parsed_parses_to_itself(text: str) -> None:
    number = parse_number(text)
    if number is not None:
        assert parse_number(number.digits) == number


@given(st.sampled_from(["", "0", "86", "0086", "+86"]), st.sampled_from(["139", "188", "150"]),
       st.integers(0, 99_999_999))
def test_every_prefix_of_a_mobile_number_means_the_same(prefix: str, block: str, rest: int) -> None:
    national = f"{block}{rest:08}"
    number = parse_number(prefix + national)
    assert number is not None
    assert number.digits == "+86" + national
