"""Mandarin as it is heard: toneless syllables, how alike two of them sound, and which of them carry meaning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice, permutations, product

from pypinyin import lazy_pinyin


def words(text: str) -> tuple[str, ...]:
    """A table's row as a tuple: ``"zh ch sh"``."""
    return tuple(text.split())


_NUMERALS = str.maketrans("0123456789", "零一二三四五六七八九")
_SEVERAL_READINGS = {"还": "hai huan", "重": "chong zhong", "调": "diao tiao", "行": "xing hang", "长": "chang zhang"}
_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw")

_MERGED_INITIALS = ("z zh", "c ch", "s sh", "n l", "f h", "l r")
_MERGED_FINALS = ("an ang", "en eng", "in ing", "ian iang", "uan uang", "un ong")
"""Pairs that regional accents merge."""
_NEAR_INITIALS = ("b p", "d t", "g k h", "j q x", "zh ch sh", "z c s", "j zh z", "q ch c", "x sh s", "m n", "r y")
_NEAR_FINALS = (
    "ai ei ui uai", "ao ou", "ie ian ia", "e en", "ue uan ian", "ui un ei", "u ou uo", "i ei", "o uo e", "in en ian",
    "ing eng", "iu ou", "a ia ua",
)  # fmt: skip
"""Groups of one place or one vowel, which a recogniser mixes up on a telephone line."""


def _closeness(merged: Sequence[str], near: Sequence[str]) -> dict[tuple[str, str], float]:
    """0.9 for each merged pair, 0.6 for two of a near group, both ways round."""
    groups = [(group, 0.6) for group in near] + [(pair, 0.9) for pair in merged]
    return {pair: likeness for group, likeness in groups for pair in permutations(words(group), 2)}


_OTHER_INITIAL, _OTHER_FINAL = 0.45, 0.3
"""What is left of a syllable of which only the final, or only the initial, was recognised."""
_UNLIKE = 0.3
"""Less likeness than this is none."""

_CLOSE_INITIALS = _closeness(_MERGED_INITIALS, _NEAR_INITIALS)
_CLOSE_FINALS = _closeness(_MERGED_FINALS, _NEAR_FINALS)

_FILLERS = """
a, en, o, ne, la, na ge, zhe ge, jiu shi, ran hou, qing wen, xiang wen, ni hao, nin hao, wei ni hao, wei nin hao,
wo xiang, wo yao, wo xiang yao, yi xia, ma fan, bang wo, gei wo, ni bang wo, bang mang, de hua
"""
"""What people say around what they want."""
_LONGEST_FIRST = sorted(map(words, _FILLERS.split(",")), key=len, reverse=True)

_WORDS_OF_GRAMMAR = (
    "de le ma ba ne a wo ni nin ta men shi bu yao xiang you mei zai jiu dou hai ye yi ge zhe na ne shen me zen neng "
    "ke hui gei bang qing wen xia hao ran hou jiang shuo kan qu lai guo zi en e o la hen"
)
_EVERYDAY = (
    "li ren you zhi zhong cheng da dao fa fu gong he jia jian jie jin jing qi shang sheng wu xi xian xing yu yuan zhu "
    "ji zheng dui shou shu tian wan xin dian kai nian dong qian"
)
_WEIGHTS = {**dict.fromkeys(words(_EVERYDAY), 0.7), **dict.fromkeys(words(_WORDS_OF_GRAMMAR), 0.2)}


def syllables(text: str) -> tuple[str, ...]:
    """Toneless pinyin of the Chinese in a text (``我要退款`` → ``wo yao tui kuan``); digits are read one by one."""
    return tuple(plain(each) for each in lazy_pinyin(text.translate(_NUMERALS), errors="ignore"))


def readings(text: str) -> tuple[tuple[str, ...], ...]:
    """Every way in which a phrase may be read aloud, the likeliest first: 重听 is ``chong ting``, whatever a
    dictionary that lacks the word makes of it."""
    likeliest = syllables(text)
    characters = [each for each in text.translate(_NUMERALS) if lazy_pinyin(each, errors="ignore")]
    if len(characters) != len(likeliest):
        return (likeliest,)
    ways = (
        dict.fromkeys((syllable, *words(_SEVERAL_READINGS.get(character, ""))))
        for character, syllable in zip(characters, likeliest, strict=True)
    )
    return tuple(islice(product(*ways), 8))


def plain(syllable: str) -> str:
    """One spelling for what is written in several ways: ``ü`` is v, the hum 嗯 is en."""
    spelt = syllable.lower().replace("ü", "v").replace("u:", "v")
    return "en" if spelt in {"n", "ng", "hm", "m"} else spelt


def weight(syllable: str) -> float:
    """How much a syllable says about what is wanted: 1.0, less where everyday speech is full of it."""
    return _WEIGHTS.get(syllable, 1.0)


def filler_at(heard: Sequence[str], start: int) -> int:
    """The length of the filler that begins at ``start``, or 0."""
    for filler in _LONGEST_FIRST:
        if tuple(heard[start : start + len(filler)]) == filler:
            return len(filler)
    return 0


def fillers(heard: Sequence[str]) -> list[bool]:
    """For each syllable, whether it is part of a filler."""
    marks = [False] * len(heard)
    position = 0
    while position < len(heard):
        length = filler_at(heard, position)
        marks[position : position + length] = [True] * length
        position += length or 1
    return marks


def content(heard: Sequence[str]) -> tuple[str, ...]:
    """What remains without fillers; all of it where nothing would remain."""
    return tuple(each for each, filler in zip(heard, fillers(heard), strict=True) if not filler) or tuple(heard)


@lru_cache(maxsize=2048)
def split(syllable: str) -> tuple[str, str]:
    """Initial and final (``kuan`` → ``k``, ``uan``); the initial may be empty."""
    for initial in _INITIALS:
        if syllable.startswith(initial) and len(syllable) > len(initial):
            return initial, syllable[len(initial) :]
    return "", syllable


@lru_cache(maxsize=2048)
def confusable(syllable: str) -> str:
    """The same text for syllables that accents merge (``zhang`` and ``zan``)."""
    initial, final = split(syllable)
    initial = {"zh": "z", "ch": "c", "sh": "s", "l": "n", "h": "f"}.get(initial, initial)
    return initial + (final[:-1] if final.endswith("ng") and final != "ong" else final)


def alike(one: str, other: str) -> float:
    """How likely it is that one syllable was said and the other heard: 1.0 the same, 0.0 nothing in common."""
    if one == other:
        return 1.0
    (initial, final), (other_initial, other_final) = split(one), split(other)
    likeness = 1.0 if initial == other_initial else _CLOSE_INITIALS.get((initial, other_initial), _OTHER_INITIAL)
    likeness *= 1.0 if final == other_final else _CLOSE_FINALS.get((final, other_final), _OTHER_FINAL)
    return likeness if likeness >= _UNLIKE else 0.0
