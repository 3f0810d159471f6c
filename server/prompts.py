"""Everything that callers are told in fixed words: what the voice prepares, and what ``hotline prompts`` lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ivr.plan import Serve
from ivr.sentence import Sentence
from selfservice import catalogue
from selfservice.orders import STATUSES
from server.flows import load_flows
from server.hold import place
from server.parts import Answering
from server.settings import load_settings
from storage import Database

_PLACES = range(1, 11)


def fixed_sentences(flows: Mapping[str, Answering]) -> Iterable[str]:
    """The plans' own sentences, what they say of an order's status, and the places in the line, each once."""
    plans = [flow.plan for flow in flows.values()]
    said = [text for plan in plans for text in plan.sentences()]
    statuses = [text for plan in plans for step in plan.steps.values() if isinstance(step, Serve)
                for text in _of_a_status(step.say)]
    return dict.fromkeys([*said, *statuses, *map(place, _PLACES)])


def _of_a_status(sentence: Sentence) -> list[str]:
    """The clauses in which the status is the only value: there are only a few that it can be."""
    clauses = [Sentence(clause) for clause in sentence.clauses]
    return [clause.fill({"status": status}) for clause in clauses if clause.placeholders == ("status",)
            for status in STATUSES.values()]


def command(path: Path) -> int:
    """``hotline prompts``: one sentence a line, to be recorded:

    hotline prompts | python -m ivr.voice.record --model … --voice … -
    """
    services = catalogue(Database(""))
    for sentence in fixed_sentences(load_flows(load_settings(path), services)):
        print(sentence)
    return 0
