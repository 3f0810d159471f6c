"""Everything that callers are told in fixed words: what the voice prepares, and what ``hotline prompts`` lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from selfservice import catalogue
from selfservice.orders import STATUSES
from server.flows import load_flows
from server.hold import place
from server.parts import Answering
from server.settings import load_settings
from storage import Database

_PLACES = range(1, 11)


def fixed_sentences(flows: Mapping[str, Answering]) -> Iterable[str]:
    """The plans' own sentences, the places in the line, and the states of an order, each once."""
    plans = (text for flow in flows.values() for text in flow.plan.sentences())
    return dict.fromkeys([*plans, *map(place, _PLACES), *(f"{status}。" for status in STATUSES.values())])


def command(path: Path) -> int:
    """``hotline prompts``: one sentence a line, to be recorded:

    hotline prompts | python -m ivr.voice.record --model … --voice … -
    """
    services = catalogue(Database(""))
    for sentence in fixed_sentences(load_flows(load_settings(path), services)):
        print(sentence)
    return 0
