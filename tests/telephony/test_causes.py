"""SIP statuses and causes of Q.850, and the Reason header that carries them."""

from __future__ import annotations

import asyncio

import pytest

from calls.call import Hangup, Side
from calls.errors import CallFailed
from telephony.causes import CAUSE_OF, STATUS_OF, TEXTS, Reason, cause_in, passed_on, read, reason_headers, status_of
from telephony.incoming import IncomingCall
from telephony.sip.errors import SipParseError
from telephony.sip.events import Acknowledged, Answered, Cancelled, Ended, Failed, Invited, Ringing
from tests.telephony.conftest import Switchboard
from tests.telephony.parties import HOTLINE, call_of, connects, registered
from tests.telephony.softphone import Softphone


@pytest.mark.parametrize(
    ("cause", "status"), [(1, 404), (17, 486), (19, 480), (21, 403), (34, 503), (28, 484), (99, 500)],
)
def test_a_cause_becomes_a_status(cause: int, status: int) -> None:
    assert status_of(cause) == status


@pytest.mark.parametrize(
    ("status", "cause"), [(404, 1), (486, 17), (600, 17), (603, 21), (503, 41), (480, 18), (407, 0)],
)
def test_a_status_becomes_a_cause(status: int, cause: int) -> None:
    assert cause_in([], status) == cause


@pytest.mark.parametrize(
    ("status", "told"),
    [(486, 486), (404, 404), (603, 603), (503, 503), (407, 502), (481, 502), (302, 480), (487, 480)],
)
def test_what_was_said_of_one_leg_alone_is_not_told_to_the_other(status: int, told: int) -> None:
    assert passed_on(status) == told


def test_every_cause_that_is_told_has_its_words_and_every_status_refuses() -> None:
    assert {*CAUSE_OF.values(), *STATUS_OF} <= set(TEXTS)
    assert all(400 <= status <= 699 for status in STATUS_OF.values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Q.850;cause=17;text="User busy"', [Reason("Q.850", 17, "User busy")]),
        ('SIP ;cause=200 ;text="Call completed elsewhere", q.850;cause=26',
         [Reason("SIP", 200, "Call completed elsewhere"), Reason("q.850", 26)]),
        ('Q.850;cause=16;text="a, b; c"', [Reason("Q.850", 16, "a, b; c")]),
        ("Preemption", [Reason("Preemption", 0)]),
        ("Q.850;cause=x, Q.850;cause=16", [Reason("Q.850", 16)]),
        ('Q.850;text="never closed', []),
        (";cause=1", []),
        ("", []),
    ],
)
def test_what_a_reason_header_says(text: str, found: list[Reason]) -> None:
    assert read(text) == found


def test_a_reason_as_it_goes_on_the_wire_is_read_back() -> None:
    said = Reason("Q.850", 127, 'say "no"')
    assert Reason.parse(str(said)) == said
    assert reason_headers(17) == [("Reason", 'Q.850;cause=17;text="User busy"')]
    assert reason_headers(0) == []
    with pytest.raises(SipParseError, match="Reason"):
        Reason.parse("two words;cause=1")


@pytest.mark.parametrize(
    ("text", "status", "cause"),
    [
        ("SIP;cause=486, Q.850;cause=21", 480, 21),
        ("SIP;cause=486", 480, 17),
        ("Q.850;cause=0", 486, 17),
        ("Q.850;cause=200", 0, 0),
    ],
)
def test_the_networks_own_cause_says_more_than_the_status(text: str, status: int, cause: int) -> None:
    assert cause_in(read(text), status) == cause


async def test_a_refused_call_has_the_far_sides_cause(switchboard: Switchboard) -> None:
    failures: list[CallFailed] = []

    async def serve(incoming: IncomingCall) -> None:
        try:
            await switchboard.telephony.ring(agent.uri, call=call_of(incoming), shown=None)
        except CallFailed as failure:
            failures.append(failure)
            await incoming.phone.reject(486)

    switchboard.serve = serve
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        agent.sip.reject(invited.call, 480, agent.now, headers=[("Reason", "Q.850;cause=20")])
        agent.shell.flush()
        refused = await caller.sees(Failed)
        assert refused.response is not None
        assert refused.response.get("Reason") == 'Q.850;cause=17;text="User busy"'
    assert [(each.status, each.cause) for each in failures] == [(480, 20)]
    await switchboard.leaves_nothing_behind()


async def test_a_bye_tells_its_cause_in_both_directions(switchboard: Switchboard) -> None:
    ended: list[Hangup] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        ended.append(await (await switchboard.telephony.ring(agent.uri, call=call_of(incoming), shown=None)).ended())

    switchboard.serve = serve
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        agent.answers(invited.call, invited.request.body)
        await agent.sees(Acknowledged)
        await caller.sees(Answered)
        agent.sip.bye(invited.call, agent.now, [("Reason", "SIP;cause=200"), ("Reason", "Q.850;cause=31")])
        agent.shell.flush()
        assert (await caller.sees(Ended)).reason == 'Q.850;cause=16;text="Normal call clearing"'
    assert [(each.by, each.cause) for each in ended] == [(Side.AGENT, 31)]
    await switchboard.leaves_nothing_behind()


async def test_a_cancel_tells_why(switchboard: Switchboard) -> None:
    causes: list[int] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        try:
            await asyncio.Event().wait()
        finally:
            causes.append((await incoming.phone.ended()).cause)

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Ringing)
        caller.sip.cancel(call, caller.now, [("Reason", "Q.850;cause=19")])
        caller.shell.flush()
        await caller.sees(Failed)
        await switchboard.leaves_nothing_behind()
    assert causes == [19]


async def test_the_phone_whose_neighbour_was_faster_notes_no_missed_call(switchboard: Switchboard) -> None:
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as one, Softphone("127.0.0.6", "1001") as other:
        for phone in (one, other):
            await registered(phone, switchboard)
        caller.calls(HOTLINE, switchboard.address)
        first, second = await one.sees(Invited), await other.sees(Invited)
        other.sip.ring(second.call, other.now)
        other.shell.flush()
        one.answers(first.call, first.request.body)
        assert (await other.sees(Cancelled)).reason == 'SIP;cause=200;text="Call completed elsewhere"'
        one.sip.bye(first.call, one.now)
        one.shell.flush()
        await switchboard.leaves_nothing_behind()
