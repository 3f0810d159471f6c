"""Calls that reach an agent past the queues: the agent is at work, and no queue offers a call meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from calls.errors import CallFailed
from routing import Agent, Queue, State
from routing.wallboard import wallboard

if TYPE_CHECKING:
    from tests.routing.conftest import Hall


async def reach(hall: Hall, target: str, seconds: float, *, wrap_up: float = 0.0) -> None:
    async with hall.router.direct.reached(target, hall.call("t"), wrap_up=wrap_up):
        await hall.passes(seconds)


async def talks(hall: Hall, target: str, *, wrap_up: float = 0.0) -> asyncio.Task[None]:
    """Whoever is reached there answers after a second, and is in that call for five."""
    hall.exchange.habits[target] = 1.0
    talking = asyncio.create_task(reach(hall, target, 5, wrap_up=wrap_up))
    await hall.passes(2)
    return talking


async def test_whoever_is_reached_by_transfer_is_at_work_and_then_writes_notes(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.exchange.habits["1001"] = 2.0
    talking = asyncio.create_task(reach(hall, "1001", 10, wrap_up=15))
    await hall.passes()
    assert hall.state("1001") is State.RINGING
    hall.dials("a")
    await hall.passes(3)
    assert hall.state("1001") is State.TALKING
    assert hall.exchange.rung == [(0.0, "1001", "t")], "no queue rings who is in a call"
    await talking
    assert hall.state("1001") is State.WRAP_UP
    await hall.passes(15.01)
    assert hall.ringing == [("1001", "a")]


async def test_who_is_not_idle_is_not_rung(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.router.pause("1001")
    with pytest.raises(CallFailed, match="486"):
        await reach(hall, "1001", 1)
    assert not hall.exchange.rung
    assert hall.state("1001") is State.PAUSED


@pytest.mark.parametrize(("status", "state"), [(486, State.IDLE), (603, State.IDLE), (408, State.PAUSED),
                                               (503, State.OFFLINE)])
async def test_what_a_refusal_says_of_the_agent(
        hall: Hall, li: Agent, service: Queue, status: int, state: State) -> None:
    hall.opens([service], [li])
    hall.exchange.habits["1001"] = (status, 1.0)
    with pytest.raises(CallFailed):
        await reach(hall, "1001", 1)
    await hall.passes()
    assert hall.state("1001") is state


async def test_one_telephone_of_an_agent_is_rung_alone_and_the_agent_is_at_work(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    talking = await talks(hall, "1001;gr=desk")
    assert hall.state("1001") is State.TALKING
    await talking
    assert [target for _, target, _ in hall.exchange.rung] == ["1001;gr=desk"]


@pytest.mark.parametrize("status", [404, 480, 503])
async def test_one_telephone_that_is_away_does_not_take_its_agent_out_of_service(
        hall: Hall, li: Agent, service: Queue, status: int) -> None:
    hall.opens([service], [li])
    hall.exchange.habits["1001;gr=desk"] = (status, 1.0)
    with pytest.raises(CallFailed):
        await reach(hall, "1001;gr=desk", 1)
    await hall.passes()
    assert hall.state("1001") is State.IDLE


async def test_a_caller_who_hangs_up_meanwhile_leaves_the_agent_idle(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.exchange.habits["1001"] = 5.0
    reaching = asyncio.create_task(reach(hall, "1001", 1))
    await hall.passes(1)
    reaching.cancel()
    await asyncio.gather(reaching, return_exceptions=True)
    await hall.passes()
    assert hall.state("1001") is State.IDLE


async def test_an_outside_number_has_no_agent(hall: Hall, service: Queue) -> None:
    hall.opens([service])
    hall.exchange.habits["13900000000"] = 1.0
    await reach(hall, "13900000000", 1)
    assert [target for _, target, _ in hall.exchange.rung] == ["13900000000"]


async def test_after_a_restart_nobody_talks_any_more(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.exchange.habits["1001"] = 1.0
    talking = asyncio.create_task(reach(hall, "1001", 60))
    await hall.passes(2)
    past = list(hall.log)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    await hall.passes(5)
    router = hall.opens([service], [li])
    router.rebuild(past)
    await hall.passes()
    assert hall.state("1001") is State.IDLE


async def test_who_dials_is_at_work_also_from_a_break_and_gets_nothing_offered(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.router.pause("1001")
    with hall.router.direct.dialling("1001", hall.call("own")):
        assert hall.state("1001") is State.TALKING
        hall.router.ready("1001")
        hall.dials("a")
        await hall.passes(3)
        assert not hall.exchange.rung
        assert not hall.router.check()
    await hall.passes()
    assert hall.ringing == [("1001", "a")]


async def test_who_consults_is_in_that_call_when_the_caller_hangs_up(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    talking = await talks(hall, "1001")
    with hall.router.direct.dialling("1001", hall.call("own")):
        assert hall.router.book.seats["1001"].call_id == "t"
        hall.dials("a")
        await talking
        assert hall.state("1001") is State.TALKING
        assert hall.router.book.seats["1001"].call_id == "own"
        assert not hall.router.check()
    await hall.passes()
    assert hall.ringing == [("1001", "a")]


async def test_the_notes_after_a_call_of_ones_own_are_those_asked_for(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    with hall.router.direct.dialling("1001", hall.call("own")):
        hall.dials("a")
        hall.router.direct.rang_off("1001", hall.call("own"), wrap_up=12)
        await hall.passes(5)  # whom the agent has handed on goes on in that call
        assert hall.state("1001") is State.WRAP_UP
    await hall.passes(6.9)
    assert not hall.exchange.rung
    await hall.passes(0.2)
    assert hall.ringing == [("1001", "a")]


async def test_a_wrap_up_that_a_call_interrupts_goes_on_after_it(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.exchange.habits["1001"] = 1.0
    await reach(hall, "1001", 1, wrap_up=15)
    await hall.passes(5)
    assert hall.state("1001") is State.WRAP_UP
    with hall.router.direct.dialling("1001", hall.call("own")):
        await hall.passes(60)
        assert hall.state("1001") is State.TALKING
    assert hall.state("1001") is State.WRAP_UP
    await hall.passes(9.9)
    assert hall.state("1001") is State.WRAP_UP
    await hall.passes(0.2)
    assert hall.state("1001") is State.IDLE


async def test_the_wrap_up_of_the_caller_follows_the_consultation(hall: Hall, li: Agent, service: Queue) -> None:
    """An attended transfer ends two calls of one agent at once, in whatever order; the notes are not lost."""
    hall.opens([service], [li])
    talking = await talks(hall, "1001", wrap_up=15)
    with hall.router.direct.dialling("1001", hall.call("own")):
        await talking
        assert hall.state("1001") is State.TALKING
    assert hall.state("1001") is State.WRAP_UP
    await hall.passes(15.1)
    assert hall.state("1001") is State.IDLE


async def test_who_dials_twice_is_in_the_second_call_when_the_first_is_over(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    first, second = hall.call("first"), hall.call("second")
    with hall.router.direct.dialling("1001", first):
        with hall.router.direct.dialling("1001", second):
            hall.router.direct.rang_off("1001", first, wrap_up=10)
            hall.dials("a")
            await hall.passes(30)
            assert hall.router.book.seats["1001"].call_id == "second"
            assert not hall.exchange.rung
        assert hall.state("1001") is State.WRAP_UP, "the notes on the first call are still to be written"
        await hall.passes(10.1)
        assert hall.ringing == [("1001", "a")]


async def test_whoever_was_consulted_and_goes_on_has_the_wrap_up_of_the_call_that_goes_on(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    talking = await talks(hall, "1001")
    hall.router.direct.handed_on("1001", hall.call("theirs"), 20)
    await talking
    assert hall.state("1001") is State.WRAP_UP
    await hall.passes(20.1)
    assert hall.state("1001") is State.IDLE


async def test_calls_of_ones_own_are_work_and_breaks_are_not(hall: Hall, li: Agent, service: Queue) -> None:
    def occupancy() -> float | None:
        return wallboard(hall.router.book, hall.router.now()).agents[0].occupancy

    hall.opens([service], [li])
    assert occupancy() is None
    await hall.passes(30)
    assert occupancy() == 0.0
    with hall.router.direct.dialling("1001", hall.call("own")):
        await hall.passes(20)
        assert occupancy() == pytest.approx(0.4)
        hall.router.direct.rang_off("1001", hall.call("own"), wrap_up=10)
    await hall.passes(10)
    hall.router.pause("1001")
    await hall.passes(1000)
    assert occupancy() == pytest.approx(0.5)
    past = list(hall.log)
    router = hall.opens([service], [li])
    router.rebuild(past)
    assert occupancy() == pytest.approx(0.5), "a restart forgets none of it"
    await hall.passes(24 * 3600 - 1060)
    assert occupancy() is None, "a new day, and still the break"
