"""What the hotline says: fixed words with placeholders from a closed list, said clause by clause.

A clause whose value is not known is left out, so ``{caller.address}，您好`` shrinks to ``您好`` for a stranger.
Clauses are also the unit that the voice keeps: of a sentence with one changing word, only that clause is new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ivr.voice.clauses import clauses

CALLER_VALUES = ("caller.address", "caller.name", "caller.surname", "caller.title")
"""The placeholders that every sentence may use; a ``serve`` step's sentence adds its service's values."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HAN = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"
_FOLD = re.compile(rf"(?<=[{_HAN}])\s+(?=[{_HAN}])")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a dialplan, as written there at ``line``."""

    text: str
    line: int = 0

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names between braces, in order."""
        return tuple(_PLACEHOLDER.findall(self.text))

    @property
    def balanced(self) -> bool:
        """Whether every brace belongs to a placeholder."""
        return not set("{}") & set(_PLACEHOLDER.sub("", self.text))

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses as written, each with the punctuation that ends it."""
        return tuple(clauses(self.text))

    @property
    def fixed(self) -> tuple[str, ...]:
        """What can be rendered before anybody calls: the whole text, or else its clauses without placeholders."""
        if not self.placeholders:
            return (self.text,)
        return tuple(clause for clause in self.clauses if not _PLACEHOLDER.search(clause))

    def fill(self, values: Mapping[str, str]) -> str:
        """The text to be said. Clauses with an unknown or empty value are left out; may be empty altogether."""
        return "".join(_filled(clause, values) for clause in self.clauses)

    def complete(self, values: Mapping[str, str]) -> bool:
        """Whether every placeholder has a value."""
        return all(values.get(name) for name in self.placeholders)


def _filled(clause: str, values: Mapping[str, str]) -> str:
    if not all(values.get(name) for name in _PLACEHOLDER.findall(clause)):
        return ""
    return _PLACEHOLDER.sub(lambda found: values[found.group(1)], clause)


def unfolded(text: str) -> str:
    """Text without the spaces that YAML puts where a Chinese sentence was wrapped over several lines."""
    return _FOLD.sub("", text.strip())
