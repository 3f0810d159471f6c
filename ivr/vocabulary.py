"""The closed vocabulary of a dialplan: which steps there are and which fields each of them has.

This table is the format. The loader reads files by it, the proof follows its edges, the handbook's table is tested
against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ivr import plan


class Holds(StrEnum):
    """What a field holds, in the words of an error message."""

    SENTENCE = "a sentence"
    SENTENCES = "a sentence or a list of sentences"
    STEP = "the name of a step"
    MENU = "the name of a menu step"
    BY_INTENT = "a mapping of intents to steps"
    BY_KEY = "a mapping of keys to steps"
    QUEUE = "the name of a queue"
    SERVICE = "the name of a service"
    SECONDS = "a number of seconds above 0"
    TARGET = "a SIP address (sip:1001@127.0.0.1:5070), one of our phones (1001) or an outside number"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a step."""

    holds: Holds
    required: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of step: the class it becomes, and its fields. The first field gives the kind its name."""

    becomes: type[plan.Step]
    fields: Mapping[str, Field]


_SENTENCE, _STEP, _SECONDS = Field(Holds.SENTENCE), Field(Holds.STEP), Field(Holds.SECONDS)
_BEFORE = Field(Holds.SENTENCE, required=False)

KINDS: Mapping[str, Kind] = {
    "greet": Kind(plan.Greet, {"greet": _SENTENCE, "general": _SENTENCE, "then": _STEP}),
    "say": Kind(plan.Say, {"say": _SENTENCE, "then": _STEP}),
    "ask": Kind(
        plan.Ask,
        {
            "ask": _SENTENCE,
            "again": Field(Holds.SENTENCES),
            "intents": Field(Holds.BY_INTENT),
            "keys": Field(Holds.BY_KEY, required=False),
            "menu": Field(Holds.MENU),
        },
    ),
    "menu": Kind(
        plan.Menu,
        {"menu": _SENTENCE, "keys": Field(Holds.BY_KEY), "again": Field(Holds.SENTENCES), "otherwise": _STEP},
    ),
    "serve": Kind(
        plan.Serve,
        {"serve": Field(Holds.SERVICE), "say": _SENTENCE, "found": _STEP, "not_found": _STEP, "failed": _STEP},
    ),
    "repeat": Kind(plan.Repeat, {"repeat": Field(Holds.NOTHING)}),
    "queue": Kind(plan.Queue, {"queue": Field(Holds.QUEUE), "say": _BEFORE, "max_wait": _SECONDS, "overflow": _STEP}),
    "dial": Kind(
        plan.Dial,
        {
            "dial": Field(Holds.TARGET),
            "say": _BEFORE,
            "answer_within": Field(Holds.SECONDS, required=False),
            "failed": _STEP,
        },
    ),
    "echo": Kind(plan.Echo, {"echo": _SECONDS, "say": _BEFORE, "then": _STEP}),
    "music": Kind(plan.Music, {"music": _SECONDS, "say": _BEFORE, "then": _STEP}),
    "hang_up": Kind(plan.HangUp, {"hang_up": Field(Holds.SENTENCE, required=False)}),
}

UNASKED = frozenset({Holds.STEP, Holds.MENU})
"""Fields whose step is reached without the caller saying or pressing anything."""
