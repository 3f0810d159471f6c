"""Finds what an answer means by its sound: syllables are aligned with the example phrases of each intent.

    confidence = coverage · (1 − (1 − evidence) · (1 − explained))

``coverage``: how much of an example was heard, in order, each syllable counting by how much it says.
``evidence``: how much was heard at all; two telling syllables are already strong evidence.
``explained``: how much of the answer the example accounts for; a short example in a long answer proves less.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from calls import Intent
from ivr.pinyin import alike, fillers, plain, readings, weight, words

CONFIDENT = 0.6
"""An intent below this is not taken for understood."""
MARGIN = 0.08
"""By how much the best intent must be ahead of the next."""

_EVIDENCE_HALF = 1.2
"""So much heard weight makes evidence one half; one telling syllable is less than that, two are more."""
_GAP = 0.6
"""What a foreign syllable inside a phrase costs, by its weight."""
_FILLER = 0.05
"""The weight of a syllable of a filler."""
_PROMISING = CONFIDENT - MARGIN
"""An example whose syllables, order ignored, cover less can neither be understood nor be a rival; it is not aligned."""
_LONGEST = 60
"""Of a longer answer the end is matched: people come to the point last."""

_NEGATIONS = tuple(
    map(words, ("bu yao", "bu xiang", "bu shi", "bu yong", "bu xu yao", "bu bi", "mei yao", "bie", "bu"))
)
_QUESTIONS = frozenset(map(words, ("zen me", "shen me", "wei he", "wei sha")))
_BETWEEN = frozenset(words("yao xiang shuo qu zai gei wo bang ni nin jiu shi cha ban zhuan jie kan"))
"""What may stand between a negation and what it negates."""


@dataclass(frozen=True, slots=True)
class Match:
    """``intent`` is what was understood, None where nothing was clear; ``ranked`` is every candidate, best first."""

    intent: Intent | None
    ranked: tuple[Intent, ...]


@dataclass(frozen=True, slots=True)
class _Example:
    intent: str
    phrase: str
    heard: tuple[str, ...]
    weights: tuple[float, ...]
    whole: float
    """The sum of the weights."""


class _Trace(NamedTuple):
    """An alignment so far: what it is worth, what of the answer it explains, where its first telling syllable is."""

    score: float = 0.0
    explained: float = 0.0
    first: int = -1


class IntentMatcher:
    """Knows the intents of one dialplan by their examples. Matching is pure and takes well under 2 ms."""

    def __init__(self, intents: Mapping[str, Sequence[str]]) -> None:
        spoken = {
            name: [(phrase, heard) for phrase in phrases for heard in readings(phrase)]
            for name, phrases in intents.items()
        }
        users: dict[str, set[str]] = {}
        for name, examples in spoken.items():
            for _, heard in examples:
                for syllable in heard:
                    users.setdefault(syllable, set()).add(name)
        self._telling = {each: weight(each) * _rarity(len(names), len(intents)) for each, names in users.items()}
        self._examples = [
            self._example(name, phrase, heard)
            for name, examples in spoken.items()
            for phrase, heard in examples
            if heard
        ]
        self._near: dict[str, dict[str, float]] = {}

    def match(self, heard: Sequence[str], among: Collection[str] | None = None) -> Match:
        """What ``heard`` (toneless syllables) means ``among`` these intents, all of them when None."""
        answer = _Answer(tuple(map(plain, heard[-_LONGEST:])))
        best: dict[str, Intent] = {}
        nearest = self._nearest(answer.heard)
        for example in self._examples:
            if among is not None and example.intent not in among:
                continue
            possible = sum(w * nearest.get(each, 0.0) for each, w in zip(example.heard, example.weights, strict=True))
            if possible < _PROMISING * example.whole:
                continue
            confidence = self._confidence(example, answer)
            if confidence > (best[example.intent].confidence if example.intent in best else 0.0):
                best[example.intent] = Intent(example.intent, round(confidence, 3), example.phrase)
        ranked = tuple(sorted(best.values(), key=lambda intent: -intent.confidence))
        return Match(_clear(ranked), ranked)

    def _example(self, intent: str, phrase: str, heard: tuple[str, ...]) -> _Example:
        weights = tuple(self._telling[each] for each in heard)
        return _Example(intent, phrase, heard, weights, sum(weights))

    def _nearest(self, heard: Sequence[str]) -> dict[str, float]:
        """For each syllable of the examples, how near the nearest syllable of the answer comes to it."""
        nearest: dict[str, float] = {}
        for syllable in set(heard):
            near = self._near.get(syllable)
            if near is None:
                near = {known: likeness for known in self._telling if (likeness := alike(known, syllable))}
                self._near[syllable] = near
            for known, likeness in near.items():
                if likeness > nearest.get(known, 0.0):
                    nearest[known] = likeness
        return nearest

    def _confidence(self, example: _Example, answer: _Answer) -> float:
        trace = self._aligned(example, answer)
        if trace.score <= 0 or answer.negated_before(trace.first, example.heard):
            return 0.0
        coverage = trace.score / example.whole
        evidence = trace.score**2 / (trace.score**2 + _EVIDENCE_HALF**2)
        explained = min(1.0, trace.explained / answer.whole)
        return coverage * (1 - (1 - evidence) * (1 - explained))

    def _aligned(self, example: _Example, answer: _Answer) -> _Trace:
        """The best alignment of an example with a stretch of the answer (local, in order, gaps cost)."""
        nothing = _Trace()
        best = nothing
        above = [nothing] * (len(answer.heard) + 1)
        for syllable, telling in zip(example.heard, example.weights, strict=True):
            row = [nothing]
            for at, spoken in enumerate(answer.heard):
                left, over = row[at], above[at + 1]
                score, explained, first = left
                score -= answer.gaps[at]
                kept = over if over.score >= score else _Trace(score, explained, first)
                likeness = self._near[spoken].get(syllable, 0.0)
                if likeness:
                    before = above[at] if above[at].score > 0 else nothing
                    first = before.first if before.first >= 0 or telling < 0.3 else at
                    joined = _Trace(
                        before.score + telling * likeness, before.explained + answer.weights[at] * likeness, first
                    )
                    if joined.score > kept.score:
                        kept = joined
                        best = max(best, joined)
                row.append(kept)
            above = row
        return best


class _Answer:
    """What was heard, with the cost of leaving each syllable out and the weight of having explained it."""

    def __init__(self, heard: tuple[str, ...]) -> None:
        self.heard = heard
        marks = fillers(heard)
        self.weights = [_FILLER if filler else weight(each) for each, filler in zip(heard, marks, strict=True)]
        self.gaps = [_GAP * each for each in self.weights]
        self.whole = sum(self.weights) or 1.0

    def negated_before(self, position: int, example: Sequence[str]) -> bool:
        """Whether a negation that the example does not have itself stands directly before ``position``.

        ``能不能退款`` (A-not-A) and ``怎么不退款`` ask for the thing and negate nothing.
        """
        end = position
        while end > 0 and self.heard[end - 1] in _BETWEEN and not self._negation_ending(end):
            end -= 1
        length = self._negation_ending(end)
        if not length:
            return False
        start = end - length
        a_not_a = self.heard[start] == "bu" and start > 0 and self.heard[start - 1] in self.heard[start + 1 : start + 3]
        asked = tuple(self.heard[max(0, start - 2) : start]) in _QUESTIONS
        return not (a_not_a or asked or self.heard[start] in example)

    def _negation_ending(self, end: int) -> int:
        for negation in _NEGATIONS:
            if end >= len(negation) and self.heard[end - len(negation) : end] == negation:
                return len(negation)
        return 0


def _rarity(users: int, intents: int) -> float:
    """1.0 for a syllable of one intent's examples only, falling to 0.4 for one that all of them share."""
    return 1.0 - 0.6 * (users - 1) / max(1, intents - 1)


def _clear(ranked: Sequence[Intent]) -> Intent | None:
    if not ranked or ranked[0].confidence < CONFIDENT:
        return None
    if len(ranked) > 1 and ranked[0].confidence - ranked[1].confidence < MARGIN:
        return None
    return ranked[0]
