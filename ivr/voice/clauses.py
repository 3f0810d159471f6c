"""Where speech may pause: a sentence in pieces, so that the first is heard while the next is being rendered."""

from __future__ import annotations

import re

PAUSES = {"，": 0.12, ",": 0.12, "、": 0.08, "；": 0.25, ";": 0.25, "：": 0.2, ":": 0.2}
"""Seconds of silence after a clause that ends so; a full stop has more."""
_FULL_STOP = 0.3
_SHORTEST = 2
"""Characters; a shorter clause is joined to the next, for one syllable alone is spoken strangely."""
_ENDS = re.compile(r"[^，。！？；：,!?;:\n]+[，。！？；：,!?;:\n]*")


def clauses(text: str) -> list[str]:
    """``王先生，您好。请说。`` → ``王先生，`` ``您好。`` ``请说。``: split at ，。！？；： with the mark kept."""
    pieces: list[str] = []
    for piece in (p.strip() for p in _ENDS.findall(text)):
        if pieces and _letters(pieces[-1]) < _SHORTEST:
            pieces[-1] += piece
        elif _letters(piece):
            pieces.append(piece)
    return pieces


def pause_after(clause: str) -> float:
    """Seconds of silence between this clause and the next."""
    return PAUSES.get(clause[-1], _FULL_STOP)


def _letters(text: str) -> int:
    return sum(character.isalnum() for character in text)
