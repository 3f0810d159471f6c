"""Calls that one agent takes from another's telephone: picked up while they ring, taken over while they last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from calls import Side
from calls.errors import CallFailed
from routing import Agent, Queue, State

if TYPE_CHECKING:
    from tests.routing.conftest import Hall


@pytest.mark.parametrize("away", [False, True])
async def test_a_call_of_the_queue_is_that_of_whoever_picked_it_up(
        hall: Hall, li: Agent, zhang: Agent, service: Queue, away: bool) -> None:
    hall.opens([service], [li, zhang])
    if away:
        hall.router.pause("1002")
    hall.exchange.habits["1001"], hall.exchange.picks_up = 2.0, "1002"
    hall.dials("a")
    await hall.passes(1)
    assert hall.ringing == [("1001", "a")]
    await hall.passes(2)
    assert (hall.state("1001"), hall.state("1002")) == (State.IDLE, State.TALKING)
    assert hall.kinds("a") == ["queue.entered", "queue.offered", "queue.withdrawn", "queue.offered", "queue.answered"]
    assert hall.log[-1].agent == "1002"
    phone = hall.talks("1001")
    assert phone is not None
    phone.end(Side.AGENT)
    await hall.passes()
    assert hall.state("1002") is State.WRAP_UP


async def test_an_agent_who_goes_on_at_another_telephone_talks_until_that_one_hangs_up(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    async with hall.router.waiting(hall.call("a"), hall.caller(), "service") as ticket:
        hall.exchange.habits |= {"1001": 1.0, "mobile": 1.0}
        desk, _ = await ticket.agent()
        async with ticket.talking():
            mobile = await hall.exchange.ring("mobile", call=hall.call("a"), shown=None)
            ticket.goes_on_at(mobile)
            await desk.hang_up()
            await hall.passes()
            assert hall.state("1001") is State.TALKING
            await mobile.hang_up()
            await hall.passes()
            assert hall.state("1001") is State.WRAP_UP


async def test_who_is_in_another_call_by_then_loses_the_call_to_the_next(
        hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    hall.opens([service], [li, zhang])
    hall.exchange.habits["1001"], hall.exchange.picks_up = 2.0, "1002"
    hall.dials("a")
    await hall.passes(1)
    hall.dials("b")
    await hall.passes(0)
    assert hall.state("1002") is State.RINGING
    await hall.passes(1)
    hall.exchange.picks_up = ""
    assert hall.ringing == [("1001", "a"), ("1002", "b")], "the search goes on"
    await hall.passes(2)
    assert hall.state("1001") is State.TALKING


async def test_a_call_past_the_queues_is_that_of_whoever_picked_it_up(
        hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    hall.opens([service], [li, zhang])
    hall.exchange.habits["1001"], hall.exchange.picks_up = 1.0, "1002"
    async with hall.router.direct.reached("1001", hall.call("t"), wrap_up=15):
        assert (hall.state("1001"), hall.state("1002")) == (State.IDLE, State.TALKING)
        await hall.passes()
    assert hall.state("1002") is State.WRAP_UP
    with hall.router.direct.dialling("1002", hall.call("own")), pytest.raises(CallFailed, match="486"):
        async with hall.router.direct.reached("1001", hall.call("u")):
            raise AssertionError("its phone is in another call")
    assert hall.state("1001") is State.IDLE
    assert not hall.exchange.talking


async def test_who_may_take_what(hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    refunds = Queue("refunds", skills=("refunds",))
    chen = Agent("1003", "陈晨", "1003", {"orders": 5})
    router = hall.opens([service, refunds], [li, zhang, chen])
    may = router.direct.may_take
    hall.exchange.habits["1001"] = 2.0
    hall.dials("r", "refunds")
    await hall.passes(1)
    assert may("1001", "1001", "r", True), "its own"
    assert not may("1002", "1001", "r", True), "serves another queue"
    await hall.passes(2)
    hall.hangs_up("r")
    await hall.passes(30)
    reaching = asyncio.create_task(router.direct.reached("1001", hall.call("t")).__aenter__())
    await hall.passes(1)
    assert may("1002", "1001", "t", True), "shares a queue with whom it rings at"
    assert not may("1003", "1001", "t", True), "shares none"
    assert not may("9001", "1001", "t", True), "is no agent"
    assert not may("1002", "1001", "t", False), "it is not answered yet"
    assert not may("1002", "1001", "u", True), "that call does not ring there"
    await reaching
    assert may("1002", "1001", "t", False)
    with router.direct.dialling("1002", hall.call("own")):
        assert not may("1002", "1001", "t", False), "is in a call"
    router.sign_out("1002")
    assert not may("1002", "1001", "t", False), "has gone home"


async def test_whoever_takes_a_talk_over_is_at_work_until_it_ends(
        hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    hall.opens([service], [li, zhang])
    hall.exchange.habits["1001"] = 1.0
    hall.dials("a")
    await hall.passes(2)
    for user in ("1001", "1002"):  # to another phone of the same agent, and to a colleague
        with hall.router.direct.taking(user, hall.call("a"), 15):
            if user == "1001":
                hall.hangs_up("a")
                await hall.passes()
            assert hall.state(user) is State.TALKING
            await hall.passes(1)
        assert hall.state(user) is State.WRAP_UP
    await hall.passes(15.01)
    assert (hall.state("1001"), hall.state("1002")) == (State.IDLE, State.IDLE)
