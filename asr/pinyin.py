"""Pinyin syllables: toned ones with their marks (``tuì``), toneless ones as ``pypinyin.lazy_pinyin`` writes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pypinyin import lazy_pinyin

from asr.numbers import chinese_number

_MARKS = {"\u0304": 1, "\u0301": 2, "\u030c": 3, "\u0300": 4}
_INITIALS = frozenset(("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw"))


@lru_cache(maxsize=8192)
def split_tone(syllable: str) -> tuple[str, int]:
    """``tuì`` → (``tui``, 4); ``lǜ`` → (``lv``, 4); 5 is the neutral tone."""
    tone = 5
    letters: list[str] = []
    for letter in unicodedata.normalize("NFD", syllable):
        if letter in _MARKS:
            tone = _MARKS[letter]
        elif letter == "\u0308":
            letters[-1] = "v"
        else:
            letters.append(letter)
    return "".join(letters), tone


def toneless(syllables: Iterable[str]) -> tuple[str, ...]:
    """Drop the tones."""
    return tuple(split_tone(s)[0] for s in syllables)


def join_tokens(tokens: Sequence[str]) -> tuple[str, ...]:
    """Initials and finals (``t``, ``uì``, ``k``, ``uǎn``) to syllables. A final without initial stands alone (``èr``);
    an initial that its final never followed was misheard and is dropped; Latin letters are spelled alone."""
    syllables: list[str] = []
    initial = ""
    for token in tokens:
        if token in _INITIALS:
            initial = token
        elif token.isalpha():
            syllables.append(initial + token.lower())
            initial = ""
    return tuple(syllables)


def syllables_of(text: str) -> tuple[str, ...]:
    """Toneless pinyin of written text. Long numbers are read digit by digit, those below 1,000 as amounts;
    punctuation and Latin letters are left out."""
    return tuple(lazy_pinyin(re.sub("[0-9]+", _read_number, text), errors="ignore"))


def _read_number(digits: re.Match[str]) -> str:
    written = digits.group()
    if len(written) <= 3 and not written.startswith("0"):
        return chinese_number(int(written))
    return written.translate(str.maketrans("0123456789", "零一二三四五六七八九"))


def expected_syllables(phrases: Iterable[str]) -> frozenset[tuple[str, ...]]:
    """The syllables of each phrase."""
    return frozenset(map(syllables_of, phrases)) - {()}
