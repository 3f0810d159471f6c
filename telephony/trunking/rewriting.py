"""How a carrier writes numbers, and how we do: a list of rules, of which the first that fits is applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from calls.errors import ConfigError

_KEYS = frozenset("+0123456789*#")


@dataclass(frozen=True, slots=True)
class Rule:
    """Numbers that begin with ``prefix`` lose the first ``strip`` characters and get ``add`` before what is left.

    ``Rule("0086", add="+86")`` and ``Rule("+861", strip=3)`` turn 0086138… into +86138…, and that into 138….
    """

    prefix: str = ""
    """How the number begins; empty fits all."""
    add: str = ""
    strip: int = -1
    """Characters to take off the front; -1: the whole prefix."""
    shortest: int = 1
    longest: int = 32
    """How many characters the number has, + included."""

    def __post_init__(self) -> None:
        for name in ("prefix", "add"):
            text = getattr(self, name)
            if not _KEYS.issuperset(text):
                raise ConfigError(f"number rule {self.prefix!r}: {name}", f"{text!r} is no number",
                                  "only + 0-9 * # may stand there")
        if not -1 <= self.strip <= 32:
            raise ConfigError(f"number rule {self.prefix!r}: strip", f"{self.strip} is not possible", "0 to 32, or -1")
        if not 1 <= self.shortest <= self.longest:
            raise ConfigError(f"number rule {self.prefix!r}: shortest, longest",
                              f"{self.shortest} to {self.longest} fits no number", "1 ≤ shortest ≤ longest")

    def fits(self, number: str) -> bool:
        return number.startswith(self.prefix) and self.shortest <= len(number) <= self.longest

    def applied(self, number: str) -> str:
        """The number as this rule writes it; it must fit."""
        return self.add + number[len(self.prefix) if self.strip < 0 else self.strip:]


def rewrite(number: str, rules: Iterable[Rule]) -> str:
    """The number by the first rule that fits, or as it was."""
    rule = next((rule for rule in rules if rule.fits(number)), None)
    return rule.applied(number) if rule is not None else number
