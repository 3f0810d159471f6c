"""Chinese numbers: spoken syllables to digits, amounts and dates, and numbers to characters.

Syllables are toneless pinyin, as a recogniser hears them, so ``shi`` may be 十 or 是 and ``er`` 二 or 儿: a caller asks
for the kind of thing that was asked for, and gets None when the syllables cannot be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

_DIGITS = {
    "ling": 0, "dong": 0,
    "yi": 1, "yao": 1,
    "er": 2, "liang": 2,
    "san": 3, "si": 4, "wu": 5, "liu": 6,
    "qi": 7, "guai": 7,
    "ba": 8,
    "jiu": 9, "gou": 9,
}  # fmt: skip
"""洞 0, 幺 1, 两 2, 拐 7, 勾 9 beside the plain digits, as numbers are read over the telephone."""
_UNITS = {"shi": 10, "bai": 100, "qian": 1_000}
_NUMERALS = "零一二三四五六七八九"
_YESTERDAY_AND_SUCH = (
    (("da", "qian", "tian"), -3),
    (("qian", "tian"), -2),
    (("zuo", "tian"), -1),
    (("zuo", "ri"), -1),
    (("zuo", "wan"), -1),
    (("jin", "tian"), 0),
    (("jin", "ri"), 0),
    (("ming", "tian"), 1),
    (("da", "hou", "tian"), 3),
    (("hou", "tian"), 2),
)
_WEEK = (("xing", "qi"), ("li", "bai"), ("zhou",))
_SUNDAY = frozenset(["tian", "ri"])


def spoken_digits(syllables: Sequence[str]) -> str:
    """The digits in ``syllables``, read one by one: ``yao san ba`` → ``138``. What is no digit is passed over."""
    return "".join(str(_DIGITS[s]) for s in syllables if s in _DIGITS)


def spoken_number(syllables: Sequence[str]) -> int | None:
    """A cardinal below 10^8: 两百三十 → 230, 两百三 → 230, 一千零五 → 1005, 三万二 → 32000. None when it is none."""
    if "wan" not in syllables:
        return _below_myriad(syllables)
    at = list(syllables).index("wan")
    myriads, rest = _below_myriad(syllables[:at]), syllables[at + 1 :]
    if len(rest) == 1:  # 三万二: the unit below is left unsaid
        below: int | None = _DIGITS[rest[0]] * 1_000 if rest[0] in _DIGITS else None
    else:
        below = _below_myriad(rest[1:] if rest[0] == "ling" else rest) if rest else 0
    return None if not myriads or below is None else myriads * 10_000 + below


def spoken_date(syllables: Sequence[str], today: date) -> date | None:
    """A day: 今天, 昨天, 前天, 星期三, 上周三, 三月五号, 五号, 上个月五号, 二零二四年三月五号.

    What is left unsaid is taken so that the day is the latest one not after tomorrow: callers speak of what they
    ordered. None when no date is in it, or no such day exists (二月三十号).
    """
    words = tuple(syllables)
    for names, days in _YESTERDAY_AND_SUCH:
        if _find(words, names) is not None:
            return today + timedelta(days=days)
    return _weekday(words, today) or _calendar_day(words, today)


def chinese_number(number: int) -> str:
    """``number`` (0 to 99,999,999) in characters: 230 → 二百三十, 1005 → 一千零五, 12 → 十二."""
    if not 0 <= number < 100_000_000:
        raise ValueError(f"{number} is not from 0 to 99999999")
    myriads, below = divmod(number, 10_000)
    text = _group(below)
    if myriads:
        text = _group(myriads) + "万" + ("零" if 0 < below < 1_000 else "") + text
    return text[1:] if text.startswith("一十") else text or "零"


def _group(number: int) -> str:
    """0 to 9,999; nothing for 0."""
    text = ""
    for unit, name in ((1_000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            text += _NUMERALS[digit] + name
        elif text and number and not text.endswith("零"):
            text += "零"
    return text


def _below_myriad(syllables: Sequence[str]) -> int | None:
    """Digits and falling units; 十 may begin without a digit, and the last unit may be left unsaid (两百三)."""
    total, digit, last_unit, after_zero = 0, None, 10_000, False
    for index, syllable in enumerate(syllables):
        if syllable == "ling" and index and digit is None:
            after_zero = True
        elif (unit := _UNITS.get(syllable)) is not None:
            if unit >= last_unit or (digit is None and (unit != 10 or (total and not after_zero))):
                return None
            total, digit, last_unit, after_zero = total + (1 if digit is None else digit) * unit, None, unit, False
        elif syllable in _DIGITS and digit is None:
            digit = _DIGITS[syllable]
        else:
            return None
    if digit is None:
        return total if syllables and total else None
    unsaid = last_unit // 10 if 100 <= last_unit < 10_000 and not after_zero else 1
    return total + digit * unsaid


def _find(words: Sequence[str], names: Sequence[str]) -> int | None:
    """Where ``names`` stand in ``words``; the index behind them."""
    for end in range(len(names), len(words) + 1):
        if tuple(words[end - len(names) : end]) == tuple(names):
            return end
    return None


def _number_before(words: Sequence[str], end: int, highest: int) -> int | None:
    """The longest cardinal that ends before index ``end``: in 我是三月 the ``shi san`` is no month, ``san`` is."""
    for length in (3, 2, 1):
        number = _below_myriad(words[end - length : end]) if length <= end else None
        if number is not None and 1 <= number <= highest:
            return number
    return None


def _weekday(words: Sequence[str], today: date) -> date | None:
    for names in _WEEK:
        end = _find(words, names)
        if end is None or end >= len(words):
            continue
        day = 6 if words[end] in _SUNDAY else _DIGITS.get(words[end], 0) - 1
        if not 0 <= day <= 6:
            continue
        monday = today - timedelta(days=today.weekday())
        before = words[max(0, end - len(names) - 2) : end - len(names)]  # 上周三, 上个星期三, 这周三
        if "shang" in before:
            return monday + timedelta(days=day - 7)
        this = monday + timedelta(days=day)
        return this if this <= today + timedelta(days=1) or "zhe" in before else this - timedelta(days=7)
    return None


def _calendar_day(words: Sequence[str], today: date) -> date | None:
    ends = [i for i, word in enumerate(words) if word in ("hao", "ri")]
    day = next((n for n in (_number_before(words, end, 31) for end in ends) if n), None)
    if day is None:
        return None
    first = today.replace(day=1)
    if _find(words, ("shang", "ge", "yue")) or _find(words, ("shang", "yue")):
        return _day_of(first - timedelta(days=1), day)
    month = _number_before(words, words.index("yue"), 12) if "yue" in words else None
    if month is None:
        this = _day_of(first, day)
        return this if this and this <= today + timedelta(days=1) else _day_of(first - timedelta(days=1), day)
    year = _year(words, today)
    if year is not None:
        return _day_of(date(year, month, 1), day)
    this = _day_of(date(today.year, month, 1), day)
    return this if this and this <= today + timedelta(days=1) else _day_of(date(today.year - 1, month, 1), day)


def _year(words: Sequence[str], today: date) -> int | None:
    """``er ling er si nian``, ``er si nian``, ``jin nian``, ``qu nian``."""
    if "nian" not in words:
        return None
    before = words[: words.index("nian")]
    named = {"jin": 0, "qu": -1, "qian": -2}
    if before and before[-1] in named:
        return today.year + named[before[-1]]
    digits = spoken_digits(before[-4:])
    return int(digits) if len(digits) == 4 else 2_000 + int(digits) if len(digits) == 2 else None


def _day_of(month: date, day: int) -> date | None:
    try:
        return month.replace(day=day)
    except ValueError:
        return None
