"""One user at several places: who rings together, who next, and who has the call (RFC 3261 sections 16.6 and 16.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

from calls.errors import CallFailed
from telephony.dialling import ANSWERED_ELSEWHERE, GIVEN_UP, DialledLeg, Route
from telephony.leg import Leg
from telephony.trunking.identity import Shown

Branch = tuple[DialledLeg, Route]
DECLINED_FOR_ALL = 600
"""From here on a refusal speaks for the user, and no longer for one telephone (section 21.6)."""


async def by_preference(branches: Iterable[Branch], shown: Shown, answer_within: float) -> Leg:
    """Ring the places that their user prefers (q), then the next, each group for an equal share of the time that is
    left; equally preferred ones together. A refusal by all of a group rings the next at once, a 6xx nobody any more.

    Raises CallFailed as ``first_to_answer`` does.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + answer_within
    ordered = sorted(branches, key=lambda branch: -branch[1].q)
    groups = [list(group) for _, group in groupby(ordered, key=lambda branch: branch[1].q)]
    failures: list[BaseException] = []
    for turn, group in enumerate(groups):
        try:
            return await first_to_answer(group, shown, (deadline - loop.time()) / (len(groups) - turn))
        except CallFailed as failure:
            failures.append(failure)
            if failure.status >= DECLINED_FOR_ALL:
                break
    raise _most_telling(failures)


async def first_to_answer(legs: Sequence[Branch], shown: Shown, answer_within: float) -> Leg:
    """Ring them all at once; the first that answers stays, the others stop ringing. So they do where one of them
    declines for all (6xx).

    Raises the CallFailed that says most: busy or rejected by somebody rather than nobody at home.
    """
    ringing = {asyncio.create_task(leg.dial(route, shown, answer_within)): leg for leg, route in legs}
    winner: Leg | None = None
    failures: list[BaseException] = []
    try:
        waiting = set(ringing)
        while waiting and winner is None and not any(map(_for_all, failures)):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            winner = next((task.result() for task in done if not task.exception()), None)
            failures += [error for task in done if (error := task.exception())]
        if winner is None:
            raise _most_telling(failures)
        return winner
    finally:
        why = ANSWERED_ELSEWHERE if winner is not None else GIVEN_UP
        for leg in ringing.values():
            if leg is not winner:  # also one that answered while we were being cancelled
                leg.release(why)
        for task in ringing:
            task.cancel()
        for outcome in await asyncio.gather(*ringing, return_exceptions=True):
            if isinstance(outcome, Leg) and outcome is not winner:  # picked up in that very moment
                outcome.release(why)


def _for_all(error: BaseException) -> bool:
    return isinstance(error, CallFailed) and error.status >= DECLINED_FOR_ALL


def _most_telling(errors: Sequence[BaseException]) -> BaseException:
    unforeseen = [error for error in errors if not isinstance(error, CallFailed)]
    if unforeseen:
        return unforeseen[0]
    failures = [error for error in errors if isinstance(error, CallFailed)]
    return min(failures, key=lambda failure: (not _for_all(failure), failure.status in (408, 480, 503)))
