"""How one caller finds an agent, step by step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from calls import Side
from calls.errors import ConfigError
from routing import Agent, Queue, Rules, State

if TYPE_CHECKING:
    from tests.routing.conftest import Hall


async def test_the_free_agent_is_rung_at_once_and_answers(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.exchange.habits["1001"] = 3.0
    hall.dials("a")
    await hall.passes()
    assert hall.exchange.rung == [(0.0, "1001", "a")]
    assert hall.state("1001") is State.RINGING
    await hall.passes(3)
    assert hall.state("1001") is State.TALKING
    assert hall.tickets["a"].position == 0
    assignment = hall.tickets["a"].assignment
    assert assignment is not None
    assert assignment.target == "1001"
    assert "具备技能 service（3 级）" in assignment.reasons


async def test_who_has_been_idle_longest_is_rung_first(hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    router = hall.opens([service], [li, zhang])
    router.phone_changed("1001", False)
    await hall.passes(5)
    router.phone_changed("1001", True)
    hall.dials("a")
    await hall.passes()
    assert hall.ringing == [("1002", "a")]


async def test_an_agent_who_becomes_free_gets_the_next_caller_in_the_same_moment(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([Queue("service", skills=("service",), wrap_up_seconds=15)], [li])
    hall.exchange.habits["1001"] = 1.0
    for call in "abc":
        hall.dials(call)
    await hall.passes(1)
    assert [hall.tickets[call].position for call in "abc"] == [0, 1, 2]
    phone = hall.talks("1001")
    assert phone is not None
    phone.end(Side.AGENT)
    await hall.passes()
    assert await hall.journeys["a"] == "talked"
    assert hall.state("1001") is State.WRAP_UP
    await hall.passes(15.01)
    at, *rung = hall.exchange.rung[1]
    assert at == pytest.approx(16.0, abs=0.002)
    assert rung == ["1001", "b"]
    await hall.passes(1)
    assert hall.tickets["c"].position == 1


@pytest.mark.parametrize(("status", "then"), [(486, State.IDLE), (603, State.IDLE), (480, State.IDLE),
                                             (600, State.IDLE), (408, State.PAUSED), (503, State.OFFLINE),
                                             (404, State.OFFLINE)])
async def test_a_refusal_passes_the_call_on_and_the_caller_keeps_the_place(
        hall: Hall, li: Agent, zhang: Agent, service: Queue, status: int, then: State) -> None:
    hall.opens([service], [li, zhang])
    hall.exchange.habits["1001"] = (status, 2.0)
    hall.dials("a")
    await hall.passes(1)
    hall.dials("b")
    hall.dials("c")
    await hall.passes()
    assert hall.ringing == [("1001", "a"), ("1002", "b")]
    hall.hangs_up("b")
    hall.exchange.habits["1001"] = 100.0
    await hall.passes(0)
    assert hall.ringing == [("1001", "a"), ("1002", "c")]
    hall.hangs_up("c")
    await hall.passes(1)
    assert hall.ringing == [("1002", "a")]
    assert hall.tickets["a"].position == 1
    assert hall.state("1001") is then
    assert [event.details["signal"] for event in hall.log if event.kind == "queue.refused"] != []


async def test_no_answer_passes_the_call_on_and_pauses_the_agent_for_a_while(
        hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    hall.opens([service], [li, zhang], Rules(missed_pause=60))
    hall.dials("a")
    await hall.passes(20.01)
    assert hall.state("1001") is State.PAUSED
    assert hall.ringing == [("1002", "a")]
    await hall.passes(59)
    assert hall.state("1001") is State.PAUSED
    await hall.passes(1)
    assert hall.state("1001") in (State.IDLE, State.RINGING)


async def test_who_declined_is_asked_again_only_when_nobody_else_is_free(
        hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li], Rules(again_after=10, cool_down=60))
    hall.exchange.habits["1001"] = (603, 1.0)
    hall.dials("a")
    await hall.passes(10.9)
    assert len(hall.exchange.rung) == 1
    await hall.passes(0.2)
    assert [at for at, _, _ in hall.exchange.rung] == [0.0, pytest.approx(11.0, abs=0.002)]


@pytest.mark.parametrize("after", [0.0, 1.0])
async def test_a_caller_who_hangs_up_while_it_rings_leaves_the_agent_as_before(
        hall: Hall, li: Agent, service: Queue, after: float) -> None:
    router = hall.opens([service], [li])
    await hall.passes(7)
    hall.dials("a")
    await hall.passes(after)
    hall.hangs_up("a")
    await hall.passes()
    seat = router.book.seats["1001"]
    assert (seat.state, seat.since, seat.idle_since) == (State.IDLE, router.now() - 7 - after, seat.since)
    assert hall.exchange.cancelled == [("1001", "a")]
    assert hall.kinds("a") == ["queue.entered", "queue.offered", "queue.withdrawn", "queue.left"]
    assert hall.log[-1].details["why"] == "abandoned"


async def test_nobody_came_within_the_longest_wait(hall: Hall, service: Queue) -> None:
    hall.opens([service])
    hall.dials("a", max_wait=30)
    await hall.passes(29.9)
    assert hall.tickets["a"].position == 1
    await hall.passes(0.2)
    assert await hall.journeys["a"] == "overflow"
    assert hall.log[-1].details["why"] == "overflow"


async def test_the_longest_wait_ends_a_ringing_phone_too(hall: Hall, li: Agent, service: Queue) -> None:
    hall.opens([service], [li])
    hall.dials("a", max_wait=5)
    await hall.passes(5.1)
    assert hall.exchange.cancelled == [("1001", "a")]
    assert hall.state("1001") is State.IDLE


async def test_a_broken_talk_returns_to_the_head_and_to_another_agent(
        hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    hall.opens([service], [li, zhang])
    hall.exchange.habits = {"1001": 1.0, "1002": 1.0}
    hall.dials("a")
    hall.dials("b")
    await hall.passes(2)
    for call in "cd":
        hall.dials(call)
    await hall.passes()
    lost = hall.talks("1001")
    assert lost is not None
    assert lost.call.id == "a"
    lost.end(Side.NETWORK)
    await hall.passes()
    assert [hall.tickets[call].position for call in "acd"] == [1, 2, 3]
    other = hall.talks("1002")
    assert other is not None
    other.end(Side.AGENT)
    await hall.passes(15.1)
    assert ("1002", "a") in hall.ringing
    assert hall.router.book.tally("service", hall.router.now()).offered == 4


async def test_signing_out_while_ringing_brings_the_call_to_the_next_agent(
        hall: Hall, li: Agent, zhang: Agent, service: Queue) -> None:
    router = hall.opens([service], [li, zhang])
    hall.dials("a")
    await hall.passes(1)
    router.sign_out("1001")
    await hall.passes()
    assert hall.exchange.cancelled == [("1001", "a")]
    assert hall.ringing == [("1002", "a")]
    assert hall.state("1001") is State.OFFLINE


async def test_signing_out_in_the_moment_of_the_offer(hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    router.pause("1001")
    hall.dials("a")
    await hall.passes(1)
    router.ready("1001")
    router.sign_out("1001")
    await hall.passes()
    assert hall.exchange.rung == []
    assert hall.tickets["a"].position == 1


async def test_an_answer_in_the_moment_of_signing_out_is_an_answer(hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    hall.exchange.habits["1001"] = 1.0
    asyncio.get_running_loop().call_later(1.0, router.sign_out, "1001")
    hall.dials("a")
    await hall.passes(2)
    phone = hall.talks("1001")
    assert (phone is None) == (hall.state("1001") is State.OFFLINE)
    if phone is not None:
        phone.end(Side.AGENT)
    await hall.passes(15.1)
    assert hall.state("1001") is State.OFFLINE


async def test_a_break_asked_for_during_a_talk_begins_after_the_notes(hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    hall.exchange.habits["1001"] = 1.0
    hall.dials("a")
    await hall.passes(2)
    router.pause("1001", "午休")
    assert hall.state("1001") is State.TALKING
    hall.hangs_up("a")
    await hall.passes(1)
    assert hall.state("1001") is State.WRAP_UP
    await hall.passes(15)
    assert hall.state("1001") is State.PAUSED
    router.ready("1001")
    assert hall.state("1001") is State.IDLE


async def test_an_unreachable_phone_is_tried_again_or_comes_back_by_itself(
        hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li], Rules(unreachable_for=60))
    hall.exchange.habits["1001"] = (503, 0.0)
    hall.dials("a")
    await hall.passes(1)
    assert hall.state("1001") is State.OFFLINE
    hall.exchange.habits["1001"] = 1.0
    await hall.passes(20)
    router.phone_changed("1001", True)
    await hall.passes(2)
    assert hall.state("1001") is State.TALKING


@pytest.mark.parametrize("status", [408, 503])
async def test_a_phone_that_sleeps_takes_its_agent_out_until_it_wakes_up(
    hall: Hall, li: Agent, service: Queue, status: int
) -> None:
    """The exchange says that nobody answers there, before the ringing fails, and when somebody does again."""
    wang = Agent("1002", "王", "1002", li.skills)
    router = hall.opens([service], [li, wang], Rules(unreachable_for=60, missed_pause=60))
    hall.exchange.habits = {"1001": (status, 8.0), "1002": 1.0}
    hall.dials("a")
    await hall.passes(7.9)
    assert hall.state("1001") is State.RINGING
    router.phone_changed("1001", False)
    await hall.passes(2)
    assert (hall.state("1001"), hall.state("1002")) == (State.OFFLINE, State.TALKING)
    await hall.passes(300)
    assert hall.state("1001") is State.OFFLINE, "nothing but the phone itself brings it back"
    router.phone_changed("1001", True)
    assert hall.state("1001") is State.IDLE


async def test_fixed_phones_are_always_there_and_rest_only_when_busy(hall: Hall) -> None:
    hall.opens([Queue("line", phones=("sip:echo@127.0.0.1:5070", "8001"))], rules=Rules(again_after=10))
    hall.exchange.habits = {"sip:echo@127.0.0.1:5070": (486, 1.0), "8001": 1.0}
    hall.dials("a", "line")
    await hall.passes(2.5)
    phone = hall.talks("8001")
    assert phone is not None
    phone.end(Side.AGENT)
    await hall.passes()
    assert hall.state("8001") is State.IDLE
    hall.exchange.habits["sip:echo@127.0.0.1:5070"] = 1.0
    hall.dials("b", "line")
    hall.dials("c", "line")
    await hall.passes(1)
    assert hall.talks("8001") is not None
    await hall.passes(9)
    assert hall.talks("sip:echo@127.0.0.1:5070") is not None


async def test_everybody_who_watches_hears_when_the_line_moves(hall: Hall, service: Queue) -> None:
    hall.opens([service])
    for call in "abc":
        hall.dials(call)
    await hall.passes()
    moved = asyncio.ensure_future(hall.tickets["c"].moved())
    await hall.passes()
    hall.hangs_up("a")
    await hall.passes()
    assert await moved == 2
    assert await hall.tickets["c"].moved(since=3) == 2


async def test_a_higher_tier_goes_first_until_the_lower_has_waited_longer(hall: Hall, service: Queue) -> None:
    hall.opens([service], rules=Rules(tiers={"T4": 1}, head_start=60))
    hall.dials("old")
    await hall.passes(61)
    hall.dials("young")
    await hall.passes()
    hall.dials("gold", tier="T4")
    await hall.passes()
    assert [hall.tickets[call].position for call in ("old", "gold", "young")] == [1, 2, 3]


async def test_an_unknown_queue_is_named_with_those_that_exist(hall: Hall, service: Queue) -> None:
    hall.opens([service])
    hall.dials("a", "refund")
    with pytest.raises(ConfigError, match=r"refund.*there are service"):
        await hall.journeys["a"]


@pytest.mark.parametrize("late", [False, True])
async def test_a_fixed_phone_that_is_an_agent_s_is_that_agent(hall: Hall, li: Agent, late: bool) -> None:
    router = hall.opens([Queue("vip", phones=("1001",), wrap_up_seconds=5)], [] if late else [li])
    if late:
        router.seat(li)
        router.phone_changed("1001", False)
        assert hall.state("1001") is State.OFFLINE
        router.phone_changed("1001", True)
    assert [seat.agent for seat in router.book.seats.values()] == [li]
    hall.exchange.habits["1001"] = 1.0
    hall.dials("a", "vip")
    await hall.passes(1)
    hall.hangs_up("a")
    await hall.passes()
    assert hall.state("1001") is State.WRAP_UP


async def test_leaving_the_queue_ends_a_search_that_runs_elsewhere(hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    async with router.waiting(hall.call("a"), hall.caller(), "service") as ticket:
        search = asyncio.create_task(ticket.agent())
        await hall.passes(1)
        assert hall.ringing == [("1001", "a")]
        with pytest.raises(RuntimeError, match="already searches"):
            await ticket.agent()
    assert search.cancelled()
    assert hall.exchange.cancelled == [("1001", "a")]
    assert hall.log[-1].details["why"] == "left"
    await hall.passes()


async def test_leaving_the_queue_hangs_up_an_agent_who_was_never_talked_to(
        hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    hall.exchange.habits["1001"] = 1.0
    async with router.waiting(hall.call("a"), hall.caller(), "service") as ticket:
        await ticket.agent()
        assert hall.talks("1001") is not None
        with pytest.raises(RuntimeError, match="already searches"):
            await ticket.agent()
    assert hall.talks("1001") is None
    assert hall.state("1001") is State.WRAP_UP


async def test_what_makes_no_sense_is_refused_in_words(hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    hall.exchange.habits["1001"] = 1.0
    async with router.waiting(hall.call("a"), hall.caller(), "service") as ticket:
        with pytest.raises(RuntimeError, match="call a already waits"):
            async with router.waiting(hall.call("a"), hall.caller(), "service"):
                raise AssertionError("one call in two queues")
        with pytest.raises(RuntimeError, match="still in the line"):
            await ticket.again()
        with pytest.raises(RuntimeError, match="no agent to talk to"):
            async with ticket.talking():
                raise AssertionError("talking to nobody")
        await ticket.agent()
        async with ticket.talking():
            pass
        with pytest.raises(RuntimeError, match=r"again\(\) was not called"):
            await ticket.agent()
    with pytest.raises(KeyError):
        router.pause("nobody")


async def test_a_priority_that_the_flow_gives_counts_instead_of_the_tier_s(hall: Hall, service: Queue) -> None:
    router = hall.opens([service])
    hall.dials("gold", tier="APASS")
    await hall.passes(1)
    async with router.waiting(hall.call("urgent"), hall.caller(), "service", priority=9) as urgent:
        assert urgent.position == 1
        async with router.waiting(hall.call("cut"), hall.caller(), "service", head=True) as cut:
            assert (cut.position, urgent.position, hall.tickets["gold"].position) == (1, 2, 3)


async def test_the_invariants_hold_also_while_the_agents_phone_is_being_hung_up(
        hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    hall.exchange.habits["1001"] = 1.0
    hall.dials("a")
    await hall.passes(1)
    hall.hangs_up("a")
    turns = 0
    while hall.talks("1001") or not hall.journeys["a"].done():
        assert router.check() == []
        await asyncio.sleep(0)
        turns += 1
    assert turns > 1, "the hang-up took no time: nothing was seen"
    await hall.passes()
