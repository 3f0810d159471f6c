"""Text measured in the cells of a terminal: a Chinese character takes two."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """The text without what could steer a terminal: callers and carriers write parts of what is shown."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def cells(text: str) -> int:
    """How many cells the text takes (Unicode Standard Annex 11: wide and fullwidth take two, combining marks none)."""
    return sum(map(_width, text))


def pad(text: str, width: int, fill: str = " ") -> str:
    """The text, cut with … or filled on the right to exactly ``width`` cells."""
    text = cut(text, width)
    return text + fill * (width - cells(text))


def cut(text: str, width: int) -> str:
    """The text if it fits, or its beginning and …"""
    return text if cells(text) <= width else _head(text, width - 1) + "…"


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` (2 or more) cells. Chinese may be broken anywhere; Latin words, at spaces
    where there is one in the later half of a line."""
    lines: list[str] = []
    rest = " ".join(text.split())
    while cells(rest) > width:
        line = _head(rest, width)
        after = rest[len(line):]
        if not after.startswith(" ") and (space := line.rfind(" ")) > len(line) // 2:
            line = line[:space]
        lines.append(line.rstrip())
        rest = rest[len(line):].lstrip()
    return [*lines, rest] if rest or not lines else lines


def _head(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _width(character)
        if taken > width:
            return text[:index]
    return text


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
