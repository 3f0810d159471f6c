"""Syllables to characters, for people to read: the most likely way to cut them into words.

A Viterbi search over a lexicon keyed by toneless pinyin, with jieba's word frequencies; a tone that does not fit
costs, but does not forbid, because a recogniser mishears tones more often than syllables. The words of the
expected phrases come first among their homophones. Intents are matched on syllables: nothing depends on this.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jieba
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT

from asr.pinyin import split_tone

_RARE = 20
"""Words below this count in jieba's dictionary (of 60 million) cost memory and help nobody: 78,000 remain."""
_LONGEST = 12
_NAMES = frozenset(["nr", "nrt", "ns", "nz"])
_WRONG_TONE = 3.5
_NUMERALS = "零一二三四五六七八九十百千万幺两点元"
_NUMERAL = 4.5
"""Cost of a numeral: in a hotline's sentences numbers are far more frequent than in jieba's newspapers."""
_WORD = 1.0
"""Cost of one more word (nats): fewer, longer words are the better reading."""
_PHRASE, _FRAGMENT = 4.0, 7.0
"""Cost of an expected phrase, and of two to four neighbouring characters of one."""

Lexicon = dict[tuple[str, ...], list["Word"]]


@dataclass(frozen=True, slots=True)
class Word:
    """``cost`` is the negative logarithm of its frequency."""

    text: str
    tones: tuple[int, ...]
    cost: float


class Characters:
    """The lexicon, loaded once (about a second, 40 MB), and the search in it."""

    def __init__(self) -> None:
        self._lexicon: Lexicon = {}

    @property
    def loaded(self) -> bool:
        """Whether ``write`` answers at once."""
        return bool(self._lexicon)

    def load(self) -> None:
        """Read the lexicon; a second call does nothing."""
        if not self._lexicon:
            self._lexicon = _read_lexicon()

    def write(self, toned: Sequence[str], phrases: Sequence[str] = ()) -> str:
        """Characters for ``toned`` syllables (``tuì kuǎn`` → 退款). Unknown syllables are left as they are."""
        self.load()
        syllables = [split_tone(s) for s in toned]
        expected = _expected_words(tuple(phrases))
        best: list[tuple[float, str]] = [(0.0, "")] + [(math.inf, "")] * len(syllables)
        for start in range(len(syllables)):
            cost, text = best[start]
            for end in range(start + 1, min(start + _LONGEST, len(syllables)) + 1):
                word_cost, word = self._cheapest(syllables[start:end], expected)
                if cost + word_cost < best[end][0]:
                    best[end] = (cost + word_cost, text + word)
        return best[-1][1]

    def _cheapest(self, syllables: Sequence[tuple[str, int]], expected: Lexicon) -> tuple[float, str]:
        key = tuple(s for s, _ in syllables)
        words = [*expected.get(key, ()), *self._lexicon.get(key, ())]
        if not words:
            return (30.0, key[0]) if len(key) == 1 else (math.inf, "")
        return min((_cost(word, syllables), word.text) for word in words)


def _cost(word: Word, syllables: Sequence[tuple[str, int]]) -> float:
    wrong = sum(a != b and 5 not in (a, b) for a, (_, b) in zip(word.tones, syllables, strict=True))
    return word.cost + _WORD + _WRONG_TONE * wrong


def _read_lexicon() -> Lexicon:
    lexicon: Lexicon = defaultdict(list)
    total = math.log(60_101_967)  # the sum of all counts in jieba's dictionary
    for text, count in _frequent_words():
        for reading in _readings(text):
            key, tones = zip(*map(split_tone, reading), strict=True)
            cost = total - math.log(count)
            lexicon[key].append(Word(text, tones, min(cost, _NUMERAL) if text in _NUMERALS else cost))
    return dict(lexicon)


def _frequent_words() -> Iterator[tuple[str, int]]:
    with (Path(jieba.__file__).parent / "dict.txt").open(encoding="utf-8") as lines:
        for line in lines:
            text, count, kind = line.split()
            if int(count) >= _RARE and len(text) <= _LONGEST:
                # One character that is a name (浜) was counted where the name was cut apart; alone it is rare.
                yield text, int(count) // 20 + 1 if len(text) == 1 and kind in _NAMES else int(count)


def _readings(text: str) -> list[list[str]]:
    """All readings of one character (行: xíng, háng); the one reading of a word."""
    if len(text) == 1:
        return [[r] for r in PINYIN_DICT.get(ord(text), "").split(",")[:2] if r]
    if text in PHRASES_DICT:
        return [[syllable[0] for syllable in PHRASES_DICT[text]]]
    characters = [PINYIN_DICT.get(ord(c), "").split(",")[0] for c in text]
    return [characters] if all(characters) else []


@lru_cache(maxsize=64)
def _expected_words(phrases: tuple[str, ...]) -> Lexicon:
    """The phrases and their fragments as words that win over their homophones."""
    lexicon: Lexicon = defaultdict(list)
    for phrase in phrases:
        fragments = {phrase[i : i + n] for n in (2, 3, 4) for i in range(len(phrase) - n + 1)}
        for text in {phrase, *fragments}:
            for reading in _readings(text):
                key, tones = zip(*map(split_tone, reading), strict=True)
                lexicon[key].append(Word(text, tones, _PHRASE if text == phrase else _FRAGMENT))
    return dict(lexicon)
