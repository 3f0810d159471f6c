"""What finished calls leave in memory: while their transactions wait for what may come again, and afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from telephony.sip.call import Call
from telephony.sip.message import Message
from telephony.sip.transaction import Transaction
from tests.telephony.sip.network import ANSWER, Pair

CALLS = 35
"""In less than 32 s: the first of them is still waited for when the last has ended."""


@pytest.fixture
def still() -> Iterator[None]:
    """Nothing is collected meanwhile: what goes, goes by its count of references."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def kept(kind: type) -> int:
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


def talks(pair: Pair, *, busy: bool = False) -> None:
    """A call from the INVITE to the end; nobody remembers what was said."""
    call = pair.ring()
    if busy:
        pair.bob.endpoint.reject(call, 486, pair.net.now)
    else:
        pair.bob.endpoint.answer(call, ANSWER, pair.net.now)
        pair.net.run()
        pair.alice.endpoint.bye(pair.call, pair.net.now)
    pair.net.run()
    for party in (pair.alice, pair.bob):
        party.told.clear()
    pair.net.wire.clear()


@pytest.mark.parametrize("busy", [False, True], ids=["answered", "refused"])
def test_calls_leave_nothing_for_the_garbage_collector(pair: Pair, still: None, busy: bool) -> None:
    for _ in range(CALLS):
        talks(pair, busy=busy)
    assert gc.collect() == 0
    pair.net.settle()
    assert gc.collect() == 0


def test_an_answered_invite_of_ours_keeps_what_a_fork_would_need_and_all_others_no_message(
    pair: Pair, still: None
) -> None:
    calls, messages = kept(Call), kept(Message)
    for _ in range(CALLS):
        talks(pair)
    assert pair.bob.endpoint.live()["transactions"] == 2 * CALLS, "INVITE and BYE wait for 32 s"
    assert pair.alice.endpoint.live()["transactions"] >= CALLS
    assert kept(Call) == calls
    assert kept(Message) == messages + CALLS
    pair.net.settle()
    assert kept(Message) == messages


def test_a_refused_invite_keeps_no_message(pair: Pair, still: None) -> None:
    messages = kept(Message)
    talks(pair, busy=True)
    assert pair.bob.endpoint.live()["transactions"] == pair.alice.endpoint.live()["transactions"] == 1
    assert kept(Message) == messages


def test_a_refused_invite_is_acknowledged_again_with_the_same_words(pair: Pair) -> None:
    pair.net.lose("ACK")
    pair.bob.endpoint.reject(pair.ring(), 486, pair.net.now)
    pair.net.run(2.0)
    acks = [sent.data for sent in pair.net.wire if sent.says == "ACK"]
    assert len(acks) == 2
    assert acks[0] == acks[1]
    pair.assert_nothing_left()


@pytest.mark.parametrize("busy", [False, True], ids=["answered", "refused"])
def test_what_the_network_refuses_is_not_looked_for_among_what_is_answered(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """A dead phone at 400 calls a second would cost a look at 25,000 transactions for every packet it does not take."""
    for _ in range(CALLS):
        talks(pair, busy=busy)
    asked: list[Transaction] = []
    monkeypatch.setattr(Transaction, "happen", lambda transaction, *_: asked.append(transaction))
    pair.alice.endpoint.unreachable(pair.bob.address, pair.net.now)
    assert pair.alice.endpoint.live()["transactions"] >= CALLS
    assert asked == []
