"""How written text is said: numbers, money, dates and times in characters, as an agent would read them aloud."""

from __future__ import annotations

import re
from collections.abc import Callable

from asr.numbers import chinese_number

_ONE_BY_ONE = str.maketrans("0123456789", "零幺二三四五六七八九")
_LONGEST_AMOUNT = 4
"""Digits; longer numbers without a unit are order or telephone numbers and are read digit by digit."""
_LONGEST_CARDINAL = 8
_UNITS = "个件元块人位分秒天年月日号点次条单台份张小米公千百万度层楼倍折"
"""A number before one of these is counted, not read digit by digit."""


def digit_by_digit(digits: str) -> str:
    """``138`` → 幺三八. One is 幺, because 一 and 七 sound alike on the telephone."""
    return digits.translate(_ONE_BY_ONE)


def money(yuan: int, cents: int = 0) -> str:
    """129 and 50 → 一百二十九元五角; 0 and 5 → 五分."""
    jiao, fen = divmod(cents, 10)
    text = f"{_cardinal(yuan)}元" if yuan or not cents else ""
    text += f"{_cardinal(jiao)}角" if jiao else ("零" if yuan and fen else "")
    return text + (f"{_cardinal(fen)}分" if fen else "")


def spoken(text: str) -> str:
    """``text`` with everything that is not written as it is said spelled out. Saying it twice changes nothing."""
    for pattern, say in _RULES:
        text = pattern.sub(say, text)
    return text


def _cardinal(number: int) -> str:
    """Before a measure word 2 is 两."""
    return "两" if number == 2 else chinese_number(number)


def _number(digits: str) -> str:
    plain = digits.replace(",", "")
    if len(plain) > _LONGEST_CARDINAL or (len(plain) > 1 and plain.startswith("0")):
        return digit_by_digit(plain)
    return chinese_number(int(plain))


def _decimal(match: re.Match[str]) -> str:
    whole, fraction = match.groups()
    return f"{_number(whole)}点{fraction.translate(str.maketrans('0123456789', '零一二三四五六七八九'))}"


def _money(match: re.Match[str]) -> str:
    yuan = match["yuan"].replace(",", "")
    if len(yuan) > _LONGEST_CARDINAL:
        return f"{digit_by_digit(yuan)}元"
    return money(int(yuan), int((match["cents"] or "0").ljust(2, "0")))


def _date(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    said = year.translate(str.maketrans("0123456789", "零一二三四五六七八九")) + "年" if year else ""
    return f"{said}{chinese_number(int(month))}月{chinese_number(int(day))}日"


def _year(match: re.Match[str]) -> str:
    return match[1].translate(str.maketrans("0123456789", "零一二三四五六七八九"))


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if not minute:
        return f"{_cardinal(hour)}点整"
    return f"{_cardinal(hour)}点{'零' if minute < 10 else ''}{chinese_number(minute)}分"


def _bare(match: re.Match[str]) -> str:
    digits = match.group()
    return digit_by_digit(digits) if len(digits) > _LONGEST_AMOUNT else _number(digits)


_AMOUNT = r"(?P<yuan>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<cents>\d{1,2}))?"
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(rf"[¥￥]\s*{_AMOUNT}"), _money),
    (re.compile(rf"{_AMOUNT}元"), _money),
    (re.compile(r"(?:(\d{4})[-/年])(\d{1,2})[-/月](\d{1,2})(?:日|号)?(?!\d)"), _date),
    (re.compile(r"(?<!\d)(\d{4})(?=年)"), _year),
    (re.compile(r"(?<![\d:])([01]?\d|2[0-3])[:：]([0-5]\d)(?::[0-5]\d)?(?![\d:])"), _time),
    (re.compile(r"(\d+(?:\.\d+)?)%"), lambda m: f"百分之{spoken(m[1])}"),
    (re.compile(r"(?<![\d.])(\d+)\.(\d+)(?![\d.])"), _decimal),
    (re.compile(r"(?<![\d第])2(?=[个件块位人天次条单台份张倍点])"), lambda m: "两"),
    (re.compile(rf"\d+(?=[{_UNITS}])"), lambda m: _number(m.group())),
    (re.compile(r"\d+"), _bare),
)
