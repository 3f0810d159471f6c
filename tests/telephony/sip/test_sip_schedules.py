"""Random schedules: calls that are rung, answered, refused, changed and hung up at any moment over a bad network. Each
ends with one outcome at either end, and in the end nothing is kept."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from telephony.sip.events import (
    Acknowledged,
    Answered,
    Cancelled,
    Ended,
    Failed,
    Invited,
    Malformed,
    Reinvited,
    Requested,
)
from tests.telephony.sip.network import ANSWER, OFFER, T1, Network, Pair, Party, Sent


def _bad_network(chance: random.Random, loss: float) -> Callable[[Sent], list[float]]:
    def fate(sent: Sent) -> list[float]:
        if chance.random() < loss:
            return []
        copies = 2 if chance.random() < 0.1 else 1
        return [chance.choice((0.01, 0.01, 0.05, 0.3, 0.9)) for _ in range(copies)]

    return fate


def _act(chance: random.Random, party: Party, calls: list[str], now: float) -> None:
    """Do anything to any call, sensible or not."""
    call = chance.choice(calls)
    endpoint = party.endpoint
    deeds: list[Callable[[], object]] = [
        lambda: endpoint.ring(call, now), lambda: endpoint.answer(call, ANSWER, now),
        lambda: endpoint.answer(call, ANSWER, now), lambda: endpoint.reject(call, 486, now),
        lambda: endpoint.hang_up(call, now), lambda: endpoint.cancel(call, now), lambda: endpoint.bye(call, now),
        lambda: endpoint.reinvite(call, OFFER, now), lambda: endpoint.accept_reinvite(call, ANSWER, now),
        lambda: endpoint.reject_reinvite(call, 488, now),
        lambda: endpoint.request(call, "INFO", now), lambda: endpoint.update(call, OFFER, now),
        lambda: endpoint.ring(call, now, 183, ANSWER), lambda: endpoint.update(call, b"", now),
    ]
    chance.choice(deeds)()


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("seed", range(12))
def test_any_schedule_ends_with_nothing_left_over(seed: int, loss: float) -> None:
    chance = random.Random(seed)
    net = Network(seed)
    pair = Pair(net, net.add("alice"), net.add("bob"))
    net.fate = _bad_network(chance, loss)
    placed = []
    for _ in range(60):
        if chance.random() < 0.25:
            placed.append(pair.dial())
        net.run(chance.choice((0.0, 0.005, 0.02, 0.3, 3.0)))
        for party in (pair.alice, pair.bob):
            known = placed if party is pair.alice else [e.call for e in party.told if isinstance(e, Invited)]
            if known:
                _act(chance, party, known[-4:], net.now)
    for _ in range(2):  # a second time for calls that arrived late, and for those whose far side fell silent
        for party in (pair.alice, pair.bob):
            for call in placed + [event.call for event in pair.bob.told if isinstance(event, Invited)]:
                party.endpoint.hang_up(call, net.now)
        net.run(70 * T1)
    pair.assert_nothing_left()
    assert placed
    _check_outcomes(pair, placed)


def _check_outcomes(pair: Pair, placed: list[str]) -> None:
    for call in placed:
        own = [event for event in pair.alice.told if getattr(event, "call", None) == call]
        assert sum(isinstance(event, Answered | Failed) for event in own) == 1, own
        assert sum(isinstance(event, Ended) for event in own) <= 1
        if any(isinstance(event, Failed) for event in own):
            assert isinstance(own[-1], Failed)
    for party in (pair.alice, pair.bob):
        over: set[str] = set()
        for event in party.told:
            assert not isinstance(event, Malformed)
            about = getattr(event, "call", None)
            if isinstance(event, Acknowledged | Reinvited | Requested | Ended | Cancelled):
                assert about not in over, event  # nobody hears of a call again once it has ended
            if isinstance(event, Ended | Cancelled | Failed):
                over.add(event.call)


def test_many_calls_leave_no_timer_behind() -> None:
    net = Network()
    pair = Pair(net, net.add("alice"), net.add("bob"))
    for _ in range(200):
        pair.talk()
        pair.alice.endpoint.bye(pair.call, net.now)
        net.run(0.1)
    live = pair.bob.endpoint.live()
    # 32 s of calls at two a second, each with two transactions and their timers, and not one more.
    assert live["dialogs"] == 0
    assert live["transactions"] <= 200
    assert live["timers"] <= 2 * live["transactions"]
    pair.assert_nothing_left()
