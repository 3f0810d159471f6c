"""Two parties speak to each other, each time with sentences that neither of them has heard before in this call: a
sentence said twice would be found in what was heard the first time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import cycle

from tests.partners.audio import RATE, Pcm, levelled
from tests.partners.phone import PhonePartner
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import until
from tests.partners.sipp import Sipp
from tests.partners.speech import speech

Party = Sipp | PhonePartner

BRIEF = ("04", "06", "21", "22", "24", "26", "27", "28", "42", "46", "54", "63")
"""Recordings of two to three seconds; no call holds as many sentences as there are of them."""

SETTLED = 1.5
"""Seconds of a call after which an adaptive jitter buffer knows how deep it has to be."""


def _sentences() -> Iterator[Pcm]:
    for number in cycle(BRIEF):
        yield levelled(speech(f"aishell/BAC009S0150W00{number}").pcm)


_unheard = _sentences()


async def says(party: Party, sentence: Pcm) -> None:
    """The party begins to say this."""
    if isinstance(party, Sipp):
        party.says(sentence)
    else:
        await party.says(sentence)


async def both_ways(one: Party, other: Party, within: float = 20.0) -> tuple[Pcm, Pcm]:
    """Both speak at once and hear each other; what ``one`` and what ``other`` said. Raises TimeoutError."""
    for party in (one, other):
        await _listens(party, within)
    question, answer = await asyncio.gather(_gets_across(one, other), _gets_across(other, one))
    for party in (one, other):
        if isinstance(party, Sipp):
            await party.said(within)  # to the last word, which the record is to hold as well
    return question, answer


async def _gets_across(speaker: Party, listener: Party) -> Pcm:
    """What was said and heard in one piece."""
    sentence = next(_unheard)
    await says(speaker, sentence)
    await listener.hears(sentence, len(sentence) / RATE + 6)
    return sentence


async def _listens(party: Party, within: float) -> None:
    """An adaptive jitter buffer is looking for its depth when the call begins, and tears what is said meanwhile."""
    if isinstance(party, Sipp | Pjsua2Phone):  # whose depth is fixed
        return
    await until(lambda: len(party.heard()) >= SETTLED * RATE, within, f"{type(party).__name__} listens")
